"""The index that the domains use: ids in, nearest ids out."""

from __future__ import annotations

import logging
from threading import Lock
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np

from openviking.errors import BackendError, InputError
from openviking.index.graph import Graph
from openviking.vectors import RowSet

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.index.disk import DiskIndex, DiskOptions
    from openviking.types import RowIds, Scores, Vectors
    from openviking.vectors import FoundGroups

IndexKind: TypeAlias = Literal["exact", "hnsw"]
"""``exact`` scans; ``hnsw`` asks a graph for candidates once the set is large."""

_GRAPH_FROM_ROWS = 20_000
"""Below this an exact scan of 768 columns is about as fast as the graph, and exact."""

_ROWS_PER_GRAPH_HIT = 64
"""With fewer rows than this for each hit asked for, the graph would visit most of them."""

_GRAPH_PARTS_PER_COMPACTION = 2
"""A graph that was this many times as large as what is left is built anew."""

_log = logging.getLogger(__name__)


class Index:
    """Unit vectors under int64 ids; finds those most similar to a query. Safe from any thread.

    Searches run together and never see half of a change; a call that raises has changed nothing.
    Scores are float32 cosines computed from the vectors as they were given, for either kind; of
    equal scores the lower id comes first, so the order of additions and removals does not show.
    Memory: five bytes per number and some forty per vector, or less (see `RowSet`); ``hnsw`` adds
    one byte per number and some 200 per vector. Memory of removed vectors is used again, or given
    back when most are gone.

    Args:
        dim: width of the vectors, 1 to 16,384.
        kind: ``exact``, or ``hnsw`` for sets that are too large to scan.

    Raises:
        InputError: no such kind.
        ShapeError: *dim* out of range.
    """

    def __init__(self, dim: int = 768, kind: IndexKind = "exact") -> None:
        if kind not in get_args(IndexKind):
            expected = " or ".join(get_args(IndexKind))
            raise InputError(f"kind: expected {expected}, got {kind!r}", loc=("kind",))
        self._rows = RowSet(dim)
        self._kind = kind
        self._changing = Lock()
        self._graph = Graph(dim) if kind == "hnsw" else None
        self._graph_rows_most = 0

    @staticmethod
    def open(folder: Path, dim: int = 768, *, options: DiskOptions | None = None) -> DiskIndex:
        """Open an index that lasts, for sets up to a few million vectors; see `DiskIndex`.

        Args:
            folder: made if it is not there; one process at a time.
            dim: width of the vectors.
            options: how it is kept and searched.

        Raises:
            ShapeError: *dim* out of range, or not that of the folder's index.
            StoreInUseError: the folder is open already.
            StoreError: the folder cannot be used, or a file is damaged.
        """
        from openviking.index.disk import DiskIndex  # noqa: PLC0415 - 0.3 MB no server needs

        return DiskIndex(folder, dim, options)

    @property
    def dim(self) -> int:
        """Width of the vectors."""
        return self._rows.dim

    @property
    def kind(self) -> IndexKind:
        """How it searches."""
        return self._kind

    @property
    def ids(self) -> RowIds:
        """All ids, (n,) int64, ascending; a copy."""
        return self._rows.ids

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, vector_id: object) -> bool:
        return vector_id in self._rows

    def add(self, ids: RowIds, vectors: Vectors) -> None:
        """Copy vectors in under new ids.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero.

        Raises:
            ConflictError: an id is already there or given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a vector is neither of unit length nor zero.
        """
        with self._changing:
            self._rows.add(ids, vectors)
            self._update_graph(added=ids)

    def replace(self, ids: RowIds, vectors: Vectors) -> None:
        """Copy vectors in, overwriting those whose id is already there.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero.

        Raises:
            ConflictError: an id is given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a vector is neither of unit length nor zero.
        """
        with self._changing:
            self._rows.replace(ids, vectors)
            self._update_graph(added=ids)

    def remove(self, ids: RowIds) -> int:
        """Remove vectors; unknown ids are passed over; return how many went.

        Args:
            ids: (n,) int64.

        Raises:
            ShapeError: *ids* is not (n,) int64.
        """
        with self._changing:
            count = self._rows.remove(ids)
            if count:
                self._update_graph(removed=ids)
            return count

    def vectors(self, ids: RowIds) -> Vectors:
        """Return a copy of the vectors of *ids*, (n, dim) float32 for ids (n,) int64.

        Raises:
            NotFoundError: an id is not there.
            ShapeError: *ids* is not (n,) int64.
        """
        return self._rows.rows(ids)

    def search(
        self, queries: Vectors, k: int, *, allow: RowIds | None = None
    ) -> tuple[RowIds, Scores]:
        """Return the ids of the *k* vectors most similar to each query.

        The scan is exact. So is ``hnsw`` for small sets, for a large *k*, and with *allow*, whose
        vectors alone are then scanned; otherwise it may miss some (recall is measured by test).

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
        """
        graph = self._graph
        if graph is None or allow is not None or len(self._rows) < _GRAPH_FROM_ROWS:
            return self._rows.search(queries, k, allow=allow)
        # Refuses bad arguments before they meet usearch.
        self._rows.search(queries, k, allow=np.zeros(0, np.int64))
        if k > len(self._rows) // _ROWS_PER_GRAPH_HIT:
            return self._rows.search(queries, k)
        hits = [
            self._rescore(query[np.newaxis], k, candidates)
            for query, candidates in zip(
                queries, graph.candidates(queries, 2 * k + 32), strict=True
            )
        ]
        # A removal between two of the queries can leave one of them with fewer hits.
        if len({ids.shape for ids, _ in hits}) != 1:
            return self._rows.search(queries, k)
        return np.concatenate([ids for ids, _ in hits]), np.concatenate([s for _, s in hits])

    def search_groups(  # noqa: PLR0913 - one array or number each
        self,
        queries: Vectors,
        prior: NDArray[np.float64],
        keys: NDArray[np.int64],
        k: int,
        near: int,
        *,
        passage_share: float,
        part_share: float,
    ) -> FoundGroups:
        """Return the best groups of vectors, whose ids are ``group << 16 | position``.

        What a query gets from a group is ``s + passage_share * (m - s)``, where *s* is its cosine
        with the vector at position 0 and *m* the highest with any; *m* if there is no such vector.
        A group's meaning is what the first query gets, plus *part_share* times what the best of the
        other queries gets beyond that; its score is its meaning plus its prior. Cosines are those
        of `search`, everything else is float64. ``hnsw`` scans too. Of wide vectors and more than a
        hundred groups one that is just among the wanted is missed once in thirty thousand times.

        Args:
            queries: (q, dim) float32, C order, unit length or zero: a request, then its parts.
            prior: (g,) float64; -inf for a group that may not be returned. Groups from g on are
                passed over, as are ids below 0 and groups without a vector.
            keys: (g,) int64: of equal groups the one with the lower key comes first.
            k: groups wanted by score, at least 1.
            near: groups wanted by meaning, at least 1.
            passage_share: 0 to 1.
            part_share: 0 to 1.

        Returns:
            The best *k* by score and the best *near* by meaning, or as many as there are. Ranks
            beyond the *near*-th are estimates. The first search takes a tenth of a second, some
            7 us for each vector, and 156 bytes of memory; the first after a change sorts the ids.
            `prepare_groups` does both ahead, and sketches anew once there are twice the vectors.

        Raises:
            ShapeError: wrong rank, width, dtype, length or memory order; a query that is not
                finite.
            InputError: no query, *k* or *near* below 1, a share outside 0 to 1, a prior that is NaN
                or plus infinity, or a query that is neither of unit length nor zero.
        """
        return self._rows.search_groups(
            queries, prior, keys, k, near, passage_share=passage_share, part_share=part_share
        )

    def prepare_groups(self) -> None:
        """Do now what the next `search_groups` would otherwise do first."""
        self._rows.prepare_groups()

    def _rescore(self, query: Vectors, k: int, candidates: RowIds) -> tuple[RowIds, Scores]:
        ids, scores = self._rows.search(query, k, allow=candidates)
        if ids.shape[1] == k:
            return ids, scores
        return self._rows.search(query, k)

    def _update_graph(self, *, added: RowIds | None = None, removed: RowIds | None = None) -> None:
        """Bring the graph up to date; a graph that fails is dropped, and scans take over."""
        if self._kind != "hnsw":
            return
        try:
            if self._graph is None or self._is_mostly_gone():
                self._graph = self._built_graph()
                self._graph_rows_most = 0
            elif added is not None:
                self._graph.add(added, self._rows.rows(added))
            elif removed is not None:
                self._graph.remove(removed)
        except BackendError:
            _log.exception("the graph is dropped; exact scans serve until it can be built again")
            self._graph = None
        self._graph_rows_most = max(self._graph_rows_most, len(self._rows))

    def _is_mostly_gone(self) -> bool:
        most = self._graph_rows_most
        return most > _GRAPH_FROM_ROWS and len(self._rows) * _GRAPH_PARTS_PER_COMPACTION < most

    def _built_graph(self) -> Graph:
        graph = Graph(self.dim)
        ids = self._rows.ids
        graph.add(ids, self._rows.rows(ids))
        return graph
