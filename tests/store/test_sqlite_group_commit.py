"""The writer on its own: what shares a transaction, and what one failure costs the others."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import apsw
import pytest

from openviking.errors import StoreError
from openviking.store.sqlite.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Work = Callable[[apsw.Connection], object]


class Bench:
    """A writer on a fresh database, and a counter of its commits."""

    def __init__(self, file: Path) -> None:
        self.connection = apsw.Connection(str(file))
        self.connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self.connection.execute("CREATE TABLE t (x INTEGER UNIQUE)")
        self.commits = 0
        self.connection.set_commit_hook(self._count)
        self.reader = apsw.Connection(str(file))
        self.writer = Writer(self.connection, file)

    def _count(self) -> bool:
        self.commits += 1
        return False

    def rows(self) -> list[int]:
        return sorted(row[0] for row in self.reader.execute("SELECT x FROM t"))

    def run_as_one_group(self, works: list[Work]) -> list[object]:
        """Hold the writer in a first write until all *works* wait; return values or errors."""
        entered, go_on = threading.Event(), threading.Event()

        def first(_: apsw.Connection) -> None:
            entered.set()
            go_on.wait(10)

        def attempt(work: Work) -> object:
            try:
                return self.writer.write(work)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                return error

        with ThreadPoolExecutor(len(works) + 1) as pool:
            pool.submit(self.writer.write, first)
            assert entered.wait(10)
            waiting = [pool.submit(attempt, work) for work in works]
            while len(self.writer._jobs) < len(works):  # noqa: SLF001 - the queue must be full
                threading.Event().wait(0.001)
            go_on.set()
            return [future.result(10) for future in waiting]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "t.db")
    yield made
    made.writer.close()
    made.reader.close()


def insert(value: int) -> Work:
    return lambda connection: (
        connection.execute("INSERT INTO t VALUES (?) RETURNING x", (value,)).get
    )


def test_writes_that_wait_together_share_one_commit(bench: Bench) -> None:
    bench.commits = 0
    assert bench.run_as_one_group([insert(at) for at in range(20)]) == list(range(20))
    assert bench.rows() == list(range(20))
    # The commit of the write that held the others back changed nothing and is not counted.
    assert bench.commits <= 2


def test_a_failing_write_takes_back_only_itself(bench: Bench) -> None:
    def half(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (100)")
        raise KeyError("my own error")

    results = bench.run_as_one_group([insert(1), half, insert(2), insert(1)])
    assert results[0] == 1
    assert isinstance(results[1], KeyError)
    assert results[2] == 2
    assert isinstance(results[3], StoreError)
    assert isinstance(results[3].__cause__, apsw.ConstraintError)
    assert bench.rows() == [1, 2]


def test_a_write_that_loses_the_whole_transaction_costs_its_neighbours_nothing(
    bench: Bench,
) -> None:
    def lose(connection: apsw.Connection) -> None:
        connection.execute("INSERT INTO t VALUES (100)")
        connection.execute("ROLLBACK")
        raise apsw.IOError("the disk is gone")

    results = bench.run_as_one_group([insert(1), lose, insert(2)])
    assert (results[0], results[2]) == (1, 2)
    assert isinstance(results[1], StoreError)
    assert bench.rows() == [1, 2]


def test_a_commit_that_fails_keeps_nothing_and_the_next_one_works(bench: Bench) -> None:
    bench.connection.set_commit_hook(lambda: True)
    results = bench.run_as_one_group([insert(1), insert(2)])
    assert all(isinstance(result, StoreError) for result in results)
    assert bench.rows() == []
    bench.connection.set_commit_hook(None)
    assert bench.writer.write(insert(3)) == 3
    assert bench.rows() == [3]


def test_a_database_locked_by_another_program_fails_the_write_with_the_reason(
    bench: Bench,
) -> None:
    bench.reader.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="another program holds the database locked"):
        bench.writer.write(insert(1))
    bench.reader.execute("ROLLBACK")
    assert bench.writer.write(insert(3)) == 3


def test_closing_finishes_what_waits_and_refuses_what_comes_later(bench: Bench) -> None:
    with ThreadPoolExecutor(8) as pool:
        waiting = [pool.submit(bench.writer.write, insert(at)) for at in range(50)]
        done = [future.result(10) for future in waiting]
        bench.writer.close()
    assert done == list(range(50))
    assert bench.rows() == list(range(50))
    with pytest.raises(StoreError, match="closed"):
        bench.writer.write(insert(99))
