"""Candidates for the nearest neighbours from an HNSW graph; the one place that knows usearch.

The graph holds int8 copies of the vectors, which are enough to find candidates; what they score is
for the caller to compute from the true vectors.
"""

from __future__ import annotations

import ctypes
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import BackendError
from openviking.index.lock import ReadWriteLock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.types import RowIds, Vectors

_CONNECTIVITY = 16
"""Links per node; more than 16 cost memory and build time and won no recall on clustered text."""

_EXPANSION_ADD = 64
"""Nodes kept in view while adding; 128 took up to twice the time for the same recall."""

_EXPANSION_SEARCH = 128
"""Nodes kept in view while searching."""


@cache
def load_usearch() -> Any:
    """Import usearch when the first graph is made: it takes over half a second."""
    # Some usearch wheels carry their own C++ runtime; whichever of it and onnxruntime came second
    # would then mix two of them and crash. Loading the system's first makes both bind to that.
    with suppress(OSError):  # not every platform names it so, and those do not mix runtimes
        ctypes.CDLL("libstdc++.so.6", mode=ctypes.RTLD_GLOBAL)
    import usearch.index  # noqa: PLC0415 - see the docstring

    return usearch.index


@contextmanager
def _translated(action: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError, ValueError) as error:
        raise BackendError(f"usearch failed to {action}: {error}") from error


class Graph:
    """An HNSW graph over unit vectors under int64 ids; safe from any thread.

    Args:
        dim: width of the vectors.
    """

    def __init__(self, dim: int) -> None:
        # usearch may move its nodes while it grows, so a search must not meet a change.
        self._lock = ReadWriteLock()
        with _translated("make a graph"):
            self._index = load_usearch().Index(
                ndim=dim,
                metric="cos",
                dtype="i8",
                connectivity=_CONNECTIVITY,
                expansion_add=_EXPANSION_ADD,
                expansion_search=_EXPANSION_SEARCH,
            )

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """Memory of nodes and links."""
        return int(self._index.memory_usage)

    def add(self, ids: RowIds, vectors: Vectors) -> None:
        """Add nodes; an id that is there already is replaced.

        Raises:
            BackendError: usearch failed; the graph may hold some of the nodes.
        """
        # usearch knows unsigned keys only; the same 64 bits serve.
        keys = ids.view(np.uint64)
        with self._lock.writing(), _translated("add vectors"):
            known = keys[np.atleast_1d(self._index.contains(keys))] if len(keys) else keys
            if len(known):
                self._index.remove(known)
            if len(keys):
                self._index.add(keys, vectors)

    def remove(self, ids: RowIds) -> None:
        """Remove nodes; unknown ids are passed over. Their places are used again by later nodes.

        Raises:
            BackendError: usearch failed.
        """
        with self._lock.writing(), _translated("remove vectors"):
            if len(ids):
                self._index.remove(ids.view(np.uint64))

    def candidates(self, queries: Vectors, count: int) -> list[RowIds]:
        """Return up to *count* ids near each query, in no particular order.

        Raises:
            BackendError: usearch failed.
        """
        found = []
        with self._lock.reading(), _translated("search"):
            for query in queries:
                keys = self._index.search(query, count, threads=1).keys
                found.append(np.ascontiguousarray(keys).view(np.int64))
        return found
