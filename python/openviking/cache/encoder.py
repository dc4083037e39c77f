"""An encoder that computes only what is neither cached nor being computed already."""

from __future__ import annotations

import time
from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.cache.flight import Flights, Landing
from openviking.cache.memory import CachedEmbedding, cache_key
from openviking.errors import InputError
from openviking.types import Embeddings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from openviking.cache.flight import Flight
    from openviking.cache.memory import EmbeddingCache
    from openviking.cache.shared import SharedCache
    from openviking.types import TextEncoder


class CachedEncoder:
    """A TextEncoder in front of another, with the same vectors bit for bit.

    A text found in either tier is reported as ``cached``. One that this call computed is not, nor
    one that another thread was computing at the moment: its caller waited for the model as well.
    The second of two equal texts in one call is therefore not cached either.

    Args:
        encoder: computes what is missing; closed with this one.
        cache: where results are kept; may be shared by several encoders, since keys name the build.
        shared: a second tier behind it, for this encoder's build; closed with this one.
        clock: Unix seconds, the birth of what is computed.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        cache: EmbeddingCache,
        shared: SharedCache | None = None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.cache = cache
        self.shared = shared
        self._encoder = encoder
        self._clock = clock
        self._flights = Flights()

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._encoder.dim

    @property
    def build_id(self) -> str:
        """The build of the encoder behind."""
        return self._encoder.build_id

    @property
    def tokens_max(self) -> int:
        """Tokens that the model reads at most, its two markers included."""
        return self._encoder.tokens_max

    def encode(self, texts: Sequence[str], *, namespace: str | None = None) -> Embeddings:
        """Embed *texts*, computing only what is new.

        Args:
            texts: n texts.
            namespace: entries of one namespace are not seen from another; it never changes a
                vector, only whether the text counts as known.

        Returns:
            n rows; all arrays are read-only, for a row may be the cache's own memory.

        Raises:
            InputError: a text is empty or is not valid Unicode; ``loc`` says which.
            EncoderError: the model failed, here or in the thread that computed the same text.
        """
        keys = self._keys(texts, namespace)
        if len(keys) == 1:
            return self._encode_one(keys[0], texts)
        known: dict[bytes, CachedEmbedding] = {}
        missing: dict[bytes, int] = {}
        for at, key in enumerate(keys):
            if key not in known and key not in missing:
                entry = self.cache.get(key)
                if entry is None:
                    missing[key] = at
                else:
                    known[key] = entry
        found = self._obtain(missing, texts) if missing else {}
        computed = {key for key, landing in found.items() if not landing.is_cached}
        known.update((key, landing.entry) for key, landing in found.items())
        entries = [known[key] for key in keys]
        return _assemble(entries, [key not in computed for key in keys], self.dim)

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> Embeddings:
        """Embed token ids without the cache: such callers are rare and manage their own."""
        return self._encoder.encode_tokens(token_ids)

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each text before any truncation, markers included; (n,) int64."""
        return self._encoder.token_counts(texts)

    def set_ttl(self, ttl_s: float | None) -> None:
        """Set the age at which embeddings are computed anew, in both tiers; None means never."""
        self.cache.set_ttl(ttl_s)
        if self.shared is not None:
            self.shared.set_ttl(ttl_s)

    def lookups(self) -> tuple[int, int]:
        """Return (hits, look-ups) since the start: a text found in either tier is a hit."""
        stats = self.cache.stats()
        shared = 0 if self.shared is None else self.shared.stats()["hits"]
        return stats["hits"] + shared, stats["hits"] + stats["misses"]

    def stats(self) -> dict[str, Any]:
        """Return the numbers of the first tier, and under ``redis`` those of the second."""
        redis = {"state": "off"} if self.shared is None else self.shared.stats()
        return {**self.cache.stats(), "redis": redis}

    def close(self) -> None:
        """Close the encoder behind, then the second tier, which still writes what is new."""
        self._encoder.close()
        if self.shared is not None:
            self.shared.close()

    def _encode_one(self, key: bytes, texts: Sequence[str]) -> Embeddings:
        """Embed a single text: the most frequent case of a server."""
        entry = self.cache.get(key)
        if entry is not None:
            return _one(entry, cached=_YES)
        landing = self._obtain({key: 0}, texts)[key]
        return _one(landing.entry, cached=_YES if landing.is_cached else _NO)

    def _keys(self, texts: Sequence[str], namespace: str | None) -> list[bytes]:
        given: object = texts
        # A list is what comes almost always, and to ask for an abstract class takes longer.
        if not isinstance(given, list) and (
            isinstance(given, str) or not isinstance(given, Iterable)
        ):
            kind = "one text" if isinstance(given, str) else type(given).__name__
            raise InputError(f"texts: expected a sequence of texts, got {kind}", loc=("texts",))
        build_id = self._encoder.build_id
        keys = []
        for at, text in enumerate(texts):
            try:
                keys.append(cache_key(build_id, text, namespace))
            except InputError as error:
                raise InputError(str(error), loc=("texts", at)) from error
        return keys

    def _obtain(self, missing: dict[bytes, int], texts: Sequence[str]) -> dict[bytes, Landing]:
        """Find what nobody looks for yet, wait for the rest; *missing* maps key to position.

        Our own part comes first and ends before we wait, so no two calls can wait for each other.
        """
        results: dict[bytes, Landing] = {}
        while missing:
            ours, theirs = self._flights.board(missing)
            if ours:
                results |= self._fly(ours, missing, texts)
            for key, flight in theirs.items():
                landed = flight.wait()
                if landed is not None:
                    results[key] = landed
            missing = {key: at for key, at in missing.items() if key not in results}
        return results

    def _fly(
        self, ours: dict[bytes, Flight], missing: dict[bytes, int], texts: Sequence[str]
    ) -> dict[bytes, Landing]:
        """Fetch or compute the texts of *ours*, keep them, and wake whoever waits for them."""
        try:
            # Another thread may have landed between our look into the cache and our boarding.
            results = {
                key: Landing(entry, is_cached=False)
                for key in ours
                if (entry := self.cache.peek(key)) is not None
            }
            self._fetch([key for key in ours if key not in results], results)
            todo = [key for key in ours if key not in results]
            if todo:
                entries = self._compute([missing[key] for key in todo], texts)
                for key, entry in zip(todo, entries, strict=True):
                    results[key] = Landing(entry, is_cached=False)
            for key, flight in ours.items():
                self.cache.put(key, results[key].entry)
                flight.land(results[key])
            self._share(todo, results)
        except BaseException as error:
            for flight in ours.values():
                flight.crash(error)
            raise
        finally:
            self._flights.remove(ours)
        return results

    def _fetch(self, keys: list[bytes], results: dict[bytes, Landing]) -> None:
        """Add what the second tier has of *keys*."""
        if self.shared is not None and keys:
            for key, entry in self.shared.get_many(keys).items():
                results[key] = Landing(entry, is_cached=True)

    def _share(self, keys: list[bytes], results: dict[bytes, Landing]) -> None:
        if self.shared is not None:
            for key in keys:
                self.shared.put(key, results[key].entry)

    def _compute(self, positions: list[int], texts: Sequence[str]) -> list[CachedEmbedding]:
        try:
            encoded = self._encoder.encode([texts[at] for at in positions])
        except InputError as error:
            # The encoder saw only the missing texts; name the position that the caller knows.
            match error.loc:
                case ("texts", int(at), *rest) if at < len(positions):
                    error.loc = ("texts", positions[at], *rest)
            raise
        now = self._clock()
        return [
            CachedEmbedding(_own_row(row), int(count), bool(cut), now)
            for row, count, cut in zip(
                encoded.vectors, encoded.token_counts, encoded.truncated, strict=True
            )
        ]


def _own_row(row: NDArray[np.float32]) -> NDArray[np.float32]:
    """Copy a row out of its batch, which it would otherwise keep alive, and protect it."""
    vector = row.astype(np.float32, copy=True)
    vector.flags.writeable = False
    return vector


def _one(entry: CachedEmbedding, *, cached: NDArray[np.bool_]) -> Embeddings:
    """Answer for a single text without copying."""
    return Embeddings(
        vectors=entry.vector.reshape(1, -1),
        token_counts=_one_count(entry.token_count),
        truncated=_YES if entry.is_truncated else _NO,
        cached=cached,
    )


@lru_cache(maxsize=512)
def _one_count(count: int) -> NDArray[np.int64]:
    """Return an array of one number; as many are kept as a window has tokens."""
    counts = np.array([count], dtype=np.int64)
    counts.flags.writeable = False
    return counts


def _assemble(found: list[CachedEmbedding], cached: list[bool], dim: int) -> Embeddings:
    rows = [entry.vector for entry in found]
    vectors = np.concatenate(rows).reshape(-1, dim) if rows else np.empty((0, dim), np.float32)
    embeddings = Embeddings(
        vectors=vectors,
        token_counts=np.array([entry.token_count for entry in found], dtype=np.int64),
        truncated=np.array([entry.is_truncated for entry in found], dtype=bool),
        cached=np.array(cached, dtype=bool),
    )
    for array in (vectors, embeddings.token_counts, embeddings.truncated, embeddings.cached):
        array.flags.writeable = False
    return embeddings


def _constant(*, value: bool) -> NDArray[np.bool_]:
    array = np.array([value], dtype=bool)
    array.flags.writeable = False
    return array


_YES = _constant(value=True)
_NO = _constant(value=False)
