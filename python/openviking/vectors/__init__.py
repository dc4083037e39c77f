"""Typed face of the Rust kernels: normalisation, batch planning, cosine top-k.

Owns ``openviking._native``. float32, C order and two dimensions cross this border; anything else is
a ShapeError, never a quiet copy. The GIL is released while the kernels work; do not write to an
argument from another thread meanwhile. Results are the same bit for bit on every CPU, for any
number of queries in a call, and on any number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openviking import _native

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from openviking.types import RowIds, Scores, Vectors

__all__ = ["FoundGroups", "RowSet", "cpu_level", "normalize", "plan_batches", "search"]


def normalize(rows: Vectors) -> Vectors:
    """Return *rows* scaled to unit length; a zero row stays zero.

    The sum of squares is taken in float64: denormal and huge rows are as exact as others, each
    number within 1 ULP.

    Args:
        rows: (n, d) float32, C order, d from 1 to 16,384.

    Returns:
        A new (n, d) float32 array.

    Raises:
        ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
    """
    return _native.normalize(rows)


def plan_batches(lengths: NDArray[np.int64], *, tokens_max: int, rows_max: int) -> list[RowIds]:
    """Split texts into batches of similar length, so that little padding is computed.

    Texts are sorted by length, longest first, ties by lower row, and cut greedily. A text longer
    than *tokens_max* gets a batch of its own; every row is in exactly one batch.

    Args:
        lengths: (n,) int64, tokens per text, each at least 0.
        tokens_max: most tokens of a batch, padding included (rows x longest), at least 1.
        rows_max: most texts of a batch, at least 1.

    Returns:
        Row numbers per batch, each (m,) int64.

    Raises:
        ShapeError: *lengths* is not (n,) int64.
        InputError: a negative length, or a limit below 1.
    """
    return _native.plan_batches(lengths, tokens_max=tokens_max, rows_max=rows_max)


def search(
    queries: Vectors, rows: Vectors, k: int, *, allow: NDArray[np.bool_] | None = None
) -> tuple[RowIds, Scores]:
    """Return the *k* rows most similar to each query, scanning all of them in float32.

    For a set that is searched more than once, a `RowSet` is some three times as fast.

    Args:
        queries: (q, d) float32, C order, unit length or zero.
        rows: (n, d) float32, C order, unit length or zero. A row of another length is refused if
            it yields a score that no cosine can have, and is not looked for otherwise.
        k: hits per query, at least 1; at most n come back.
        allow: (n,) bool, which rows may be returned; all if None.

    Returns:
        Row numbers (q, k') int64 and cosines, same shape, float32 in [-1, 1]; best first, ties by
        lower row; k' is *k*, or the number of allowed rows if that is smaller.

    Raises:
        ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
        InputError: *k* below 1, or a query or row that is neither of unit length nor zero.
    """
    return _native.search(queries, rows, k, allow=allow)


def cpu_level() -> str:
    """Return the instruction set of the kernels in use: avx512, avx2, neon or scalar."""
    return _native.cpu_level()


class FoundGroups(NamedTuple):
    """The best groups of rows by score and by meaning; a group that is in both stands once.

    Attributes:
        groups: their numbers.
        meanings: what their rows get from the queries.
        scores: meanings with the groups' priors.
        rows: per group the id of the row with the highest cosine with any query; the lowest of
            these.
        ranks: per group its place by meaning among all that may be returned, from 1; beyond those
            that were asked for it is an estimate, see `RowSet.search_groups`.
        by_score: places in the lists above, best first, ties by lower key.
        by_meaning: likewise.
    """

    groups: list[int]
    meanings: list[float]
    scores: list[float]
    rows: list[int]
    ranks: list[int]
    by_score: list[int]
    by_meaning: list[int]


class RowSet:
    """Unit rows under int64 ids with an exact search over int8 codes; safe from any thread.

    The search scans one byte per number and rescores in float32 what a proved error bound cannot
    exclude, so its hits and scores are those of a float32 scan. Where rows of at least 512 columns
    lie near a subspace, as embeddings of texts do, a thread finds that out soon after there are
    3,072 of them, and a search then scans 256 bytes of each. Memory per row: five bytes per column,
    then four and 384 in all, and some forty for the id. Searches run together; a change runs alone,
    and one that is refused has changed nothing.

    Args:
        dim: width of the rows, 1 to 16,384.
    """

    __slots__ = ("_native",)

    def __init__(self, dim: int) -> None:
        self._native = _native.RowSet(dim)

    @property
    def dim(self) -> int:
        """Width of the rows."""
        return self._native.dim

    @property
    def scanned_bytes(self) -> int:
        """Bytes of codes that a search reads of every row; fewer once the set is arranged."""
        return self._native.scanned_bytes

    @property
    def ids(self) -> RowIds:
        """All ids, (n,) int64, ascending; a copy."""
        return self._native.ids()

    def add(self, ids: RowIds, vectors: Vectors) -> None:
        """Copy rows in under new ids.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero.

        Raises:
            ConflictError: an id is already there or given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a row is neither of unit length nor zero.
        """
        self._native.add(ids, vectors)

    def replace(self, ids: RowIds, vectors: Vectors) -> None:
        """Copy rows in, overwriting those whose id is already there.

        Args:
            ids: (n,) int64, any values, each once.
            vectors: (n, dim) float32, C order, unit length or zero.

        Raises:
            ConflictError: an id is given twice.
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: a row is neither of unit length nor zero.
        """
        self._native.replace(ids, vectors)

    def remove(self, ids: RowIds) -> int:
        """Remove the rows of *ids*, (n,) int64; unknown ids are passed over; return how many went.

        Raises:
            ShapeError: *ids* is not (n,) int64.
        """
        return self._native.remove(ids)

    def rows(self, ids: RowIds) -> Vectors:
        """Return a copy of the rows of *ids*, (n, dim) float32 for ids (n,) int64.

        Raises:
            NotFoundError: an id has no row.
            ShapeError: *ids* is not (n,) int64.
        """
        return self._native.rows(ids)

    def search(
        self, queries: Vectors, k: int, *, allow: RowIds | None = None
    ) -> tuple[RowIds, Scores]:
        """Return the ids of the *k* rows most similar to each query.

        Args:
            queries: (q, dim) float32, C order, unit length or zero.
            k: hits per query, at least 1; at most as many as there are rows come back.
            allow: (m,) int64, the only ids that may be returned; unknown ones are passed over.

        Returns:
            Ids (q, k') int64 and cosines, same shape, float32 in [-1, 1]; best first, ties by lower
            id; k' is *k*, or the number of rows that may be returned if that is smaller.

        Raises:
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: *k* below 1, or a query that is neither of unit length nor zero.
        """
        return self._native.search(queries, k, allow=allow)

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
        """Return the best groups of rows; an id is ``group << 16 | position``.

        What a query gets from a group is ``s + passage_share * (m - s)``, where *s* is its cosine
        with the row at position 0 and *m* the highest with any row; *m* if there is no such row. A
        group's meaning is what the first query gets, plus *part_share* times what the best of the
        other queries gets beyond that; its score is its meaning plus its prior. Cosines are float32
        as in `search`, everything else is float64 in that order: the same as scoring every row. Of
        at least 512 columns and more than a hundred groups, those to be scored are chosen by
        sketches of their rows: a group that is just among the wanted ones is missed once in thirty
        thousand times.

        Args:
            queries: (q, dim) float32, C order, unit length or zero: a request, then its parts.
            prior: (g,) float64; -inf for a group that may not be returned. Groups from g on are
                passed over, as are ids below 0 and groups without a row.
            keys: (g,) int64: of equal groups the one with the lower key comes first.
            k: groups wanted by score, at least 1.
            near: groups wanted by meaning, at least 1.
            passage_share: 0 to 1.
            part_share: 0 to 1.

        Returns:
            The best *k* by score and the best *near* by meaning, or as many as there are. Ranks
            beyond the *near*-th are estimates. The first search of a set sketches its rows, which
            takes a tenth of a second, some 7 us each, and 156 bytes; the first after a change
            sorts the ids. `prepare_groups` does both ahead.

        Raises:
            ShapeError: wrong rank, width, dtype, length or memory order; a query that is not
                finite.
            InputError: no query, *k* or *near* below 1, a share outside 0 to 1, a prior that is NaN
                or plus infinity, or a query that is neither of unit length nor zero.
        """
        return FoundGroups(
            *self._native.search_groups(
                queries, prior, keys, k, near, passage_share=passage_share, part_share=part_share
            )
        )

    def prepare_groups(self) -> None:
        """Do now what the next `search_groups` would otherwise do first."""
        self._native.prepare_groups()

    def __len__(self) -> int:
        return len(self._native)

    def __contains__(self, row_id: object) -> bool:
        return row_id in self._native
