"""The face of an index on disk: checks, changes one at a time, searches together."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Self

import numpy as np

from openviking.errors import ConflictError, NotFoundError
from openviking.index.disk.files import FolderLock
from openviking.index.disk.options import DiskOptions
from openviking.index.disk.state import DiskState
from openviking.vectors import RowSet

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.types import RowIds, Scores, Vectors

_CHECKED_ROWS = 32_768
"""Vectors that are checked at a time, so that a large call needs no second copy of itself."""


class DiskIndex:
    """Unit vectors under int64 ids in a folder; made by `Index.open`. Safe from any thread.

    Searches run together and never see half of a change. A change that returned is on disk; one
    that raised has changed nothing. Scores are float32 cosines of the vectors as they were given;
    of equal scores the lower id comes first. Up to ``lists_from_rows`` vectors a search is exact;
    beyond, it looks at a share of the rows (see `DiskOptions`).

    Memory: mapped codes, 1.2 bytes per number; some 30 bytes per vector; vectors newer than the
    last segment, 5 bytes per number. Most additions take milliseconds; one that fills a segment
    writes it, and now and then merges it with older ones, which takes minutes for a million.

    Args:
        folder: made if it is not there; one process at a time.
        dim: width of the vectors, 1 to 16,384.
        options: how it is kept and searched.

    Raises:
        ShapeError: *dim* out of range, or not that of the folder's index.
        StoreInUseError: the folder is open already.
        StoreError: the folder cannot be used, or a file is damaged.
    """

    def __init__(self, folder: Path, dim: int, options: DiskOptions | None = None) -> None:
        RowSet(dim)  # refuses a width before anything is made
        self._folder_lock = FolderLock(folder)
        self._changing = Lock()
        try:
            self._state = DiskState(folder, dim, options or DiskOptions())
        except BaseException:
            self._folder_lock.release()
            raise

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._state.fresh.dim

    @property
    def ids(self) -> RowIds:
        """All ids, (n,) int64, ascending; a copy."""
        with self._state.lock.reading():
            segments = [segment.ids[segment.alive_rows()] for segment in self._state.segments]
            return np.sort(np.concatenate([self._state.fresh.ids, *segments]))

    def __len__(self) -> int:
        with self._state.lock.reading():
            segments = sum(segment.alive_count for segment in self._state.segments)
            return len(self._state.fresh) + segments

    def __contains__(self, vector_id: object) -> bool:
        if not isinstance(vector_id, int | np.integer) or not -(2**63) <= vector_id < 2**63:
            return False
        return len(self._known(np.array([vector_id], np.int64))) > 0

    def _known(self, ids: RowIds) -> RowIds:
        """Return those of *ids* that are there."""
        with self._state.lock.reading():
            fresh = ids[np.array([i in self._state.fresh for i in ids.tolist()], np.bool_)]
            segments = [ids[segment.find(ids)[0]] for segment in self._state.segments]
            return np.concatenate([fresh, *segments])

    def add(self, ids: RowIds, vectors: Vectors) -> None:
        """Put vectors in under new ids.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero; may be mapped itself.

        Raises:
            ConflictError: an id is already there or given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a vector is neither of unit length nor zero.
            StoreError: the change could not be written.
        """
        with self._changing:
            self._check(ids, vectors)
            known = self._known(ids)
            if len(known):
                raise ConflictError(
                    f"ids: {known[0]} is already in the index; use replace to overwrite it"
                )
            self._state.put(ids, vectors)

    def replace(self, ids: RowIds, vectors: Vectors) -> None:
        """Put vectors in, overwriting those whose id is already there.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero; may be mapped itself.

        Raises:
            ConflictError: an id is given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a vector is neither of unit length nor zero.
            StoreError: the change could not be written.
        """
        with self._changing:
            self._check(ids, vectors)
            self._state.put(ids, vectors)

    def _check(self, ids: RowIds, vectors: Vectors) -> None:
        if np.shape(ids) != np.shape(vectors)[:1] or np.size(ids) <= _CHECKED_ROWS:
            RowSet(self.dim).add(ids, vectors)
            return
        for start in range(0, len(ids), _CHECKED_ROWS):
            part = slice(start, start + _CHECKED_ROWS)
            RowSet(self.dim).add(ids[part], vectors[part])
        in_order = np.sort(ids)
        twice = in_order[1:][in_order[1:] == in_order[:-1]]
        if len(twice):
            raise ConflictError(f"ids: {twice[0]} is given twice in one call")

    def remove(self, ids: RowIds) -> int:
        """Remove vectors; unknown ids are passed over; return how many went.

        Args:
            ids: (n,) int64.

        Raises:
            ShapeError: *ids* is not (n,) int64.
            StoreError: the change could not be written.
        """
        RowSet(self.dim).remove(ids)  # refuses what are no ids
        with self._changing:
            known = np.unique(self._known(ids))
            if len(known):
                self._state.remove(known)
            return len(known)

    def vectors(self, ids: RowIds) -> Vectors:
        """Return a copy of the vectors of *ids*, (n, dim) float32 for ids (n,) int64.

        Raises:
            NotFoundError: an id is not there.
            ShapeError: *ids* is not (n,) int64.
            StoreError: a vector is damaged.
        """
        RowSet(self.dim).remove(ids)  # refuses what are no ids
        taken = np.empty((len(ids), self.dim), np.float32)
        is_missing = np.ones(len(ids), np.bool_)
        with self._state.lock.reading():
            for segment in self._state.segments:
                places, rows = segment.find(ids)
                taken[places], is_missing[places] = segment.take(rows), False
            fresh = self._state.fresh
            places = np.flatnonzero(np.array([i in fresh for i in ids.tolist()], np.bool_))
            taken[places], is_missing[places] = fresh.rows(ids[places]), False
        if is_missing.any():
            raise NotFoundError(f"ids: {ids[is_missing][0]} is not in the index")
        return taken

    def search(
        self, queries: Vectors, k: int, *, allow: RowIds | None = None
    ) -> tuple[RowIds, Scores]:
        """Return the ids of the *k* vectors most similar to each query.

        Exact for small sets, for a large *k* and with *allow*; else some may be missed.

        Args:
            queries: (q, dim) float32, C order, unit length or zero.
            k: hits per query, at least 1; at most as many as there are vectors come back.
            allow: (m,) int64, the only ids that may be returned; unknown ones are passed over.

        Returns:
            Ids (q, k') int64 and cosines, same shape, float32 in [-1, 1]; best first, ties by lower
            id; k' is *k*, or the number of vectors that may be returned if that is smaller.

        Raises:
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: *k* below 1, or a query that is neither of unit length nor zero.
            StoreError: a vector that was found is damaged.
        """
        state = self._state
        with state.lock.reading():
            fresh_ids, fresh_scores = state.fresh.search(queries, k, allow=allow)
            if not state.segments or not len(queries):
                return fresh_ids, fresh_scores
            hits = []
            for number, query in enumerate(queries):
                found = [s.search(query[np.newaxis], k, allow) for s in state.segments]
                found.append((fresh_ids[number], fresh_scores[number]))
                hits.append(_best(found, k))
        return np.stack([ids for ids, _ in hits]), np.stack([scores for _, scores in hits])

    def compact(self) -> None:
        """Write everything as one segment without gaps; searches go on meanwhile.

        Raises:
            StoreError: it could not be written; nothing has changed.
        """
        with self._changing:
            self._state.compact()

    def check(self) -> None:
        """Read all vectors and compare them with their checksums; opening has read the rest.

        Raises:
            StoreError: a file is damaged.
        """
        with self._changing:
            self._state.check()

    def close(self) -> None:
        """Give the folder free; may be called twice. Nothing is lost without it."""
        with self._changing:
            self._state.close()
            self._folder_lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _best(found: list[tuple[RowIds, Scores]], k: int) -> tuple[RowIds, Scores]:
    ids = np.concatenate([ids for ids, _ in found])
    scores = np.concatenate([scores for _, scores in found])
    order = np.lexsort((ids, -scores))[:k]
    return ids[order], scores[order]
