"""A segment that is open: mapped files, which of their rows are alive, and the search over them."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from openviking.index.disk.files import MappedFile, damaged, translated
from openviking.index.disk.lists import Centres
from openviking.vectors.mapped import MappedRows, Signs

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.index.disk.manifest import SegmentRecord
    from openviking.index.disk.options import DiskOptions
    from openviking.types import RowIds, Scores, Vectors

_CHECKED_ROWS: Final = 1024
"""Vectors that are read at a time to be checked: 3 MB."""

_LISTS_FACTOR: Final = 1.4
"""Lists looked at for the share of rows that is wanted: those near a query may be small."""

_ROWS_PER_HIT: Final = 64
"""With fewer rows than this for each hit asked for, all are scanned."""


class Segment:
    """Vectors in files that never change. Killing rows is not safe beside a search.

    Args:
        folder: the segment's.
        record: what the manifest says of it.
        dim: width of the vectors.
        options: how it is searched.

    Raises:
        StoreError: a file is missing or damaged; the contents of the float32 vectors are not read,
            but checked one by one as they are given out.
    """

    def __init__(self, folder: Path, record: SegmentRecord, dim: int, options: DiskOptions) -> None:
        self.folder, self.record = folder, record
        self._options = options
        self._files = {
            name: MappedFile(folder / name, file.bytes) for name, file in record.files.items()
        }
        for name, file in record.files.items():
            if name != "vectors":
                self._files[name].check(file.crc)
        rows = record.rows
        self.vectors: Vectors = self._array("vectors", np.float32, rows, dim)
        self.ids: RowIds = self._array("ids", np.int64, rows)
        self._sums = self._array("sums", np.uint32, rows)
        codes = self._array("codes", np.uint8, rows, -(-dim // 64) * 64)
        steps, residuals = (self._array(n, np.float32, rows) for n in ("steps", "residuals"))
        path = self._files["vectors"].path
        with translated(path, "open"):
            self._rows = MappedRows(path, dim, self.ids, codes, steps, residuals)
        self._lists = _Lists(self._array, record, dim) if record.lists else None
        self._order = np.argsort(self.ids, kind="stable").astype(np.uint32)
        self._sorted_ids = self.ids[self._order]
        self._alive = np.full(-(-rows // 64), 2**64 - 1, np.uint64)
        self.alive_count = rows
        self._whole = np.array([[0, rows]], np.int64)
        if record.dead is not None:
            self.kill(self._files[record.dead].array(np.uint32, -1).astype(np.int64))

    def _array(self, name: str, dtype: type[np.generic], *shape: int) -> NDArray[Any]:
        file = self._files[name]
        try:
            return file.array(dtype, *shape)
        except ValueError as error:
            raise damaged(file.path, f"it does not hold {shape} numbers") from error

    def check(self) -> None:
        """Read the float32 vectors and compare them with their checksum.

        Raises:
            StoreError: they differ.
        """
        self._files["vectors"].check(self.record.files["vectors"].crc)
        self._files["vectors"].forget_pages()

    def find(self, ids: RowIds) -> tuple[RowIds, RowIds]:
        """Return the places in *ids* that have a living row here, and these rows; both (m,)."""
        at = np.minimum(np.searchsorted(self._sorted_ids, ids), len(self._sorted_ids) - 1)
        rows = self._order[at].astype(np.int64)
        is_here = (self._sorted_ids[at] == ids) & self._is_alive(rows)
        places = np.flatnonzero(is_here)
        return places, rows[places]

    def _is_alive(self, rows: RowIds) -> NDArray[np.bool_]:
        bits = self._alive[rows >> 6] >> (rows & 63).astype(np.uint64)
        alive: NDArray[np.bool_] = (bits & np.uint64(1)).astype(np.bool_)
        return alive

    def kill(self, rows: RowIds) -> None:
        """Let living rows be found no more."""
        np.bitwise_and.at(self._alive, rows >> 6, ~_bits(rows))
        self.alive_count -= len(rows)

    def alive_rows(self) -> RowIds:
        """Return the living rows, ascending."""
        return np.flatnonzero(self._is_alive(np.arange(self.record.rows)))

    def dead_rows(self) -> RowIds:
        """Return the rows that are gone, ascending."""
        return np.flatnonzero(~self._is_alive(np.arange(self.record.rows)))

    def search(self, query: Vectors, k: int, allow: RowIds | None) -> tuple[RowIds, Scores]:
        """Return ids and cosines of about the *k* nearest living rows, best first.

        Exact for a segment without lists, with *allow*, and for a large *k*.
        """
        alive = self._alive if allow is None else self._allowed(allow)
        ids, scores = np.zeros(0, np.int64), np.zeros(0, np.float32)
        if allow is None and self._lists is not None and k * _ROWS_PER_HIT <= self.alive_count:
            ranges = self._lists.nearest(query, k, alive, self._options)
            ids, scores = self._scan(query, k, ranges, alive)
        if len(ids) < k:
            ids, scores = self._scan(query, k, self._whole, alive)
        rows = self.find(ids)[1]
        for start in range(0, len(rows), _CHECKED_ROWS):
            self.take(rows[start : start + _CHECKED_ROWS])
        return ids, scores

    def _scan(
        self, query: Vectors, k: int, ranges: RowIds, alive: NDArray[np.uint64]
    ) -> tuple[RowIds, Scores]:
        with translated(self._files["vectors"].path, "read"):
            ids, scores = self._rows.search(query, k, ranges=ranges, alive=alive)
        return ids[0], scores[0]

    def _allowed(self, allow: RowIds) -> NDArray[np.uint64]:
        rows = np.unique(self.find(allow)[1])
        words = np.zeros_like(self._alive)
        np.bitwise_or.at(words, rows >> 6, _bits(rows))
        return words

    def take(self, rows: RowIds) -> Vectors:
        """Return a copy of some rows' vectors.

        Raises:
            StoreError: one is damaged, or cannot be read.
        """
        path = self._files["vectors"].path
        with translated(path, "read"):
            vectors = self._rows.rows(rows)
        for row, vector, crc in zip(rows.tolist(), vectors, self._sums[rows].tolist(), strict=True):
            if zlib.crc32(vector) != crc:
                raise damaged(path, f"row {row} is not as written")
        return vectors


def _bits(rows: RowIds) -> NDArray[np.uint64]:
    return np.uint64(1) << (rows & 63).astype(np.uint64)


class _Lists:
    """The lists of a segment, and the rows that their signs hand on."""

    def __init__(self, array: Any, record: SegmentRecord, dim: int) -> None:
        count, rows = record.lists, record.rows
        self._centres = Centres(array("centres", np.float32, count, dim))
        starts: RowIds = array("starts", np.int64, count + 1)
        self._ranges = np.stack([starts[:-1], starts[1:]], axis=1)
        self._sizes = np.diff(starts)
        self._rows = rows
        self._signs = Signs(
            array("words", np.uint64, rows, -(-dim // 64)),
            array("factors", np.float32, rows),
            array("rotation", np.float32, dim, dim),
        )

    def nearest(
        self, query: Vectors, k: int, alive: NDArray[np.uint64], options: DiskOptions
    ) -> RowIds:
        share = min(1.0, options.scanned_per_root / math.sqrt(self._rows))
        count = min(len(self._sizes), int(len(self._sizes) * share * _LISTS_FACTOR) + 8)
        lists, bases = self._centres.best(query, count)
        enough = np.searchsorted(np.cumsum(self._sizes[lists]), share * self._rows) + 1
        return self._signs.nearest(
            query,
            max(options.candidates_min, k * options.candidates_per_hit),
            ranges=self._ranges[lists[:enough]],
            bases=bases[:enough],
            alive=alive,
        )
