"""One queue in front of the model: calls that wait together are encoded together, and fairly.

A call whose texts fit into one batch waits in the short lane, any other in the bulk lane. Batches
are taken from both lanes in turn, so a short call waits for at most one bulk batch, and a bulk call
always advances. Short calls share batches; bulk calls take turns batch by batch.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from openviking.errors import EncoderError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from openviking.types import Vectors

ROWS_MAX = 64
"""Texts in one batch at most."""

_RATE_START = 1000.0  # tokens per second, until the first batch has been measured
_RATE_MEMORY = 0.9


Run: TypeAlias = "Callable[[Sequence[NDArray[np.int64]]], Vectors]"
"""Embeds one batch of token id arrays: (n, dim) float32 in the given order."""


class Plan(Protocol):
    """What splits a large call into batches, such as ``vectors.plan_batches``."""

    def __call__(
        self, lengths: NDArray[np.int64], *, tokens_max: int, rows_max: int
    ) -> Sequence[NDArray[np.int64]]:
        """Split texts of (n,) *lengths* into batches of positions, within the two limits."""


@dataclass(eq=False, slots=True)
class _Call:
    """One caller's texts: the batches still to run and the rows already computed."""

    token_ids: Sequence[NDArray[np.int64]]
    batches: deque[NDArray[np.int64]]
    vectors: Vectors
    missing: int
    tokens: int
    done: Future[Vectors]


_Batch = list[tuple[_Call, "NDArray[np.int64]"]]


class Scheduler:
    """Runs batches on worker threads; safe to call from any thread.

    Args:
        run: computes one batch; called by the workers only.
        plan: splits a large call into batches.
        dim: width of the vectors.
        batch_tokens: tokens in one batch at most; a longer text is a batch of its own.
        queue_max: calls that may wait in each lane before new ones are refused.
        workers: threads that run batches.

    Attributes:
        queue_max: as above; may be set at any time.
        calls_admitted: calls that were let into a lane since the start.
    """

    def __init__(
        self,
        run: Run,
        plan: Plan,
        *,
        dim: int,
        batch_tokens: int,
        queue_max: int,
        workers: int = 1,
    ) -> None:
        self.queue_max = queue_max
        self.calls_admitted = 0
        self._run = run
        self._plan = plan
        self._dim = dim
        self._batch_tokens = batch_tokens
        self._short: deque[_Call] = deque()
        self._bulk: deque[_Call] = deque()
        self._bulk_ran_last = False
        self._tokens_waiting = 0
        self._tokens_per_s = _RATE_START
        self._is_closed = False
        self._process = os.getpid()
        self._changed = threading.Condition()
        self._workers = [
            threading.Thread(target=self._work, name=f"openviking-encoder-{number}", daemon=True)
            for number in range(workers)
        ]
        for worker in self._workers:
            worker.start()

    def encode(
        self, token_ids: Sequence[NDArray[np.int64]], deadline_s: float | None = None
    ) -> Vectors:
        """Embed *token_ids* and wait for the vectors, (n, dim).

        Raises:
            OverloadedError: the lane is full, or *deadline_s* seconds have passed.
            EncoderError: the model failed, the scheduler is closed, or the process has forked.
        """
        if os.getpid() != self._process:
            raise EncoderError("the encoder was opened before this process forked; open a new one")
        if not token_ids:
            return np.zeros((0, self._dim), dtype=np.float32)
        call = self._admit(token_ids)
        try:
            return call.done.result(deadline_s)
        except TimeoutError as error:
            raise OverloadedError(
                f"encoding did not finish within {deadline_s} s; "
                f"{self._tokens_waiting} tokens wait",
                retry_after_s=self._retry_after_s(),
            ) from error
        finally:
            # Late or interrupted: the batches that have not begun are not worth computing.
            call.done.cancel()

    def close(self) -> None:
        """Finish the calls that wait, refuse new ones, and stop the workers."""
        if os.getpid() != self._process:
            return  # the workers, and perhaps the lock, belong to the process that was forked
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        for worker in self._workers:
            if worker is not threading.current_thread():
                worker.join()

    def _admit(self, token_ids: Sequence[NDArray[np.int64]]) -> _Call:
        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        fits = len(token_ids) <= ROWS_MAX and int(lengths.sum()) <= self._batch_tokens
        if fits:
            batches = [np.arange(len(token_ids))]
        else:
            batches = list(self._plan(lengths, tokens_max=self._batch_tokens, rows_max=ROWS_MAX))
        call = _Call(
            token_ids=token_ids,
            batches=deque(batches),
            vectors=np.empty((len(token_ids), self._dim), dtype=np.float32),
            missing=len(token_ids),
            tokens=int(lengths.sum()),
            done=Future(),
        )
        lane = self._short if len(batches) == 1 else self._bulk
        with self._changed:
            if self._is_closed:
                raise EncoderError("the encoder is closed; open a new one")
            if len(lane) >= self.queue_max:
                raise OverloadedError(
                    f"{len(lane)} calls wait for the encoder, at most {self.queue_max} may",
                    retry_after_s=self._retry_after_s(),
                )
            lane.append(call)
            self.calls_admitted += 1
            self._tokens_waiting += call.tokens
            self._changed.notify()
        return call

    def _work(self) -> None:
        while batch := self._next_batch():
            started = time.perf_counter()
            tokens = self._finish(batch)
            elapsed_s = max(time.perf_counter() - started, 1e-6)
            with self._changed:
                self._tokens_per_s *= _RATE_MEMORY
                self._tokens_per_s += (1 - _RATE_MEMORY) * tokens / elapsed_s

    def _next_batch(self) -> _Batch:
        """Wait for work; an empty batch means that the scheduler is closed and drained."""
        with self._changed:
            while True:
                batch = self._take()
                if batch or self._is_closed:
                    return batch
                self._changed.wait()

    def _take(self) -> _Batch:
        self._forget_abandoned()
        if self._bulk and not (self._bulk_ran_last and self._short):
            self._bulk_ran_last = True
            call = self._bulk.popleft()
            positions = call.batches.popleft()
            if call.batches:
                self._bulk.append(call)
            self._count_out([(call, positions)])
            return [(call, positions)]
        self._bulk_ran_last = False
        batch: _Batch = []
        tokens = rows = 0
        while self._short:
            call = self._short[0]
            tokens += call.tokens
            rows += len(call.token_ids)
            if batch and (tokens > self._batch_tokens or rows > ROWS_MAX):
                break
            self._short.popleft()
            batch.append((call, call.batches.popleft()))
        self._count_out(batch)
        return batch

    def _forget_abandoned(self) -> None:
        for lane in (self._short, self._bulk):
            for call in [call for call in lane if call.done.cancelled()]:
                lane.remove(call)
                for positions in call.batches:
                    self._count_out([(call, positions)])

    def _count_out(self, batch: _Batch) -> None:
        self._tokens_waiting -= sum(_tokens(call, positions) for call, positions in batch)

    def _finish(self, batch: _Batch) -> int:
        """Compute *batch*, hand the rows to their calls, and return how many tokens it had."""
        try:
            vectors = self._run(
                [call.token_ids[position] for call, positions in batch for position in positions]
            )
        except BaseException as error:  # noqa: BLE001 - it belongs to the caller, who re-raises it
            if len(batch) > 1:
                # One call's texts must not fail the calls that happened to share its batch.
                return sum(self._finish([part]) for part in batch)
            self._fail(batch[0][0], error)
            return 0
        start = 0
        for call, positions in batch:
            self._deliver(call, positions, vectors[start : start + len(positions)])
            start += len(positions)
        return sum(_tokens(call, positions) for call, positions in batch)

    def _deliver(self, call: _Call, positions: NDArray[np.int64], rows: Vectors) -> None:
        call.vectors[positions] = rows
        with self._changed:
            call.missing -= len(positions)
            if (
                not call.missing
                and not call.done.done()
                and call.done.set_running_or_notify_cancel()
            ):
                call.done.set_result(call.vectors)

    def _fail(self, call: _Call, error: BaseException) -> None:
        with self._changed:
            if call in self._bulk:
                self._bulk.remove(call)
                for positions in call.batches:
                    self._count_out([(call, positions)])
            if not call.done.done() and call.done.set_running_or_notify_cancel():
                call.done.set_exception(error)

    def _retry_after_s(self) -> float:
        return min(max(self._tokens_waiting / self._tokens_per_s, 0.1), 60.0)


def _tokens(call: _Call, positions: NDArray[np.int64]) -> int:
    return sum(len(call.token_ids[position]) for position in positions)
