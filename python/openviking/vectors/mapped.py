"""Search over vectors that lie in files: an exact scan of parts, and what chooses the parts.

The rules of ``openviking.vectors`` hold here too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking import _native

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from openviking.types import RowIds, Scores, Vectors

__all__ = ["MappedRows", "Signs", "encode"]


def encode(
    rows: Vectors,
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]:
    """Return the int8 codes of unit rows, for a `MappedRows`.

    Args:
        rows: (n, d) float32, C order, unit length or zero.

    Returns:
        Codes (n, w) uint8, w being d rounded up to a multiple of 64; steps and residuals, (n,)
        float32. They belong together: the search's error bound rests on all three.

    Raises:
        ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
        InputError: a row is neither of unit length nor zero.
    """
    return _native.encode(rows)


class MappedRows:
    """Unit rows that lie in a file, their codes mapped: a `RowSet`'s search over parts of them.

    A search reads some twenty rows; they do not become part of the process's memory. The file and
    the arrays are used where they lie and must not change while this lives. All come from
    checksummed files or from `encode`: codes of other rows make the search miss some.

    Args:
        path: a file of n rows, float32, C order, unit length or zero.
        dim: their width d.
        ids: (n,) int64, each once.
        codes, steps, residuals: what `encode` gave for the rows; codes at a multiple of 64 bytes.

    Raises:
        ShapeError: parts of other shapes, or codes that are not aligned.
        OSError: the file cannot be opened.
    """

    __slots__ = ("_native",)

    def __init__(
        self,
        path: Path,
        dim: int,
        ids: RowIds,
        codes: NDArray[np.uint8],
        steps: NDArray[np.float32],
        residuals: NDArray[np.float32],
    ) -> None:
        self._native = _native.MappedRows(path, dim, ids, codes, steps, residuals)

    def rows(self, rows: RowIds) -> Vectors:
        """Return a copy of some rows, (m, d) float32 for row numbers (m,) int64.

        Raises:
            ShapeError: *rows* is not (m,) int64.
            InputError: there is no such row.
            OSError: one cannot be read.
        """
        return self._native.rows(rows)

    def search(
        self, queries: Vectors, k: int, *, ranges: RowIds, alive: NDArray[np.uint64]
    ) -> tuple[RowIds, Scores]:
        """Return the ids of the *k* most similar rows of some ranges, exactly.

        Args:
            queries: (q, d) float32, C order, unit length or zero.
            k: hits per query, at least 1.
            ranges: (m, 2) int64, first row and the one behind the last; in any order.
            alive: (ceil(n / 64),) uint64, one bit per row, lowest first: which may be returned.

        Returns:
            As `RowSet.search`.

        Raises:
            ShapeError: wrong rank, width, dtype or memory order; NaN or infinity.
            InputError: *k* below 1, a query that is no unit row, a range beyond the rows.
            OSError: a row cannot be read.
        """
        return self._native.search(queries, k, ranges=ranges, alive=alive)


class Signs:
    """One bit per number of rows in lists: which of them are worth a closer look.

    The arrays are used where they lie and must not change while this lives.

    Args:
        words: (n, ceil(d / 64)) uint64, bit j of a row set where number j of ``rotation @ (row -
            centre of its list)`` is positive, lowest bit first.
        factors: (n,) float32, squared length of that vector over the sum of its absolute numbers.
        rotation: (d, d) float32, orthonormal.

    Raises:
        ShapeError: parts of other shapes.
    """

    __slots__ = ("_native",)

    def __init__(
        self, words: NDArray[np.uint64], factors: NDArray[np.float32], rotation: Vectors
    ) -> None:
        self._native = _native.Signs(words, factors, rotation)

    def nearest(
        self,
        query: Vectors,
        count: int,
        *,
        ranges: RowIds,
        bases: Scores,
        alive: NDArray[np.uint64],
    ) -> RowIds:
        """Return the rows of some lists whose estimated cosine with a query is largest.

        Args:
            query: (1, d) float32, C order.
            count: how many rows, at least 1.
            ranges: (m, 2) int64, first row of each list and the one behind its last.
            bases: (m,) float32, the query's product with the centre of each list.
            alive: (ceil(n / 64),) uint64, one bit per row, lowest first: which may be returned.

        Returns:
            (count', 2) int64, a range of one row for each, in no particular order.

        Raises:
            ShapeError: parts of other shapes.
            InputError: *count* below 1, or a range beyond the rows.
        """
        return self._native.nearest(query, count, ranges=ranges, bases=bases, alive=alive)
