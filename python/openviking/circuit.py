"""A circuit: what failed so often in a row is left alone for a while, then tried by one caller."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

CircuitState = Literal["closed", "open", "half_open"]
"""``closed``: everyone may; ``open``: nobody; ``half_open``: one may, or is trying already."""


class Circuit:
    """Counts failures in a row and says who may try. Safe for threads.

    Args:
        failure_threshold: failures in a row that open the circuit, at least 1.
        recovery_s: seconds after a failure until one caller may try.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        failure_threshold: int,
        recovery_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = failure_threshold
        self._recovery_s = recovery_s
        self._clock = clock
        self._failures = 0
        self._open_until = 0.0
        self._is_trying = False
        self._changing = threading.Lock()

    def admit(self) -> Literal["pass", "try", "refuse"]:
        """Ask for leave. ``try`` goes to one caller, who must succeed(), fail() or release()."""
        if self._failures < self._threshold:
            return "pass"
        with self._changing:
            if self._failures < self._threshold:
                return "pass"
            if self._is_trying or self._clock() < self._open_until:
                return "refuse"
            self._is_trying = True
            return "try"

    def begin_trial(self) -> None:
        """Start half open, as whoever tries: for what is not known to work yet."""
        with self._changing:
            self._failures = self._threshold
            self._is_trying = True

    def succeed(self) -> bool:
        """Close the circuit; returns whether it was not closed."""
        with self._changing:
            was_open = self._failures >= self._threshold
            self._failures, self._is_trying = 0, False
            return was_open

    def fail(self) -> Literal["counted", "opened", "tried", "late"]:
        """Count a failure.

        Returns:
            ``counted``: the circuit stays closed; ``opened``: this one opened it; ``tried``: the
            one who tried failed; ``late``: whoever failed had begun before it was open.
        """
        with self._changing:
            was_open, was_trying = self._failures >= self._threshold, self._is_trying
            self._failures += 1
            self._is_trying = False
            self._open_until = self._clock() + self._recovery_s
            if was_open:
                return "tried" if was_trying else "late"
            return "opened" if self._failures >= self._threshold else "counted"

    def release(self) -> None:
        """Note an outcome that says nothing: the next caller may try."""
        with self._changing:
            self._is_trying = False

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    @property
    def wait_s(self) -> float:
        """Seconds until one may try; 0 or less when the time has come."""
        return self._open_until - self._clock()

    @property
    def state(self) -> CircuitState:
        """What holds now."""
        with self._changing:
            if self._failures < self._threshold:
                return "closed"
            is_due = self._is_trying or self._clock() >= self._open_until
            return "half_open" if is_due else "open"
