"""One SQLite file in a folder of its own: locked, opened, checked, read and written."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import apsw

from openviking.errors import StoreError
from openviking.store.sqlite import schema
from openviking.store.sqlite.failures import translated
from openviking.store.sqlite.lock import FolderLock
from openviking.store.sqlite.readers import Readers
from openviking.store.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

T = TypeVar("T")

_READERS_MAX = 8
BUSY_TIMEOUT_S = 5.0
"""Seconds that a write waits for another program that holds the file locked."""

_PAGE_BYTES = 4096
_WAL_BYTES_KEPT = 16 * 2**20
"""Size to which the write-ahead log shrinks again after a long transaction."""


class Database:
    """The file ``openviking.db`` in *folder*, which is created if missing.

    Args:
        folder: belongs to this process alone while the database is open.
        bytes_max: size that the file may reach; writes beyond it fail as on a full disk.
        busy_timeout_s: seconds to wait for another program that holds the file locked.

    Raises:
        StoreError: the folder is in use or cannot be written, or the file is damaged, foreign or
            newer than this program.
    """

    def __init__(
        self,
        folder: Path,
        *,
        bytes_max: int | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._busy_timeout_ms = round(busy_timeout_s * 1e3)
        self.path = folder / "openviking.db"
        self._owner = os.getpid()
        self._lock = FolderLock(folder)
        try:
            with translated(self.path):
                connection = self._open_writer(bytes_max)
        except BaseException:
            self._lock.release()
            raise
        self._writer = Writer(connection, self.path)
        self._readers = Readers(self._open_reader, self.path, _READERS_MAX)

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run *work* on the writer thread; return its value once it is on disk.

        *work* may be run twice, see writer.py. Errors: StoreError, OverloadedError, and what
        *work* itself raises.
        """
        self._refuse_fork()
        return self._writer.write(work)

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Lend a connection that sees one unchanging state of the store."""
        self._refuse_fork()
        with translated(self.path), self._readers.reading() as connection:
            yield connection

    def scrub(self) -> None:
        """Empty the write-ahead log, so that what was deleted stands in no file any more.

        The pages themselves were zeroed when they were freed. If a reader is in the way for longer
        than the time-out, the next checkpoint does it.
        """
        self._refuse_fork()
        with translated(self.path):
            connection = self._connect()
            try:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
            finally:
                connection.close()

    def close(self) -> None:
        """Finish queued writes, fold the log into the file, give the folder free; repeatable."""
        self._readers.close()
        # The last connection to close folds the write-ahead log in, and only a writer can.
        self._writer.close()
        self._lock.release()

    def _refuse_fork(self) -> None:
        # SQLite connections and locks do not survive fork(); using them there damages the file.
        if os.getpid() != self._owner:
            raise StoreError(
                f"store {self.path}: was opened by process {self._owner}; a forked child must open "
                "its own store on another path"
            )

    def _open_writer(self, bytes_max: int | None) -> apsw.Connection:
        connection = self._connect()
        try:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            schema.prepare(connection, self.path)
            # FULL: in WAL mode, NORMAL would let a power cut take back answered writes.
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES_KEPT}")
            # Deleted means gone: freed space is zeroed instead of being left to be read again.
            connection.execute("PRAGMA secure_delete = ON")
            if bytes_max is not None:
                connection.execute(f"PRAGMA max_page_count = {max(1, bytes_max // _PAGE_BYTES)}")
        except BaseException:
            connection.close()
            raise
        return connection

    def _open_reader(self) -> apsw.Connection:
        connection = self._connect()
        connection.execute("PRAGMA query_only = ON")
        return connection

    def _connect(self) -> apsw.Connection:
        connection = apsw.Connection(str(self.path))
        connection.set_busy_timeout(self._busy_timeout_ms)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        return connection
