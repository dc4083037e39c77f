"""The state of an index on disk, and the ways from one state to the next.

Small changes go to the journal and then into memory. A large one is a new segment and a new
manifest; the searches go on with the old segments until the new ones are on disk.
"""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import numpy as np
from msgspec.structs import replace

from openviking.errors import ShapeError, StoreError
from openviking.index.disk import manifest as manifests
from openviking.index.disk.files import ArrayFile, damaged, sync_folder, translated
from openviking.index.disk.journal import Journal
from openviking.index.disk.manifest import FileRecord, Manifest, SegmentRecord
from openviking.index.disk.segment import Segment
from openviking.index.disk.writer import Part, Pile, write_segment
from openviking.index.lock import ReadWriteLock
from openviking.vectors import RowSet

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.index.disk.options import DiskOptions
    from openviking.types import RowIds, Vectors

_SIZE_STEP: Final = 2
"""A segment that is not this many times as large as the next younger one is merged with it."""


class DiskState:
    """Segments, fresh vectors and journal. One thread changes it; who reads holds `lock`.

    Attributes:
        lock: held together by searches, alone while a change is applied.
        fresh: the vectors that are newer than the last segment.
        segments: oldest first; an id lives in at most one of them or in `fresh`.

    Raises:
        ShapeError: the folder's index has another width.
        StoreError: the folder cannot be used, or a file is damaged.
    """

    def __init__(self, folder: Path, dim: int, options: DiskOptions) -> None:
        self._folder, self._options = folder, options
        self.lock = ReadWriteLock()
        self.fresh = RowSet(dim)
        known = manifests.read(folder)
        if known is not None and known.dim != dim:
            raise ShapeError(
                f"dim: the index in {folder} has {known.dim} columns, got {dim}", loc=("dim",)
            )
        if known is None:
            self._refuse_lost_manifest()
        self._manifest = known or Manifest.first(dim)
        self.segments = tuple(self._opened(record) for record in self._manifest.segments)
        self._journal = Journal(folder / self._manifest.journal, dim, is_new=known is None)
        if known is None:
            manifests.write(folder, self._manifest)
        for ids, vectors in self._journal.replay():
            self._apply(ids, vectors)
        self._remove_strangers()

    def _opened(self, record: SegmentRecord) -> Segment:
        return Segment(self._folder / record.name, record, self.fresh.dim, self._options)

    def _refuse_lost_manifest(self) -> None:
        """Without a manifest a folder is new, unless it holds what one has named."""
        with translated(self._folder, "read"):
            for path in self._folder.iterdir():
                is_journal = path.name.startswith("journal-") and path.stat().st_size
                if is_journal or path.name.startswith("segment-"):
                    raise damaged(self._folder / manifests.NAME, f"gone, but {path.name} is there")

    def _remove_strangers(self) -> None:
        """Remove what is ours but not named by the manifest: the rest of an older state."""
        known = {"manifest", self._manifest.journal}
        known |= {record.name for record in self._manifest.segments}
        with translated(self._folder, "tidy"):
            for path in self._folder.iterdir():
                is_ours = path.name.startswith(("segment-", "journal-", "manifest"))
                if is_ours and path.name not in known:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            for record in self._manifest.segments:
                for path in (self._folder / record.name).glob("dead-*"):
                    if path.name != record.dead:
                        path.unlink()

    def put(self, ids: RowIds, vectors: Vectors) -> None:
        """Put checked vectors in, overwriting those whose id is there; on disk when this returns.

        Raises:
            StoreError: nothing has changed.
        """
        if not len(ids):
            return
        if len(ids) < self._options.fresh_rows_max:
            self._journal.put(ids, vectors)
            with self.lock.writing():
                self._apply(ids, vectors)
            if (
                len(self.fresh) >= self._options.fresh_rows_max
                or self._journal.size >= self._options.journal_bytes_max
            ):
                self._move_fresh()
        else:
            self._move_fresh()
            gone = [segment.find(ids)[1] for segment in self.segments]
            self._commit(self.segments, gone, [Part(vectors, np.arange(len(ids)), ids)])
        self._tidy()

    def remove(self, ids: RowIds) -> None:
        """Remove vectors; on disk when this returns.

        Raises:
            StoreError: nothing has changed.
        """
        self._journal.remove(ids)
        with self.lock.writing():
            self._apply(ids, None)
        self._tidy()

    def _apply(self, ids: RowIds, vectors: Vectors | None) -> None:
        if vectors is None:
            self.fresh.remove(ids)
        else:
            self.fresh.replace(ids, vectors)
        for segment in self.segments:
            segment.kill(segment.find(ids)[1])

    def compact(self) -> None:
        """Make one segment without gaps of everything.

        Raises:
            StoreError: the old state still holds.
        """
        self._move_fresh()
        if len(self.segments) > 1 or any(len(s.dead_rows()) for s in self.segments):
            self._merge(self.segments, ())

    def _tidy(self) -> None:
        """Merge segments that are too many or too empty."""
        for segment in self.segments:
            if segment.alive_count * 2 < segment.record.rows:
                self._merge((segment,), tuple(s for s in self.segments if s is not segment))
        while len(self.segments) > 1:
            older, younger = self.segments[-2:]
            if older.alive_count >= _SIZE_STEP * younger.alive_count:
                break
            self._merge((older, younger), self.segments[:-2])

    def _merge(self, merged: tuple[Segment, ...], kept: tuple[Segment, ...]) -> None:
        parts = []
        for segment in merged:
            rows = segment.alive_rows()
            parts.append(Part(segment.vectors, rows, segment.ids[rows]))
        self._commit(kept, [np.zeros(0, np.int64) for _ in kept], parts)

    def _move_fresh(self) -> None:
        """Make a segment of the fresh vectors and begin a new journal."""
        ids = self.fresh.ids
        if self._journal.size:
            gone = [np.zeros(0, np.int64) for _ in self.segments]
            part = Part(self.fresh.rows(ids), np.arange(len(ids)), ids)
            self._commit(self.segments, gone, [part], is_fresh_moved=True)

    def _commit(
        self,
        kept: tuple[Segment, ...],
        gone: list[RowIds],
        parts: list[Part],
        *,
        is_fresh_moved: bool = False,
    ) -> None:
        """Write *parts* as a segment behind those *kept*, less the rows *gone* from these.

        What the journal says of kept segments is written down with them if the journal ends here.
        """
        number = self._manifest.next_number
        journal = self._journal
        added: tuple[Segment, ...] = ()
        pile = Pile(parts)
        try:
            with translated(self._folder, "write a segment to"):
                records = [
                    _with_dead(segment, rows, number)
                    for segment, rows in zip(kept, gone, strict=True)
                ]
                if len(pile):
                    folder = self._folder / f"segment-{number:06d}"
                    least = self._options.lists_from_rows
                    records.append(write_segment(folder, pile, lists_from_rows=least))
                    added = (self._opened(records[-1]),)
                if is_fresh_moved:
                    path = self._folder / f"journal-{number:06d}"
                    journal = Journal(path, self.fresh.dim, is_new=True)
                manifest = replace(
                    self._manifest,
                    journal=journal.path.name,
                    segments=tuple(records),
                    next_number=number + 1,
                )
                manifests.write(self._folder, manifest)
        except BaseException:
            if journal is not self._journal:
                journal.close()
            with suppress(StoreError):  # the next opening tidies too
                self._remove_strangers()
            raise
        with self.lock.writing():
            for segment, record, rows in zip(kept, records, gone, strict=False):
                segment.record = record
                segment.kill(rows)
            self._manifest, self.segments = manifest, kept + added
            if is_fresh_moved:
                self._journal.close()
                self._journal, self.fresh = journal, RowSet(self.fresh.dim)
        self._remove_strangers()

    def check(self) -> None:
        """Read every segment's float32 vectors and compare them with their checksums.

        Raises:
            StoreError: they differ.
        """
        for segment in self.segments:
            segment.check()

    def close(self) -> None:
        """Close the journal; may be called twice."""
        self._journal.close()


def _with_dead(segment: Segment, gone: RowIds, number: int) -> SegmentRecord:
    dead = np.union1d(segment.dead_rows(), gone).astype(np.uint32)
    record = segment.record
    if not len(dead):
        return record
    name = f"dead-{number:06d}"
    file = ArrayFile(segment.folder / name)
    file.append(dead)
    files = {known: entry for known, entry in record.files.items() if known != record.dead}
    files[name] = FileRecord(*file.finish())
    sync_folder(segment.folder)
    return replace(record, files=files, dead=name)
