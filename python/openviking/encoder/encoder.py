"""The encoder: texts in, unit vectors out; what every other part of the package calls."""

from __future__ import annotations

import weakref
from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from openviking.encoder import models
from openviking.encoder.builds import build_key, open_build
from openviking.encoder.machine import processor_count
from openviking.encoder.scheduler import Scheduler
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.encoder.tokenizer import TextTokenizer
from openviking.encoder.tuning import Runner
from openviking.errors import EncoderError, InputError, LimitError
from openviking.types import Embeddings
from openviking.vectors import plan_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

    from numpy.typing import NDArray

    from openviking.encoder.manifest import Kernels, Manifest, Precision
    from openviking.encoder.session import TokenSession
    from openviking.encoder.spec import ModelSpec
    from openviking.encoder.tokenizer import Tokens

TEXTS_MAX = 1 << 14
"""Texts in one call at most: 16384, whose vectors take 50 MB."""

_QUEUE_MAX = 1000


class Encoder:
    """all-mpnet-base-v2 on this machine's processors; implements ``types.TextEncoder``.

    The same text gives the same vector bit for bit: alone, in any batch, in any order, from any
    thread and after a restart. Open it with :meth:`open`, close it or use it as a context manager.
    A process that forks must open its own.

    Attributes:
        deadline_s: seconds that a call may take unless it says otherwise; None for no limit.
        tokenizer: turns texts into token ids.
        spec: the published model.
    """

    def __init__(
        self,
        tokenizer: TextTokenizer,
        session: TokenSession,
        manifest: Manifest,
        spec: ModelSpec,
        *,
        threads: int = 1,
        reopen: Callable[[int], TokenSession] | None = None,
    ) -> None:
        self.deadline_s: float | None = None
        self.spec = spec
        self._manifest = manifest
        self.tokenizer = tokenizer
        self._reopen = reopen
        self._runner = Runner(session, threads)
        self._scheduler = Scheduler(
            self._runner.run,
            plan_batches,
            dim=self.spec.dim,
            batch_tokens=session.batch_tokens,
            queue_max=_QUEUE_MAX,
        )
        # Also closes at interpreter exit, so that no worker is stopped within native code.
        self._close = weakref.finalize(self, self._scheduler.close)

    @classmethod
    def open(
        cls,
        *,
        model_dir: Path | None = None,
        precision: Precision = "int8",
        kernels: Kernels | None = None,
        threads: int | None = None,
        pull: bool = False,
        spec: ModelSpec = ALL_MPNET_BASE_V2,
    ) -> Self:
        """Open a build of the model.

        Args:
            model_dir: folder of models; None means ``models.default_model_dir()``.
            precision: ``int8`` (a quarter of the size, 3 times as fast, cosine 0.999) or ``fp32``.
            kernels: who computes; None means the best that this precision has.
            threads: threads that work on one batch; None means all processors.
            pull: whether to download and build the model if it is missing or damaged.
            spec: the published model.

        Raises:
            EncoderError: the model is not there or damaged; the message names the command to run.
            InputError: an argument has no meaning.
        """
        if threads is not None and threads < 1:
            raise InputError(f"threads is {threads}, expected at least 1", loc=("threads",))
        key = build_key(precision, kernels)
        try:
            folder, manifest = models.ready(key, model_dir, spec=spec)
        except EncoderError:
            if not pull:
                raise
            models.pull(model_dir, builds=(key,), spec=spec)
            folder, manifest = models.ready(key, model_dir, spec=spec)
        reopen = partial(_open_session, folder, manifest)
        count = threads or processor_count()
        return cls(
            TextTokenizer(folder / "tokenizer.json", tokens_max=spec.tokens_max),
            reopen(count),
            manifest,
            spec,
            threads=count,
            reopen=reopen if threads is None else None,
        )

    @property
    def dim(self) -> int:
        """Width of the vectors: 768."""
        return self.spec.dim

    @property
    def tokens_max(self) -> int:
        """Tokens that the model reads at most, its two markers included: 384."""
        return self.spec.tokens_max

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.spec.name

    @property
    def build_id(self) -> str:
        """Names the exact weights and arithmetic; vectors of two builds are never mixed."""
        return self._manifest.build_id

    @property
    def queue_max(self) -> int:
        """Calls of one kind (short, or larger than one batch) that may wait; settable."""
        return self._scheduler.queue_max

    @queue_max.setter
    def queue_max(self, calls: int) -> None:
        if calls < 1:
            raise InputError(f"queue_max is {calls}, expected at least 1", loc=("queue_max",))
        self._scheduler.queue_max = calls

    def tune(self) -> None:
        """Measure how many threads serve a short query best, once, in some 0.1 s.

        Does nothing if the number was given. Vectors do not depend on it.
        """
        if self._reopen is not None:
            self._runner.tune(self._reopen)

    def stats(self) -> dict[str, Any]:
        """Threads that work on one text, and what was measured to choose their number."""
        measured = self._runner.measured_ms
        return {
            "threads": self._runner.threads,
            "query_ms_by_threads": {str(count): ms for count, ms in measured.items()},
        }

    def encode(self, texts: Sequence[str], *, deadline_s: float | None = None) -> Embeddings:
        """Embed *texts*; a text longer than the window is cut and marked as truncated.

        Args:
            texts: at most TEXTS_MAX texts of at most ``tokenizer.CHARS_MAX`` characters.
            deadline_s: seconds that the call may take; None means the encoder's own setting.

        Raises:
            InputError: a text is empty, not a string or not valid Unicode; ``loc`` says which.
            LimitError: too many texts, or a text of too many characters.
            OverloadedError: too many calls wait, or the deadline has passed.
            EncoderError: the model failed, or the encoder is closed.
        """
        _check_sequence(texts, "texts")
        return self._embed(self.tokenizer.tokenize(texts), deadline_s)

    def encode_tokens(
        self, token_ids: Sequence[Sequence[int]], *, deadline_s: float | None = None
    ) -> Embeddings:
        """Embed texts given as token ids of this model's vocabulary, markers not included.

        Raises as :meth:`encode`; an id outside of the vocabulary is an InputError.
        """
        _check_sequence(token_ids, "token_ids")
        return self._embed(self.tokenizer.mark(token_ids), deadline_s)

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each text before any truncation, markers included; (n,) int64.

        Raises InputError and LimitError as :meth:`encode`.
        """
        _check_sequence(texts, "texts")
        return self.tokenizer.count(texts)

    def close(self) -> None:
        """Finish the calls that wait and stop; later calls raise EncoderError."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _embed(self, tokens: list[Tokens], deadline_s: float | None) -> Embeddings:
        if deadline_s is None:
            deadline_s = self.deadline_s
        # Before the model, not after it: its weights take the place of all else in the caches.
        token_counts = np.array([len(text.ids) for text in tokens], dtype=np.int64)
        truncated = np.array([text.truncated for text in tokens], dtype=np.bool_)
        cached = np.zeros(len(tokens), dtype=np.bool_)
        vectors = self._scheduler.encode([text.ids for text in tokens], deadline_s)
        return Embeddings(vectors, token_counts, truncated, cached)


def _open_session(folder: Path, manifest: Manifest, threads: int) -> TokenSession:
    return open_build(folder, manifest, threads=threads)


def _check_sequence(values: object, name: str) -> None:
    if isinstance(values, str | bytes) or not hasattr(values, "__len__"):
        raise InputError(f"{name} is a {type(values).__name__}, expected a list", loc=(name,))
    if len(values) > TEXTS_MAX:
        raise LimitError(
            f"{name} has {len(values)} entries, at most {TEXTS_MAX} fit into one call", loc=(name,)
        )
