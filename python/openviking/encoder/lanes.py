"""The two lanes in which calls wait for the model, and how batches are taken from each."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future
    from threading import Lock

    import numpy as np
    from numpy.typing import NDArray

    from openviking.types import Vectors


@dataclass(eq=False, slots=True)
class Call:
    """One caller's texts: the batches still to run and the rows already computed."""

    token_ids: Sequence[NDArray[np.int64]]
    batches: deque[NDArray[np.int64]]
    vectors: Vectors
    missing: int
    tokens: int
    done: Future[Vectors]

    def texts(self, positions: NDArray[np.int64]) -> list[NDArray[np.int64]]:
        """Return the token ids of the texts at *positions*."""
        return [self.token_ids[position] for position in positions]

    def tokens_at(self, positions: NDArray[np.int64]) -> int:
        """Count the tokens of the texts at *positions*."""
        return sum(map(len, self.texts(positions)))


Batch: TypeAlias = "list[tuple[Call, NDArray[np.int64]]]"
"""Calls, and which of their texts are computed together."""


class BulkLane:
    """Calls of many texts, or of long ones: they take turns, one batch each.

    Args:
        lock: guards this lane; hold it for every call of a method.
    """

    def __init__(self, lock: Lock) -> None:
        self.calls: deque[Call] = deque()
        self.ready = Condition(lock)

    @property
    def is_drained(self) -> bool:
        """Whether nothing waits here, and no caller computes for itself."""
        return not self.calls

    def release(self) -> None:
        """Say that the batch taken last is done."""

    def take(self) -> Batch:
        """Remove the next batch; empty if no call waits."""
        if not self.calls:
            return []
        call = self.calls.popleft()
        positions = call.batches.popleft()
        if call.batches:
            self.calls.append(call)
        return [(call, positions)]

    def remove_abandoned(self) -> int:
        """Forget the calls whose callers no longer wait; return how many tokens they had left."""
        gone = [call for call in self.calls if call.done.cancelled()]
        return sum(self.remove(call) for call in gone)

    def remove(self, call: Call) -> int:
        """Forget *call* if it waits here; return how many tokens it had left."""
        if call not in self.calls:
            return 0
        self.calls.remove(call)
        return sum(map(call.tokens_at, call.batches))


class ShortLane(BulkLane):
    """Calls of one small batch each, one batch at a time: those that wait together become one.

    Args:
        lock: as above.
        tokens_max: tokens in one batch at most.
        rows_max: texts in one batch at most.
    """

    def __init__(self, lock: Lock, *, tokens_max: int, rows_max: int) -> None:
        super().__init__(lock)
        self._tokens_max = tokens_max
        self._rows_max = rows_max
        self._is_running = False

    @property
    def is_drained(self) -> bool:
        """Whether nothing waits here, and no caller computes for itself."""
        return not self.calls and not self._is_running

    def try_claim(self) -> bool:
        """Reserve the lane for a caller that computes its own batch, if nobody else uses it."""
        if not self.is_drained:
            return False
        self._is_running = True
        return True

    def release(self) -> None:
        """Say that the batch taken last, or the caller's own, is done."""
        self._is_running = False

    def take(self) -> Batch:
        """Remove the calls that have waited longest, as many as fit into a batch."""
        batch: Batch = []
        if self._is_running:
            return batch
        tokens = rows = 0
        while self.calls:
            call = self.calls[0]
            tokens += call.tokens
            rows += len(call.token_ids)
            if batch and (tokens > self._tokens_max or rows > self._rows_max):
                break
            self.calls.popleft()
            batch.append((call, call.batches.popleft()))
        self._is_running = bool(batch)
        return batch
