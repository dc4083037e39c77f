"""The engine: model, cache, store and domains put together behind one object.

What the command line, the HTTP server and library users call. All methods are synchronous, safe
from any thread, and raise only the errors of ``openviking.errors``.

Data flow of a search: query -> cached vector, else encoder -> passages nearest in the index and
words in the store -> one fused list of skills. Of a write: record -> store (on disk) -> index.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Self

from openviking.cache import CachedEncoder, EmbeddingCache, SharedCache
from openviking.chat import open_chat
from openviking.commands import Commands
from openviking.config import api_key
from openviking.conversation import Conversations, Lifetimes, Sources
from openviking.encoder import Encoder
from openviking.encoder.fast import open_fast
from openviking.errors import OpenVikingError
from openviking.memory import PREFIX as MEMORIES
from openviking.memory import Memories
from openviking.performance import ENGINE_METRICS, Recorder
from openviking.resources import Resources
from openviking.skills import Skills
from openviking.store import SqliteStore
from openviking.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.config import Settings
    from openviking.skills import SkillSearch
    from openviking.store.port import Store
    from openviking.types import Embeddings, Skill, TextEncoder, Tier

_MEMORIES_PASSED_OVER = 50
"""Memories among the hits of a search that may stand before a resource for everybody."""

FEATURES = (
    "conversation_memory",
    "embedding_caching",
    "enhanced_embeddings",
    "hierarchical_skills",
    "performance_monitoring",
    "real_time_metrics",
    "resource_management",
    "session_tracking",
    "skill_search",
    "slash_commands",
)
"""What works, by the names that clients of the contract look for."""


@dataclass(frozen=True, slots=True)
class Health:
    """``status`` is ``healthy`` when model and store can serve, else ``unhealthy``.

    ``components`` maps a component's name to its ``status`` (``ok`` or ``failed``) and details.
    """

    status: Literal["healthy", "unhealthy"]
    components: dict[str, dict[str, Any]]


class Engine:
    """Everything that one OpenViking process knows; made by :meth:`open`.

    Args:
        settings: what was configured.
        encoder: turns texts into vectors; closed with the engine.
        store: what lasts; closed with the engine.
    """

    def __init__(self, settings: Settings, encoder: TextEncoder, store: Store) -> None:
        self.settings = settings
        # Before any thread is started: a key that no header can carry is an error.
        self.chat = open_chat(settings.llm, api_key(settings.llm))
        self.cache = EmbeddingCache(settings.cache.bytes_max, ttl_s=settings.cache.ttl_s)
        self.shared_cache = SharedCache.configured(settings.cache, encoder)
        self.encoder = CachedEncoder(encoder, self.cache, self.shared_cache)
        self.store = store
        self._real = real = encoder if isinstance(encoder, Encoder) else None
        fast = None if real is None else partial(open_fast, real.tokenizer, settings.model.dir)
        self.skills = Skills(store, self.encoder, passage_encoder=encoder, open_fast=fast)
        self.resources = Resources(
            store, self.encoder, passage_encoder=encoder, background=self.skills.background
        )
        self.commands = Commands(settings.commands.folders)
        self.performance = Recorder(ENGINE_METRICS)
        self.lifetimes = Lifetimes.of(settings.conversation)
        self.memories = Memories.of(settings.memory, store.memories, self.resources)
        self.memories.start()
        self.conversations = Conversations(
            store,
            self.encoder,
            sources=Sources(
                self.commands,
                self._find_skills,
                self._find_resources,
                encoder=encoder,
                memory=self.memories,
                chat=self.chat,
                chat_tokens_max=settings.llm.context_tokens,
            ),
            lifetimes=self.lifetimes,
        )
        self._close_lock = threading.Lock()
        self._is_closed = False
        if self.shared_cache is not None:
            # Last, so that nothing above leaves a thread behind when it fails.
            self.shared_cache.start()

    @classmethod
    def open(
        cls,
        settings: Settings,
        *,
        encoder: TextEncoder | None = None,
        store: Store | None = None,
    ) -> Self:
        """Open the store and load the model; blocks for about a second.

        Args:
            settings: what was configured.
            encoder: used instead of the configured model; closed with the engine.
            store: used instead of the configured store; closed with the engine.

        Raises:
            EncoderError: the model is missing or damaged; the message names the command to run.
            StoreError: the storage path cannot be used.
        """
        opened_store = store if store is not None else SqliteStore(settings.storage.path)
        try:
            opened_encoder = (
                encoder
                if encoder is not None
                else Encoder.open(
                    model_dir=settings.model.dir,
                    precision=settings.model.precision,
                    kernels=settings.model.kernels,
                    threads=settings.model.threads,
                )
            )
            try:
                return cls(settings, opened_encoder, opened_store)
            except BaseException:
                opened_encoder.close()
                raise
        except BaseException:
            opened_store.close()
            raise

    @property
    def version(self) -> str:
        """The version of the package."""
        return __version__

    @property
    def model(self) -> str:
        """Name of the embedding model; of an encoder without one, its build."""
        return self.encoder.build_id if self._real is None else self._real.model

    @property
    def features(self) -> tuple[str, ...]:
        """Names of what works, sorted."""
        return FEATURES

    def embed(self, texts: Sequence[str], *, namespace: str | None = None) -> Embeddings:
        """Embed *texts*, from the cache where possible.

        Args:
            texts: at least one non-empty text each.
            namespace: entries of one namespace are not seen from another.

        Raises:
            InputError: a text is empty or cannot be encoded as UTF-8; ``loc`` says which.
            EncoderError: the model failed.
        """
        started = time.perf_counter()
        found = self.encoder.encode(texts, namespace=namespace)
        elapsed_ms = (time.perf_counter() - started) * 1e3
        hits = int(found.cached.sum())
        if hits < len(found.cached):
            self.performance.add("embedding_generation_time", elapsed_ms)
        self.performance.add("embedding_cache_hit", 1.0, hits)
        self.performance.add("embedding_cache_hit", 0.0, len(found.cached) - hits)
        return found

    def embed_tokens(self, token_ids: Sequence[Sequence[int]]) -> Embeddings:
        """Embed texts given as token ids of the model's vocabulary, markers not included."""
        return self.encoder.encode_tokens(token_ids)

    def search_skills(
        self,
        query: str,
        *,
        k: int | None = None,
        category: str | None = None,
        hierarchical: bool = False,
        explain: bool = False,
        tier: Tier = "full",
    ) -> SkillSearch:
        """Find the skills for a task; *k* defaults to ``retrieval.max_results``."""
        with self.performance.timing("skill_search_time"):
            return self.skills.search(
                query,
                k=self.settings.retrieval.max_results if k is None else k,
                category=category,
                hierarchical=hierarchical,
                explain=explain,
                tier=tier,
            )

    def active_sessions(self) -> int:
        """Count the sessions whose working window has not ended by idleness."""
        return self.store.conversations.count_active(datetime.now(UTC) - self.lifetimes.idle)

    def _find_skills(self, query: str, k: int) -> list[tuple[Skill, float]]:
        return [(hit.skill, hit.score) for hit in self.skills.search(query, k=k).hits]

    def _find_resources(self, query: str, k: int) -> list[tuple[str, str, float]]:
        # Memories are somebody's: each owner is answered with their own, by another way.
        hits = self.resources.search(query, k=k + _MEMORIES_PASSED_OVER).hits
        shared = [hit for hit in hits if not hit.resource.target_uri.startswith(MEMORIES)]
        return [(hit.resource.target_uri, hit.passage.text, hit.score) for hit in shared[:k]]

    def warm(self) -> None:
        """Do what the first request would otherwise wait for; a server calls it before it is ready.

        Finds out how many threads serve a query best, and encodes a few sentences, which also
        brings the model's weights into memory.
        """
        if self._real is not None:
            self._real.tune()
        self.skills.warm()

    def start_watching(self) -> None:
        """Import the configured skill folders in the background, then follow their edits."""
        if self.settings.skills.folders:
            self.skills.watch(self.settings.skills.folders)

    def health(self) -> Health:
        """Ask each component whether it can serve; takes about a millisecond."""
        components = {
            "encoder": _probe(self._encoder_details),
            "store": _probe(self._store_details),
            "skills": _probe(self.skills.stats),
            "resources": _probe(self.resources.health),
            "conversations": _probe(self.conversations.health),
            "commands": _probe(self.commands.stats),
            "memory": _probe(self.memories.health),
            "llm": _probe(lambda: {} if self.chat is None else self.chat.stats()),
            "cache": _probe(self.encoder.stats),
        }
        serves = all(components[name]["status"] == "ok" for name in ("encoder", "store"))
        return Health("healthy" if serves else "unhealthy", components)

    def _encoder_details(self) -> dict[str, Any]:
        measured = {} if self._real is None else self._real.stats()
        return {"build": self.encoder.build_id, "dim": self.encoder.dim, **measured}

    def _store_details(self) -> dict[str, Any]:
        self.store.check()
        return dict(self.store.stats())

    def close(self) -> None:
        """Stop the watcher, finish running work, release model and store; may be called twice."""
        with self._close_lock:
            if self._is_closed:
                return
            self._is_closed = True
        if self.chat is not None:
            # First, so that nobody waits for it.
            self.chat.close()
        self.conversations.close()
        self.memories.close()
        self.resources.close()
        self.skills.close()
        self.encoder.close()
        self.store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _probe(details: Any) -> dict[str, Any]:
    try:
        return {"status": "ok", **details()}
    except OpenVikingError as error:
        return {"status": "failed", "error": str(error)}
