"""The first tier: embeddings in this process, the least recently used given up first.

The memory is bounded in bytes, not in entries, because that is what a machine runs out of.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple, TypedDict

from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_DIGEST_BYTES = 32

ENTRY_OVERHEAD_BYTES = 432
"""Bytes of an entry beside the numbers of its vector: array, tuple, key and its place in the map.

tracemalloc shows 388 over 20,000 entries on CPython 3.11; tests/cache keeps this an upper bound.
"""


class CachedEmbedding(NamedTuple):
    """What both tiers keep for one text.

    Attributes:
        vector: (dim,) float32 of unit length, read-only.
        token_count: tokens that the model read.
        is_truncated: whether the text was longer than the model's window.
        made_at: when the model computed it, in Unix seconds; its age decides when it expires, in
            whichever tier it is.
    """

    vector: NDArray[np.float32]
    token_count: int
    is_truncated: bool
    made_at: float


class CacheStats(TypedDict):
    """Counters since the start, and what is held now."""

    hits: int
    misses: int
    evictions: int
    expired: int
    entries: int
    bytes: int
    bytes_max: int
    ttl_s: float | None


def cache_key(build_id: str, text: str, namespace: str | None = None) -> bytes:
    """Name the embedding of *text* by that model build, within *namespace*.

    BLAKE2b-256 over the three with their lengths, so that no two different triples run together;
    finding two texts of one digest is beyond anybody's means.

    Raises:
        InputError: not a str, or a lone surrogate, which UTF-8 cannot carry.
    """
    if not isinstance(text, str):
        raise InputError(f"text: expected text, got {type(text).__name__}", loc=("text",))
    try:
        # Behind the text rather than before it: a digest may be fed in any order, and all texts of
        # a build have the same ending.
        told = text.encode() + _ending(build_id, namespace)
    except UnicodeEncodeError as error:
        raise InputError(
            f"text: expected valid Unicode, got a lone surrogate at character {error.start}",
            loc=("text",),
        ) from error
    return blake2b(told, digest_size=_DIGEST_BYTES).digest()


@lru_cache(maxsize=64)
def _ending(build_id: str, namespace: str | None) -> bytes:
    build, space = build_id.encode(), (namespace or "").encode()
    return b"\0%d,%d,%d;" % (len(build), len(space), namespace is not None) + build + space


class EmbeddingCache:
    """A least-recently-used map from cache_key to CachedEmbedding. Safe for threads.

    Args:
        bytes_max: memory that the entries may take, their overhead included; 0 keeps none.
        ttl_s: age at which an entry is given up; None means never.
        clock: Unix seconds.
    """

    def __init__(
        self,
        bytes_max: int,
        *,
        ttl_s: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bytes_max = _checked(bytes_max)
        self._ttl_s = ttl_s
        self._clock = clock
        self._entries: OrderedDict[bytes, CachedEmbedding] = OrderedDict()
        self._changing = threading.Lock()
        self._bytes = 0
        self._hits = 0
        self._misses = 0
        self._evictions = 0
        self._expired = 0

    def get(self, key: bytes) -> CachedEmbedding | None:
        """Return the entry and mark it as used, or None; counts a hit or a miss."""
        with self._changing:
            entry = self._entries.get(key)
            if entry is not None and self._is_expired(entry):
                del self._entries[key]
                self._bytes -= _size(entry)
                self._expired += 1
                entry = None
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return entry

    def peek(self, key: bytes) -> CachedEmbedding | None:
        """Return the entry or None without counting or marking anything."""
        with self._changing:
            entry = self._entries.get(key)
            return None if entry is None or self._is_expired(entry) else entry

    def put(self, key: bytes, entry: CachedEmbedding) -> None:
        """Keep *entry*, giving up others where room is needed; one too large is not kept.

        The vector is used as it is: it must be read-only and own its memory, for a view would keep
        the whole batch alive that it is a row of.
        """
        size = _size(entry)
        with self._changing:
            replaced = self._entries.pop(key, None)
            if replaced is not None:
                self._bytes -= _size(replaced)
            if size > self._bytes_max:
                return
            self._entries[key] = entry
            self._bytes += size
            self._shrink()

    def resize(self, bytes_max: int) -> None:
        """Set a new bound and give up entries at once if they exceed it."""
        _checked(bytes_max)
        with self._changing:
            self._bytes_max = bytes_max
            self._shrink()

    def set_ttl(self, ttl_s: float | None) -> None:
        """Set the age at which entries are given up, those that are here already included."""
        with self._changing:
            self._ttl_s = ttl_s

    def clear(self) -> None:
        """Forget every entry; the counters go on, and nothing counts as evicted."""
        with self._changing:
            self._entries.clear()
            self._bytes = 0

    def stats(self) -> CacheStats:
        """Return counters and sizes of one moment."""
        with self._changing:
            return CacheStats(
                hits=self._hits,
                misses=self._misses,
                evictions=self._evictions,
                expired=self._expired,
                entries=len(self._entries),
                bytes=self._bytes,
                bytes_max=self._bytes_max,
                ttl_s=self._ttl_s,
            )

    def _is_expired(self, entry: CachedEmbedding) -> bool:
        return self._ttl_s is not None and self._clock() - entry.made_at >= self._ttl_s

    def _shrink(self) -> None:
        while self._bytes > self._bytes_max:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)
            self._evictions += 1


def _size(entry: CachedEmbedding) -> int:
    return entry.vector.nbytes + ENTRY_OVERHEAD_BYTES


def _checked(bytes_max: int) -> int:
    if bytes_max < 0:
        raise InputError(f"bytes_max: expected 0 or more, got {bytes_max}", loc=("bytes_max",))
    return bytes_max
