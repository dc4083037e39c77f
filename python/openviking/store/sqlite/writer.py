"""Group commit: one thread writes; writes that wait together share one transaction and one fsync.

A caller hands over a function of the connection and sleeps until its effect is on disk. Each write
stands in a savepoint of its own, so one that fails takes back only itself. Where a failure loses
the whole transaction (a full disk can do that), every write of the group is done again alone, so
that the innocent ones succeed: a write function must therefore be safe to run twice.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import apsw

from openviking.errors import OverloadedError, StoreError
from openviking.store.sqlite.failures import for_caller

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")

_QUEUE_MAX = 10_000
"""Writes that may wait; at some thousand commits a second more would only be late."""

_GROUP_MAX = 256
"""Writes in one transaction: far beyond what hides the fsync, small enough to answer soon."""


class _Job(Generic[T]):
    """One write on its way: the function, then its value or its error."""

    __slots__ = ("_done", "_error", "_is_on_disk", "_value", "_work")

    def __init__(self, work: Callable[[apsw.Connection], T]) -> None:
        self._work = work
        self._value: T | None = None
        self._error: BaseException | None = None
        self._is_on_disk = False
        # A held lock that the writer releases: the cheapest wait that Python has.
        self._done = threading.Lock()
        self._done.acquire()

    def run(self, connection: apsw.Connection) -> None:
        self._error = None
        self._value = self._work(connection)

    def fail(self, error: BaseException) -> None:
        self._error = error

    def succeed(self) -> None:
        self._is_on_disk = self._error is None

    def wake_caller(self) -> None:
        self._done.release()

    def wait(self) -> T:
        self._done.acquire()
        if self._error is not None:
            # Raised anew in the caller's thread; the writer's traceback stays attached.
            raise self._error
        if not self._is_on_disk:
            raise StoreError("the write was given up before its commit; nothing of it was kept")
        return self._value  # type: ignore[return-value] # run() has set it


class Writer:
    """The only thread that writes to *connection*, which it owns from now on.

    Args:
        connection: open, in WAL mode, with the newest schema.
        path: named in errors.
    """

    def __init__(self, connection: apsw.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._jobs: deque[_Job[object]] = deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="store-writer", daemon=True)
        self._thread.start()

    def write(self, work: Callable[[apsw.Connection], T]) -> T:
        """Run *work* in a transaction and return its value once the commit is on disk.

        Raises:
            OverloadedError: too many writes wait.
            StoreError: the store is closed, or SQLite failed; then nothing of *work* was kept.
        """
        job: _Job[T] = _Job(work)
        with self._changed:
            if self._closing:
                raise StoreError(f"store {self._path}: is closed")
            if len(self._jobs) >= _QUEUE_MAX:
                raise OverloadedError(f"{_QUEUE_MAX} writes are waiting; try again later")
            self._jobs.append(job)  # type: ignore[arg-type] # only its own caller reads the value
            self._changed.notify()
        return job.wait()

    def close(self) -> None:
        """Finish the waiting writes, then end the thread and close the connection."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        try:
            while group := self._take():
                self._commit(group)
        finally:
            # However this thread ends, nobody may wait for it in vain.
            with self._changed:
                self._closing = True
                for job in self._jobs:
                    job.wake_caller()
            self._connection.close()

    def _take(self) -> list[_Job[object]]:
        """Wait for writes; an empty list means that the store closes."""
        with self._changed:
            while not self._jobs and not self._closing:
                self._changed.wait()
            return [self._jobs.popleft() for _ in range(min(len(self._jobs), _GROUP_MAX))]

    def _commit(self, group: list[_Job[object]]) -> None:
        try:
            if len(group) == 1 or not self._try_together(group):
                for job in group:
                    self._do_alone(job)
        finally:
            for job in group:
                job.wake_caller()

    def _try_together(self, group: list[_Job[object]]) -> bool:
        """Commit all of *group* at once; False means that nothing happened and nothing was kept."""
        try:
            self._connection.execute("BEGIN IMMEDIATE")
        except apsw.Error as error:
            # Not worth trying each alone: every one would wait for the same lock.
            for job in group:
                job.fail(for_caller(error, self._path))
            return True
        try:
            if not all(self._try_in_savepoint(job) for job in group):
                return False
            self._connection.execute("COMMIT")
        except apsw.Error:
            return False
        else:
            for job in group:
                job.succeed()
            return True
        finally:
            self._leave_transaction()

    def _try_in_savepoint(self, job: _Job[object]) -> bool:
        """Run one write of a group; False means that the whole transaction is lost."""
        self._connection.execute("SAVEPOINT job")
        try:
            job.run(self._connection)
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who gets it
            if not self._connection.in_transaction:
                return False
            job.fail(for_caller(error, self._path))
            self._connection.execute("ROLLBACK TO job")
        self._connection.execute("RELEASE job")
        return True

    def _do_alone(self, job: _Job[object]) -> None:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            job.run(self._connection)
            self._connection.execute("COMMIT")
            job.succeed()
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who gets it
            job.fail(for_caller(error, self._path))
        finally:
            self._leave_transaction()

    def _leave_transaction(self) -> None:
        """Roll back what a failure left open, so that the next write starts clean."""
        if self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except apsw.Error:
                # SQLite leaves the transaction even when the rollback meets a disk error; if it
                # did not, the next BEGIN fails and says so.
                return
