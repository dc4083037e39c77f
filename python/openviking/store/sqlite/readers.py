"""A bounded stock of read connections; WAL lets them read while the writer writes."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openviking.errors import OverloadedError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import apsw

_WAIT_S = 30.0


class Readers:
    """Lends one connection to one thread at a time, the most recently used first (warm cache).

    Args:
        connect: opens a read-only connection.
        path: named in errors.
        count_max: connections open at once; further threads wait their turn.
    """

    def __init__(self, connect: Callable[[], apsw.Connection], path: Path, count_max: int) -> None:
        self._connect = connect
        self._path = path
        self._idle: list[apsw.Connection] = []
        self._free = threading.BoundedSemaphore(count_max)
        self._count_max = count_max
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[apsw.Connection]:
        """Lend a connection; everything read inside one block is one state of the store.

        Raises:
            StoreError: the store is closed.
            OverloadedError: no connection came free in time.
        """
        if not self._free.acquire(timeout=_WAIT_S):
            raise OverloadedError(f"{self._count_max} reads have been busy for {_WAIT_S:.0f} s")
        try:
            if self._closed:
                raise StoreError(f"store {self._path}: is closed")
            connection = self._idle.pop() if self._idle else self._connect()
            try:
                connection.execute("BEGIN")
                yield connection
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._idle.append(connection)
        finally:
            self._free.release()

    def close(self) -> None:
        """Wait for the reads under way, then close every connection; may be called twice."""
        self._closed = True
        taken = sum(self._free.acquire(timeout=_WAIT_S) for _ in range(self._count_max))
        while self._idle:
            self._idle.pop().close()
        for _ in range(taken):
            self._free.release()
