"""Two lanes in front of the model: calls that wait together are encoded together, and fairly.

A call of few tokens waits in the short lane, any other in the bulk lane. Each lane has threads of
its own, so a short call never waits for a long document: it runs beside the document's chunk, whose
thread stands back for it. Short calls share batches; bulk calls take turns batch by batch. A short
call that finds its lane empty is computed by the thread that brings it, for to wake another one and
to be woken by it takes time, and most of it where threads compete for processors.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import TYPE_CHECKING, Protocol, TypeAlias

import numpy as np

from openviking.encoder.lanes import BulkLane, Call, ShortLane
from openviking.encoder.machine import lower_thread_priority
from openviking.errors import EncoderError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from openviking.encoder.lanes import Batch
    from openviking.types import Vectors

ROWS_MAX = 64
"""Texts in one batch at most."""

SHORT_TOKENS_MAX = 128
"""Tokens of a call in the short lane, and of the batch that such calls share, at most.

A batch of so many takes a quarter of the time of a full window, and no more per token.
"""

_PATIENT_S = 1.0
"""Deadline from which a caller may compute for itself: it cannot give up before it is done."""

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


class Scheduler:
    """Runs batches on worker threads; safe to call from any thread.

    Args:
        run: computes one batch; called by the workers, and by callers of short calls.
        plan: splits a large call into batches.
        dim: width of the vectors.
        batch_tokens: tokens in one bulk batch at most; a longer text is a batch of its own.
        queue_max: calls that may wait in each lane before new ones are refused.
        bulk_workers: threads that run bulk batches; one more runs the short ones.

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
        bulk_workers: int = 1,
    ) -> None:
        self.queue_max = queue_max
        self.calls_admitted = 0
        self._run = run
        self._plan = plan
        self._dim = dim
        self._batch_tokens = batch_tokens
        self._short_tokens = min(SHORT_TOKENS_MAX, batch_tokens)
        self._lock = threading.Lock()
        self._short = ShortLane(self._lock, tokens_max=self._short_tokens, rows_max=ROWS_MAX)
        self._bulk = BulkLane(self._lock)
        self._tokens_waiting = 0
        self._tokens_per_s = _RATE_START
        self._is_closed = False
        self._process = os.getpid()
        self._workers = [self._start("short", self._short)]
        self._workers += [
            self._start(f"bulk-{number}", self._bulk) for number in range(bulk_workers)
        ]

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
        if self._claim(token_ids, deadline_s):
            return self._run_own(token_ids)
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
        with self._lock:
            self._is_closed = True
            self._short.ready.notify_all()
            self._bulk.ready.notify_all()
        for worker in self._workers:
            if worker is not threading.current_thread():
                worker.join()

    def _claim(self, token_ids: Sequence[NDArray[np.int64]], deadline_s: float | None) -> bool:
        """Reserve the short lane for a call whose thread shall compute it, if that can be."""
        is_patient = deadline_s is None or deadline_s >= _PATIENT_S
        if not is_patient or not self._is_short(token_ids):
            return False
        with self._lock:
            if self._is_closed or not self._short.try_claim():
                return False
            self.calls_admitted += 1
            return True

    def _run_own(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        """Compute a call in the thread that brought it, then leave the lane to the worker.

        What lies behind the model is as little as can be: its weights have just taken the place of
        everything else in the caches, and every line of code comes from memory again.
        """
        started = time.perf_counter()
        tokens = 0
        try:
            vectors = self._run(token_ids)
            tokens = sum(map(len, token_ids))
        finally:
            elapsed_s = time.perf_counter() - started
            with self._lock:
                self._note_rate(tokens, elapsed_s)
                self._short.release()
                if self._short.calls or self._is_closed:
                    self._short.ready.notify_all()
        return vectors

    def _is_short(self, token_ids: Sequence[NDArray[np.int64]]) -> bool:
        return len(token_ids) <= ROWS_MAX and sum(map(len, token_ids)) <= self._short_tokens

    def _admit(self, token_ids: Sequence[NDArray[np.int64]]) -> Call:
        lengths = np.array([len(ids) for ids in token_ids], dtype=np.int64)
        tokens = int(lengths.sum())
        if len(token_ids) <= ROWS_MAX and tokens <= self._batch_tokens:
            batches = [np.arange(len(token_ids))]
        else:
            batches = list(self._plan(lengths, tokens_max=self._batch_tokens, rows_max=ROWS_MAX))
        call = Call(
            token_ids=token_ids,
            batches=deque(batches),
            vectors=np.empty((len(token_ids), self._dim), dtype=np.float32),
            missing=len(token_ids),
            tokens=tokens,
            done=Future(),
        )
        lane = self._short if self._is_short(token_ids) else self._bulk
        with self._lock:
            if self._is_closed:
                raise EncoderError("the encoder is closed; open a new one")
            if len(lane.calls) >= self.queue_max:
                raise OverloadedError(
                    f"{len(lane.calls)} calls wait for the encoder, at most {self.queue_max} may",
                    retry_after_s=self._retry_after_s(),
                )
            self.calls_admitted += 1
            lane.calls.append(call)
            self._tokens_waiting += tokens
            lane.ready.notify()
        return call

    def _start(self, name: str, lane: BulkLane) -> threading.Thread:
        name = f"openviking-encoder-{name}"
        worker = threading.Thread(target=self._work, args=(lane,), name=name, daemon=True)
        worker.start()
        return worker

    def _work(self, lane: BulkLane) -> None:
        if lane is self._bulk:
            lower_thread_priority()
        while batch := self._next_batch(lane):
            self._timed(batch)
            with self._lock:
                lane.release()

    def _timed(self, batch: Batch) -> None:
        """Compute *batch*, and remember how many tokens there are in a second."""
        started = time.perf_counter()
        tokens = self._finish(batch)
        elapsed_s = time.perf_counter() - started
        with self._lock:
            self._note_rate(tokens, elapsed_s)

    def _note_rate(self, tokens: int, elapsed_s: float) -> None:
        self._tokens_per_s *= _RATE_MEMORY
        self._tokens_per_s += (1 - _RATE_MEMORY) * tokens / max(elapsed_s, 1e-6)

    def _next_batch(self, lane: BulkLane) -> Batch:
        """Wait for work; an empty batch means that the scheduler is closed and the lane drained."""
        with self._lock:
            while True:
                self._tokens_waiting -= lane.remove_abandoned()
                batch = lane.take()
                self._tokens_waiting -= _tokens(batch)
                if batch and lane.calls:
                    lane.ready.notify()
                if batch or (self._is_closed and lane.is_drained):
                    return batch
                lane.ready.wait()

    def _finish(self, batch: Batch) -> int:
        """Compute *batch*, hand the rows to their calls, and return how many tokens it had."""
        try:
            vectors = self._run([ids for call, positions in batch for ids in call.texts(positions)])
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
        return _tokens(batch)

    def _deliver(self, call: Call, positions: NDArray[np.int64], rows: Vectors) -> None:
        call.vectors[positions] = rows
        with self._lock:
            call.missing -= len(positions)
            if (
                not call.missing
                and not call.done.done()
                and call.done.set_running_or_notify_cancel()
            ):
                call.done.set_result(call.vectors)

    def _fail(self, call: Call, error: BaseException) -> None:
        with self._lock:
            self._tokens_waiting -= self._bulk.remove(call)
            if not call.done.done() and call.done.set_running_or_notify_cancel():
                call.done.set_exception(error)

    def _retry_after_s(self) -> float:
        return min(max(self._tokens_waiting / self._tokens_per_s, 0.1), 60.0)


def _tokens(batch: Batch) -> int:
    return sum(call.tokens_at(positions) for call, positions in batch)
