"""Files that are whole or not there: checksummed arrays, atomic replacement, the folder's lock."""

from __future__ import annotations

import fcntl
import mmap
import os
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import StoreError, StoreInUseError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

_CHUNK_BYTES = 1 << 24


@contextmanager
def translated(path: Path, action: str) -> Iterator[None]:
    """Turn errors of the system into a StoreError that names *path*."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise StoreError(f"index: cannot {action} {error.filename or path}: {reason}") from error


def damaged(path: Path, what: str) -> StoreError:
    """Return the error for a file that is not as it was written."""
    return StoreError(
        f"index: {path} is damaged: {what}; delete the index's folder and build it again from "
        "the store"
    )


def sync_folder(folder: Path) -> None:
    """Make names that were created in or removed from *folder* last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def replace_file(path: Path, content: bytes) -> None:
    """Write *path* anew: after a crash it has its old content or all of the new one."""
    temporary = path.with_name(path.name + ".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_folder(path.parent)


class ArrayFile:
    """A file that arrays are appended to, and that is on disk once it is finished."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")
        self._size, self._crc = 0, 0

    def append(self, part: NDArray[Any]) -> None:
        """Write an array's numbers."""
        content = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
        self._file.write(content)
        self._size += len(content)
        self._crc = zlib.crc32(content, self._crc)

    def finish(self) -> tuple[int, int]:
        """Bring the file to disk; return its bytes and CRC-32."""
        with self._file as file:
            file.flush()
            os.fsync(file.fileno())
        return self._size, self._crc


class MappedFile:
    """A file mapped for reading.

    Raises:
        StoreError: the file is not there or does not have *size* bytes.
    """

    def __init__(self, path: Path, size: int) -> None:
        self.path = path
        with translated(path, "open"), path.open("rb") as file:
            found = os.fstat(file.fileno()).st_size
            if found != size:
                raise damaged(path, f"expected {size} bytes, found {found}")
            # An empty file cannot be mapped.
            self._map = (
                mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else memoryview(b"")
            )

    def array(self, dtype: type[np.generic], *shape: int) -> NDArray[Any]:
        """View the content; it stays mapped as long as the array lives."""
        return np.frombuffer(self._map, dtype).reshape(shape)

    def check(self, crc: int) -> None:
        """Read everything and compare it with its CRC-32.

        Raises:
            StoreError: they differ.
        """
        found = 0
        with memoryview(self._map) as content:
            for start in range(0, len(content), _CHUNK_BYTES):
                found = zlib.crc32(content[start : start + _CHUNK_BYTES], found)
        if found != crc:
            raise damaged(self.path, f"expected CRC-32 {crc:08x}, found {found:08x}")

    def forget_pages(self) -> None:
        """Give back the memory of what has been read; the system may keep it cached."""
        if isinstance(self._map, mmap.mmap):
            self._map.madvise(mmap.MADV_DONTNEED)


class FolderLock:
    """Holds *folder* for this process until `release` or its end, kill -9 included.

    Raises:
        StoreInUseError: another index has the folder open.
        StoreError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with translated(folder, "use"):
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreInUseError(
                f"index {folder}: already open; close the other index or end its process "
                f"({error.strerror})"
            ) from error

    def release(self) -> None:
        """Give the folder free; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
