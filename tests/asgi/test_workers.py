from __future__ import annotations

import asyncio
import threading
from typing import NoReturn

import pytest

from openviking.errors import OverloadedError
from openviking_asgi.errors import LateError
from openviking_asgi.workers import WorkerPool


class Latch:
    """A call that says when it has begun and ends when told."""

    def __init__(self) -> None:
        self.has_begun = threading.Event()
        self.may_end = threading.Event()
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.has_begun.set()
        assert self.may_end.wait(10)
        return "done"


def pool(*, threads: int = 1, jobs_max: int = 10, deadline_s: float = 10) -> WorkerPool:
    return WorkerPool("test", threads=threads, jobs_max=jobs_max, deadline_s=deadline_s)


def test_results_and_errors_come_back_to_the_caller():
    workers = pool()

    def fail() -> NoReturn:
        raise ValueError("as it was")

    async def scenario() -> None:
        assert await workers.run(lambda: 6 * 7) == 42
        with pytest.raises(ValueError, match="as it was"):
            await workers.run(fail)
        assert workers.jobs == 0

    asyncio.run(scenario())
    assert workers.close(5)


@pytest.mark.parametrize("error", [StopIteration(1), SystemExit(1), KeyboardInterrupt()])
def test_an_exception_that_would_stop_the_event_loop_is_a_runtime_error(error: BaseException):
    workers = pool()

    def fail() -> NoReturn:
        raise error

    async def scenario() -> None:
        with pytest.raises(RuntimeError):
            await workers.run(fail)
        assert await workers.run(lambda: "alive") == "alive"

    asyncio.run(scenario())
    assert workers.close(5)


def test_jobs_run_at_once_up_to_the_number_of_threads():
    workers = pool(threads=3)
    barrier = threading.Barrier(3, timeout=10)

    async def scenario() -> None:
        await asyncio.gather(*(workers.run(barrier.wait) for _ in range(3)))

    asyncio.run(scenario())
    assert workers.close(5)


@pytest.mark.parametrize("jobs_max", [1, 2, 5])
def test_one_job_over_the_limit_is_refused_and_nothing_is_lost(jobs_max: int):
    workers, latch = pool(jobs_max=jobs_max), Latch()

    async def scenario() -> None:
        running = [asyncio.ensure_future(workers.run(latch)) for _ in range(jobs_max)]
        await asyncio.sleep(0)
        assert workers.jobs == jobs_max
        with pytest.raises(OverloadedError):
            await workers.run(latch)
        latch.may_end.set()
        assert await asyncio.gather(*running) == ["done"] * jobs_max
        assert await workers.run(lambda: "free again") == "free again"

    asyncio.run(scenario())
    assert latch.calls == jobs_max
    assert workers.close(5)


def test_a_job_that_waited_too_long_is_refused_and_never_runs():
    workers, latch, never = pool(deadline_s=0.05), Latch(), Latch()

    async def scenario() -> None:
        first = asyncio.ensure_future(workers.run(latch))
        await asyncio.to_thread(latch.has_begun.wait, 10)
        with pytest.raises(OverloadedError, match="nothing was done"):
            await workers.run(never)
        latch.may_end.set()
        with pytest.raises(LateError, match="may still complete"):
            await first

    asyncio.run(scenario())
    assert workers.close(5)
    assert (latch.calls, never.calls) == (1, 0)


def test_a_cancelled_caller_takes_its_waiting_job_along():
    workers, latch, never = pool(), Latch(), Latch()

    async def scenario() -> None:
        first = asyncio.ensure_future(workers.run(latch))
        second = asyncio.ensure_future(workers.run(never))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        latch.may_end.set()
        assert await first == "done"

    asyncio.run(scenario())
    assert workers.close(5)
    assert never.calls == 0


def test_close_says_whether_a_thread_is_stuck():
    workers, latch = pool(), Latch()

    async def scenario() -> None:
        running = asyncio.ensure_future(workers.run(latch))
        await asyncio.to_thread(latch.has_begun.wait, 10)
        assert workers.close(0.01) is False
        latch.may_end.set()
        assert await running == "done"

    asyncio.run(scenario())
    assert workers.close(5) is True
