"""One thread with an event loop that talks to Redis, so that no request has to.

Look-ups that arrive together are joined into one MGET. Writes wait in a bounded queue. A circuit
says whether Redis answers at all, a second one whether it takes writes: a full Redis can still be
read. After a failure a try in the background decides, so that one request at most has waited.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.cache.inbox import Inbox
from openviking.cache.link import RedisLink, Write
from openviking.circuit import Circuit
from openviking.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.cache.tally import Tally
    from openviking.config import RedisUrl

_log = logging.getLogger(__name__)

NAMES_MAX = 128
"""Names of one MGET: a millisecond's work, so that a large call does not delay a small one."""

WRITES_BYTES_MAX = 8 << 20
"""What may wait to be written: about 2,600 embeddings of 768 numbers. More are dropped."""

_WAITING_NAMES_MAX = 8192
_WRITE_BYTES = 256 << 10
_PROBE_NAME = "openviking:probe"


@dataclass(frozen=True, slots=True)
class Timing:
    """How long what may take, in seconds.

    Attributes:
        timeout_s: a request's wait for Redis.
        recovery_s: how long Redis is left alone after a failure.
        background_s: what no request waits for: connecting, trying again, writing.
        close_s: for what is still to be written when the cache is closed.
    """

    timeout_s: float = 0.05
    recovery_s: float = 5.0
    background_s: float = 1.0
    close_s: float = 1.0


class _LookUp:
    """Names that a request asks for; the answer is None if Redis could not be asked.

    ``is_try`` marks the one that nobody waits for, and that decides whether Redis is used again.
    """

    __slots__ = ("answer", "is_try", "names")

    def __init__(self, names: Sequence[str], *, is_try: bool = False) -> None:
        self.names = names
        self.is_try = is_try
        self.answer: Future[list[object] | None] = Future()


class RedisWorker:
    """The thread; it starts to connect at once. All methods are for any thread.

    Args:
        url: the Redis.
        timing: deadlines.
        tally: where ``failures, lookups, lookup_seconds, written, refused, dropped`` are counted.
        clock: monotonic seconds, for the circuits.

    Attributes:
        answers: the circuit of Redis as a whole.
        writes: the circuit of writes, which a full or read-only Redis refuses.
    """

    def __init__(
        self,
        url: RedisUrl,
        timing: Timing,
        tally: Tally,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.answers = Circuit(1, timing.recovery_s, clock)
        self.writes = Circuit(1, timing.recovery_s, clock)
        self._timing = timing
        self._tally = tally
        # One each, so that neither hangs up on what the other is doing.
        self._read_link = RedisLink(url, timing.background_s)
        self._write_link = RedisLink(url, timing.background_s)
        self._reason: str | None = None
        self._is_told = False
        self._loop = asyncio.new_event_loop()
        self._stopping = asyncio.Event()
        self._look_ups = Inbox[_LookUp](self._loop, _WAITING_NAMES_MAX, lambda one: len(one.names))
        self._queue = Inbox[Write](self._loop, WRITES_BYTES_MAX, lambda one: one.size)
        self._busy = 0
        self._idle = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="cache-redis", daemon=True)
        # Until the first try has shown that Redis answers, requests do without it.
        self.answers.begin_trial()
        self._try_again()
        self._thread.start()

    @property
    def reason(self) -> str | None:
        """Why Redis or its writes are left alone now; None if they are not."""
        are_closed = self.answers.state == self.writes.state == "closed"
        return None if are_closed else self._reason

    @property
    def queued(self) -> int:
        """Writes that wait."""
        return len(self._queue)

    def ask(self, names: Sequence[str]) -> list[object] | None:
        """Return the values of at most NAMES_MAX *names*; None if Redis cannot be asked now.

        Waits ``timeout_s`` at most, and not at all while the circuit is not closed.
        """
        turn = self.answers.admit()
        if turn == "try":
            self._try_again()
        if turn != "pass":
            return None
        look_up = _LookUp(names)
        self._begin()
        if not self._look_ups.offer(look_up):
            self._end()
            return None
        started = time.perf_counter()
        try:
            found = look_up.answer.result(self._timing.timeout_s)
        except TimeoutError:
            look_up.answer.cancel()
            self.fail(f"Redis did not answer within {self._timing.timeout_s * 1e3:g} ms")
            return None
        if found is not None:
            self._tally.add("lookups")
            self._tally.add("lookup_seconds", time.perf_counter() - started)
        return found

    def write(self, write: Write) -> None:
        """Queue a write; it is dropped, and counted so, if that cannot be done without waiting."""
        is_open = self.answers.state != "closed" or self.writes.state == "open"
        self._begin()
        if is_open or not self._queue.offer(write):
            self._drop(1)

    def fail(self, reason: str) -> None:
        """Leave Redis alone from now on, until a try in the background succeeds."""
        effect = self.answers.fail()
        if effect == "late":
            return
        self._tally.add("failures")
        self._reason = reason
        # Tries that fail again are no news.
        if not self._is_told:
            self._is_told = True
            _log.warning("the cache does without Redis: %s", reason)

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is asked, tried or to be written; returns whether that is so."""
        with self._idle:
            return self._idle.wait_for(lambda: self._busy == 0, timeout_s)

    def close(self) -> None:
        """Write what is queued, for ``close_s`` at most, and end the thread."""
        with suppress(RuntimeError):  # the loop has ended by itself
            self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join(self._timing.close_s + self._timing.background_s)

    def _begin(self) -> None:
        with self._idle:
            self._busy += 1

    def _end(self, count: int = 1) -> None:
        with self._idle:
            self._busy -= count
            if not self._busy:
                self._idle.notify_all()

    def _drop(self, count: int) -> None:
        self._tally.add("dropped", count)
        self._end(count)

    def _try_again(self) -> None:
        self._begin()
        if not self._look_ups.offer(_LookUp([_PROBE_NAME], is_try=True)):
            self.answers.release()
            self._end()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        look_ups = asyncio.create_task(self._answer_look_ups())
        writer = asyncio.create_task(self._drain_queue())
        stopping = asyncio.create_task(self._stopping.wait())
        tasks = [look_ups, writer, stopping]
        # A task that ends by itself has met a defect: better no second tier than half of one.
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for inbox in (self._look_ups, self._queue):
            inbox.close()
        await asyncio.wait([writer], timeout=self._timing.close_s)
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                _log.error("the cache's line to Redis has ended", exc_info=ended)
                self.fail("a defect ended the line to Redis; the log has it")
        self._drop(len(await self._queue.take(WRITES_BYTES_MAX)))
        for look_up in await self._look_ups.take(_WAITING_NAMES_MAX):
            look_up.answer.cancel()
            self._end()
        await self._read_link.reset()
        await self._write_link.reset()
        # Transports that are closing need one more round of the loop to let go of their sockets.
        await asyncio.sleep(0)

    async def _answer_look_ups(self) -> None:
        while look_ups := await self._look_ups.take(NAMES_MAX):
            wanted = [
                one
                for one in look_ups
                if not one.is_try and one.answer.set_running_or_notify_cancel()
            ]
            if any(one.is_try for one in look_ups):
                await self._try()
            names = [name for one in wanted for name in one.names]
            if names:
                values = await self._read(names)
                for one in wanted:
                    count = len(one.names)
                    one.answer.set_result(None if values is None else values[:count])
                    values = None if values is None else values[count:]
            self._end(len(look_ups))

    async def _read(self, names: list[str]) -> list[object] | None:
        if self.answers.state != "closed":
            return None
        try:
            return await self._read_link.read(names, self._timing.timeout_s)
        except BackendError as error:
            self.fail(str(error))
            await self._read_link.reset()
            return None

    async def _try(self) -> None:
        try:
            await self._read_link.read([_PROBE_NAME], self._timing.background_s)
        except BackendError as error:
            self.fail(str(error))
            await self._read_link.reset()
        else:
            self._is_told = False
            if self.answers.succeed():
                _log.info("the cache uses Redis")

    async def _drain_queue(self) -> None:
        while writes := await self._queue.take(_WRITE_BYTES):
            if self.answers.state != "closed" or self.writes.admit() == "refuse":
                self._drop(len(writes))
                continue
            try:
                refusals = await self._write_link.write(writes, self._timing.background_s)
            except BackendError as error:
                self.writes.release()
                self.fail(str(error))
                await self._write_link.reset()
                self._drop(len(writes))
                continue
            self._note_written(len(writes), refusals)
            self._end(len(writes))

    def _note_written(self, count: int, refusals: list[str]) -> None:
        self._tally.add("written", count - len(refusals))
        if not refusals:
            if self.writes.succeed():
                _log.info("Redis takes writes of the cache again")
            return
        self._tally.add("refused", len(refusals))
        self._reason = refusals[0]
        if self.writes.fail() == "opened":
            _log.warning("the cache writes nothing to Redis: %s", refusals[0])
