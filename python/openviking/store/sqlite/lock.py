"""One process per storage folder: an flock that the kernel drops when its owner dies."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from openviking.errors import StoreError, StoreInUseError

if TYPE_CHECKING:
    from pathlib import Path


class FolderLock:
    """Holds *folder*/openviking.lock until release() or the end of the process, kill -9 included.

    The file stays behind on purpose: removing a lock file opens a race in which two processes each
    lock a different inode of the same name. Its content, the owner's process id, is for people.

    Raises:
        StoreInUseError: another store holds the folder.
        StoreError: the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        file = folder / "openviking.lock"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"store {folder}: expected a folder that can be written; {error.strerror}: "
                f"{error.filename}"
            ) from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise StoreInUseError(
                f"store {folder}: already in use by process {owner or 'unknown'}; stop it, or give "
                f"this one another storage path ({error.strerror})"
            ) from error
        self._record_owner(file)

    def _record_owner(self, file: Path) -> None:
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            os.close(self._descriptor)
            raise StoreError(f"store: cannot write {file}: {error.strerror}") from error

    def release(self) -> None:
        """Give the folder free; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
