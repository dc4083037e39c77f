"""The vectors of resources in memory: a view of the store, read at start and kept up to date."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from openviking.index import Index
from openviking.store.resources import PIECES_PER_RESOURCE
from openviking.vectors import normalize

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openviking.types import RowIds, Vectors


class Nearby:
    """Finds the pieces nearest to a question. Safe for threads; one thread at a time may add.

    Args:
        dim: width of the vectors.
    """

    def __init__(self, dim: int) -> None:
        self._index = Index(dim)
        self._counts: dict[int, int] = {}
        self._changing = threading.Lock()
        self._gone: set[int] = set()
        self._owners: tuple[RowIds, RowIds] | None = None
        self.is_whole = False
        """Whether all that the store has was read."""

    def __len__(self) -> int:
        """Count the resources, those without any piece included."""
        return len(self._counts)

    def watch(self) -> None:
        """Remember from now on what is removed: it must not be added any more.

        Called before the versions to embed are read. A version may vanish while its vectors are
        made, and its removal then comes before its addition.
        """
        with self._changing:
            self._gone.clear()

    def add(self, numbers: RowIds, ids: RowIds, vectors: Vectors) -> None:
        """Add versions, with ids of vectors (n,) and vectors (n, dim) of about unit length."""
        owners = ids // PIECES_PER_RESOURCE
        with self._changing:
            lives = np.array([owner not in self._gone for owner in owners.tolist()], dtype=bool)
            kept = np.ascontiguousarray(vectors[lives])
            if len(kept):
                self._index.replace(np.ascontiguousarray(ids[lives]), normalize(kept))
            alive = [number for number in numbers.tolist() if number not in self._gone]
            self._counts.update(dict.fromkeys(alive, 0))
            found, counts = np.unique(owners[lives], return_counts=True)
            self._counts.update(zip(found.tolist(), counts.tolist(), strict=True))
            self._owners = None

    def remove(self, numbers: Iterable[int]) -> None:
        """Remove versions; unknown ones are passed over."""
        with self._changing:
            ids: list[int] = []
            for number in numbers:
                first = number * PIECES_PER_RESOURCE
                ids += range(first, first + self._counts.pop(number, 0))
                self._gone.add(number)
            if ids:
                self._index.remove(np.array(ids, dtype=np.int64))
                self._owners = None

    def nearest(self, query: Vectors, k: int, allowed: RowIds | None = None) -> dict[int, _Piece]:
        """Return the nearest piece of each version that one of the *k* nearest pieces belongs to.

        Args:
            query: (1, dim) float32, unit length.
            k: pieces at most.
            allowed: only pieces of these versions; all if None.

        Returns:
            Number of the version -> (place of the piece, cosine), the nearest first.
        """
        allow = None if allowed is None else self._ids_of(allowed)
        if k < 1 or not len(self._index) or (allow is not None and not len(allow)):
            return {}
        ids, scores = self._index.search(query, k, allow=allow)
        found: dict[int, _Piece] = {}
        for one, cosine in zip(ids[0].tolist(), scores[0].tolist(), strict=True):
            number, place = divmod(one, PIECES_PER_RESOURCE)
            found.setdefault(number, (place, cosine))
        return found

    def best_of(self, query: Vectors, numbers: Iterable[int]) -> dict[int, _Piece]:
        """Return the nearest piece of each of these versions; none for those without vectors."""
        with self._changing:
            ids = [
                number * PIECES_PER_RESOURCE + place
                for number in numbers
                for place in range(self._counts.get(number, 0))
            ]
        if not ids:
            return {}
        found, scores = self._index.search(query, len(ids), allow=np.array(sorted(ids), np.int64))
        best: dict[int, _Piece] = {}
        for one, cosine in zip(found[0].tolist(), scores[0].tolist(), strict=True):
            number, place = divmod(one, PIECES_PER_RESOURCE)
            best.setdefault(number, (place, cosine))
        return best

    def _ids_of(self, numbers: RowIds) -> RowIds:
        with self._changing:
            if self._owners is None:
                ids = self._index.ids
                self._owners = ids, ids // PIECES_PER_RESOURCE
            ids, owners = self._owners
        if not len(ids) or not len(numbers):
            return ids[:0]
        is_allowed = np.zeros(max(int(numbers.max()), int(owners[-1])) + 1, dtype=bool)
        is_allowed[numbers] = True
        return np.ascontiguousarray(ids[is_allowed[owners]])


_Piece = tuple[int, float]
"""Place of a piece in its resource, and its cosine."""
