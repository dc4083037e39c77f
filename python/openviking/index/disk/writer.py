"""Writes a segment: vectors in the order of their lists, their codes, and their signs."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from openviking.index.disk import lists
from openviking.index.disk.files import ArrayFile, sync_folder
from openviking.index.disk.manifest import FileRecord, SegmentRecord
from openviking.vectors.mapped import encode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openviking.types import RowIds, Vectors

_CHUNK_ROWS: Final = 16_384


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a larger array, with their ids.

    Attributes:
        vectors: (n, dim) float32, perhaps mapped.
        rows: (m,) int64, which of them.
        ids: (m,) int64, the ids of these.
    """

    vectors: Vectors
    rows: RowIds
    ids: RowIds


class Pile:
    """The vectors of several parts, numbered through."""

    def __init__(self, parts: list[Part]) -> None:
        self._vectors = [part.vectors for part in parts]
        self._part = np.repeat(np.arange(len(parts)), [len(part.rows) for part in parts])
        self._rows = np.concatenate([np.zeros(0, np.int64), *(part.rows for part in parts)])
        self.ids = np.concatenate([np.zeros(0, np.int64), *(part.ids for part in parts)])

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, places: RowIds) -> Vectors:
        """Return the vectors of some numbers."""
        taken = np.empty((len(places), self._vectors[0].shape[1]), np.float32)
        owners = self._part[places]
        for number, vectors in enumerate(self._vectors):
            mine = owners == number
            taken[mine] = vectors[self._rows[places[mine]]]
        return taken


def write_segment(folder: Path, pile: Pile, *, lists_from_rows: int) -> SegmentRecord:
    """Write *pile*, at least one vector, as a new segment in a new *folder*; then it is on disk.

    Raises:
        OSError: as the system says; the folder is then of no use.
    """
    folder.mkdir()
    files: dict[str, FileRecord] = {}
    order, count = np.arange(len(pile)), 0
    around: _Lists | None = None
    if len(pile) >= lists_from_rows:
        around = _Lists.of(pile)
        order, count = np.argsort(around.owner, kind="stable"), len(around.centres)
        starts = np.searchsorted(around.owner[order], np.arange(count + 1))
        arrays = (("centres", around.centres), ("rotation", around.rotation), ("starts", starts))
        for name, array in arrays:
            file = ArrayFile(folder / name)
            file.append(array)
            files[name] = FileRecord(*file.finish())
    names = ["vectors", "ids", "codes", "steps", "residuals", "sums"]
    open_files = {n: ArrayFile(folder / n) for n in (*names, *(["words", "factors"] * bool(count)))}
    for places in _chunks(order):
        vectors = pile.take(places)
        codes, steps, residuals = encode(vectors)
        sums = np.array([zlib.crc32(vector) for vector in vectors], np.uint32)
        written = [vectors, pile.ids[places], codes, steps, residuals, sums]
        if around is not None:
            owned = around.centres[around.owner[places]]
            written += lists.signs_of(vectors, owned, around.rotation)
        for file, array in zip(open_files.values(), written, strict=True):
            file.append(array)
    files |= {name: FileRecord(*file.finish()) for name, file in open_files.items()}
    sync_folder(folder)
    sync_folder(folder.parent)
    return SegmentRecord(folder.name, len(pile), count, files)


@dataclass(frozen=True, slots=True)
class _Lists:
    """Centres (count, dim), the centre of each vector (n,), and the rotation (dim, dim)."""

    centres: Vectors
    owner: RowIds
    rotation: Vectors

    @classmethod
    def of(cls, pile: Pile) -> _Lists:
        sample = pile.take(lists.sample_rows(len(pile)))
        trained = lists.train(sample, lists.list_count(len(pile)))
        centres = lists.Centres(trained)
        owner = [centres.nearest(pile.take(p))[0] for p in _chunks(np.arange(len(pile)))]
        return cls(trained, np.concatenate(owner), lists.rotation(trained.shape[1]))


def _chunks(rows: RowIds) -> Iterator[RowIds]:
    for start in range(0, len(rows), _CHUNK_ROWS):
        yield rows[start : start + _CHUNK_ROWS]
