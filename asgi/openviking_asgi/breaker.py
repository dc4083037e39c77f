"""The circuit breaker: an operation that keeps failing below us is refused at once for a while.

Off until it is enabled. Each operation has its own circuit, so a store that cannot be written does
not stop searches. A circuit opens after so many failures in a row; when its time is over one
request may try, and its outcome decides.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.circuit import Circuit
from openviking.errors import BackendError, OpenVikingError
from openviking_asgi.errors import LateError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class BreakerState:
    """What is in force: ``failure_threshold`` is None while the breaker is off.

    ``open_operations`` names those that are refused now, ``refused`` counts refusals since start.
    """

    failure_threshold: int | None
    recovery_s: float
    open_operations: tuple[str, ...]
    refused: int


class CircuitBreaker:
    """Counts failures per operation, and refuses. Safe for threads.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._threshold: int | None = None
        self._recovery_s = 0.0
        self._circuits: dict[str, Circuit] = {}
        self._refused = 0
        self._changing = threading.Lock()

    def enable(self, failure_threshold: int, recovery_s: float) -> None:
        """Open a circuit after so many failures in a row, for so many seconds; all start closed."""
        with self._changing:
            self._circuits.clear()
            self._threshold, self._recovery_s = failure_threshold, recovery_s

    def admit(self, operation: str) -> None:
        """Let a request of *operation* pass; it must be followed by :meth:`settle`.

        Raises:
            RequestError: 503, with the seconds until the next try.
        """
        circuit = self._circuits.get(operation)
        if circuit is None or circuit.admit() != "refuse":
            return
        with self._changing:
            self._refused += 1
        raise RequestError(
            503,
            f"this operation failed {circuit.failures} times in a row and is refused until it may "
            "be tried again; the server's log has the failures",
            code="circuit_open",
            headers={"retry-after": str(max(1, math.ceil(circuit.wait_s)))},
        )

    def settle(self, operation: str, error: BaseException | None) -> None:
        """Note how a request ended; refusals of input say nothing about what is below us."""
        if self._threshold is None:
            return
        with self._changing:
            circuit = self._circuits.get(operation)
            if circuit is None:
                if error is None or not _is_failure(error):
                    return
                circuit = Circuit(self._threshold, self._recovery_s, self._clock)
                self._circuits[operation] = circuit
        if error is None:
            circuit.succeed()
        elif _is_failure(error):
            circuit.fail()
        else:
            circuit.release()

    def state(self) -> BreakerState:
        """Return what is in force now."""
        with self._changing:
            opened = [name for name, found in self._circuits.items() if found.state != "closed"]
            return BreakerState(
                self._threshold, self._recovery_s, tuple(sorted(opened)), self._refused
            )


def _is_failure(error: BaseException) -> bool:
    if isinstance(error, OpenVikingError):
        return isinstance(error, (BackendError, LateError))
    # A defect counts; a client that hung up (CancelledError) does not.
    return isinstance(error, Exception)
