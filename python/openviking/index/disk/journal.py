"""The changes since the last segment, each on disk before it is answered.

A record is a header - magic, kind, count, CRC-32 of kind, count and content - and its content: ids
(int64), and for additions their vectors (float32). A process that dies while it appends leaves a
record that is cut short; nobody was told that it was there, so it is dropped.
"""

from __future__ import annotations

import os
import struct
import zlib
from typing import TYPE_CHECKING, Final

import numpy as np

from openviking.errors import StoreError
from openviking.index.disk.files import damaged, sync_folder, translated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openviking.types import RowIds, Vectors

_HEADER: Final = struct.Struct("<4sIQI")
_MAGIC: Final = b"OVJ1"
_PUT: Final = 1
_REMOVE: Final = 2


class Journal:
    """An append-only file of changes; not safe from several threads.

    Args:
        path: the file; made if *is_new*.
        dim: width of the vectors.
        is_new: whether to begin an empty one.

    Raises:
        StoreError: the file cannot be opened.
    """

    def __init__(self, path: Path, dim: int, *, is_new: bool) -> None:
        self.path = path
        self._dim = dim
        self._is_broken = False
        flags = os.O_RDWR | os.O_CLOEXEC | (os.O_CREAT | os.O_TRUNC if is_new else 0)
        with translated(path, "open"):
            self._descriptor = os.open(path, flags, 0o644)
            if is_new:
                os.fsync(self._descriptor)
                sync_folder(path.parent)
            self.size = os.fstat(self._descriptor).st_size

    def put(self, ids: RowIds, vectors: Vectors) -> None:
        """Append vectors that are new or replace others; on disk when this returns.

        Raises:
            StoreError: nothing was appended.
        """
        self._append(_PUT, ids, vectors)

    def remove(self, ids: RowIds) -> None:
        """Append removals; on disk when this returns.

        Raises:
            StoreError: nothing was appended.
        """
        self._append(_REMOVE, ids, np.zeros((0, self._dim), np.float32))

    def _append(self, kind: int, ids: RowIds, vectors: Vectors) -> None:
        if self._is_broken:
            raise StoreError(f"index: {self.path} could not be mended; open the index again")
        content = [part.reshape(-1).view(np.uint8).data for part in (ids, vectors)]
        crc = _crc(kind, len(ids), content)
        parts = [memoryview(_HEADER.pack(_MAGIC, kind, len(ids), crc)), *content]
        with translated(self.path, "append to"):
            try:
                written = self.size
                for part in parts:
                    written += _write_all(self._descriptor, part, written)
                os.fdatasync(self._descriptor)
            except OSError:
                self._cut(self.size)
                raise
        self.size = written

    def _cut(self, size: int) -> None:
        try:
            os.ftruncate(self._descriptor, size)
            os.fsync(self._descriptor)
        except OSError:
            self._is_broken = True

    def replay(self) -> Iterator[tuple[RowIds, Vectors | None]]:
        """Yield every change, oldest first; vectors are None for a removal. Drops a torn end.

        Raises:
            StoreError: a record is damaged.
        """
        end = self.size
        with translated(self.path, "read"), os.fdopen(os.dup(self._descriptor), "rb") as file:
            file.seek(0)
            position = 0
            while position < end:
                header = file.read(_HEADER.size)
                if len(header) < _HEADER.size:
                    break
                magic, kind, count, crc = _HEADER.unpack(header)
                if magic != _MAGIC or kind not in {_PUT, _REMOVE}:
                    raise damaged(self.path, f"no record at byte {position}")
                ids_bytes = count * 8
                size = ids_bytes + (count * self._dim * 4 if kind == _PUT else 0)
                if position + _HEADER.size + size > end:
                    # A count that was flipped would point beyond the end too.
                    self._check_torn(header, position)
                    break
                content = file.read(size)
                if _crc(kind, count, [memoryview(content)]) != crc:
                    raise damaged(self.path, f"the record at byte {position} is not as written")
                ids = np.frombuffer(content, np.int64, count)
                vectors = np.frombuffer(content, np.float32, offset=ids_bytes)
                yield ids, vectors.reshape(count, self._dim) if kind == _PUT else None
                position += _HEADER.size + size
        if position < end:
            with translated(self.path, "mend"):
                os.ftruncate(self._descriptor, position)
                os.fsync(self._descriptor)
            self.size = position

    def _check_torn(self, header: bytes, position: int) -> None:
        """A record is written front to back: another header behind this one means damage."""
        behind = os.pread(self._descriptor, self.size - position, position + len(header))
        if _MAGIC in behind:
            raise damaged(self.path, f"the record at byte {position} has an impossible length")

    def close(self) -> None:
        """Close the file; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _crc(kind: int, count: int, content: list[memoryview]) -> int:
    crc = zlib.crc32(struct.pack("<IQ", kind, count))
    for part in content:
        crc = zlib.crc32(part, crc)
    return crc


def _write_all(descriptor: int, content: memoryview, offset: int) -> int:
    done = 0
    while done < len(content):
        done += os.pwrite(descriptor, content[done:], offset + done)
    return done
