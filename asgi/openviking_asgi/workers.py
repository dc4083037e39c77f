"""The worker pool: the one place where a request's work leaves the event loop and comes back.

Bounded twice: at most ``jobs_max`` jobs wait or run at once, and a job that has not been
answered by its deadline is given up. A job that never started is refused with OverloadedError (safe
to repeat); one that is still running with LateError (its effect is unknown).
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from openviking.errors import OverloadedError
from openviking_asgi.errors import LateError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class _Job(Generic[T]):
    __slots__ = ("call", "claim", "error", "future", "loop", "result", "timer")

    def __init__(self, call: Callable[[], T], loop: asyncio.AbstractEventLoop) -> None:
        self.call = call
        self.loop = loop
        self.future: asyncio.Future[T] = loop.create_future()
        self.timer: asyncio.TimerHandle | None = None
        # Whoever takes it decides the job's fate: a thread runs it, or the loop gives it up.
        self.claim = threading.Lock()
        self.result: T | None = None
        self.error: Exception | None = None


class WorkerPool:
    """Threads that run jobs handed over by one event loop.

    Threads start when there is work for them. They are daemons: a call that never returns must not
    keep the process from ending; :meth:`close` waits for the others.

    Args:
        name: prefix of the threads' names.
        threads: how many at most.
        jobs_max: jobs that may wait or run at once.
        deadline_s: seconds from hand-over to answer.
    """

    def __init__(self, name: str, *, threads: int, jobs_max: int, deadline_s: float) -> None:
        self._name = name
        self._threads_max = threads
        self._jobs_max = jobs_max
        self._deadline_s = deadline_s
        self._queue: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._jobs = 0

    @property
    def jobs_max(self) -> int:
        """Jobs that may wait or run at once."""
        return self._jobs_max

    @property
    def deadline_s(self) -> float:
        """Seconds from hand-over to answer."""
        return self._deadline_s

    def limit(self, *, jobs_max: int, deadline_s: float) -> None:
        """Set both limits for the jobs to come; those that wait or run keep theirs."""
        self._jobs_max = jobs_max
        self._deadline_s = deadline_s

    @property
    def jobs(self) -> int:
        """Jobs that wait or run."""
        return self._jobs

    @property
    def waiting(self) -> int:
        """Jobs that no thread has taken yet."""
        return self._queue.qsize()

    async def run(self, call: Callable[[], T]) -> T:
        """Run *call* on a thread and return what it returns, or raise what it raises.

        Raises:
            OverloadedError: the pool is full, or the job waited until its deadline.
            LateError: the job runs beyond its deadline.
        """
        if self._jobs >= self._jobs_max:
            raise OverloadedError(
                f"the server is busy: {self._jobs} requests are waiting or running; retry later"
            )
        loop = asyncio.get_running_loop()
        job = _Job(call, loop)
        job.timer = loop.call_later(self._deadline_s, self._give_up, job, self._deadline_s)
        self._jobs += 1
        if self._jobs > len(self._threads) < self._threads_max:
            self._start_thread()
        self._queue.put(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            job.claim.acquire(blocking=False)
            raise

    def close(self, timeout_s: float) -> bool:
        """End the threads once the jobs that they have are done; True if all ended in time."""
        for _ in self._threads:
            self._queue.put(None)
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _start_thread(self) -> None:
        name = f"{self._name}-{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self) -> None:
        while (job := self._queue.get()) is not None:
            if job.claim.acquire(blocking=False):
                try:
                    job.result = job.call()
                except Exception as error:  # noqa: BLE001 - it is raised again in run()
                    job.error = error
                except BaseException as error:  # noqa: BLE001 - it must not end the event loop
                    job.error = RuntimeError(f"a worker was stopped by {type(error).__name__}")
            try:
                job.loop.call_soon_threadsafe(self._deliver, job)
            except RuntimeError:
                # The loop was closed before its jobs were done: nobody is waiting any more.
                return
            del job

    def _deliver(self, job: _Job[Any]) -> None:
        self._jobs -= 1
        if job.timer is not None:
            job.timer.cancel()
        if job.future.done():
            return
        if isinstance(job.error, StopIteration):
            # A future refuses this one type, and would then never be done.
            job.future.set_exception(RuntimeError("a call ended with StopIteration"))
        elif job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)

    def _give_up(self, job: _Job[Any], deadline_s: float) -> None:
        if job.future.done():
            return
        if job.claim.acquire(blocking=False):
            job.future.set_exception(
                OverloadedError(
                    f"no worker was free within {deadline_s:g} s; nothing was done, retry"
                )
            )
        else:
            job.future.set_exception(
                LateError(f"not finished within {deadline_s:g} s; it may still complete")
            )
