"""How many threads serve one short query best: measured, for nothing tells it in advance.

Usually all processors; but where they are halves of one core, or neighbours keep them busy, threads
that wait for each other at every layer are slower than one that waits for nobody.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from openviking.encoder.session import TokenSession
    from openviking.types import Vectors

QUERY_TOKENS = 8
ROUNDS = 8
CLEARLY = 0.7
"""Share of the usual setting's time below which another one is taken.

Two threads lose little where one would do, and one loses half of what two gain on a long text.
"""


def query_ms(session: TokenSession, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the shortest time of a query of eight tokens, after one that warms up.

    The shortest, because a neighbour that is busy at this moment must not decide for days.
    """
    texts = [np.arange(QUERY_TOKENS, dtype=np.int64)]
    session.run(texts)
    times = []
    for _ in range(ROUNDS):
        started = clock()
        session.run(texts)
        times.append((clock() - started) * 1e3)
    return min(times)


def best_threads(measured_ms: Mapping[int, float]) -> int:
    """Return the number of threads to use: the highest, unless another is clearly faster.

    Args:
        measured_ms: number of threads -> milliseconds of a query.
    """
    usual = max(measured_ms)
    fastest = min(measured_ms, key=lambda threads: (measured_ms[threads], -threads))
    return fastest if measured_ms[fastest] < CLEARLY * measured_ms[usual] else usual


def is_crowded(processors: int, load: Callable[[], tuple[float, float, float]]) -> bool:
    """Whether so many programs want to run that a measurement now says nothing about later.

    Args:
        processors: those that there are.
        load: programs that want to run, as means over 1, 5 and 15 minutes.
    """
    return load()[0] >= processors


class Runner:
    """Runs batches on a session that can be exchanged between two of them; safe from any thread.

    Args:
        session: runs at first.
        threads: how many it has.

    Attributes:
        threads: threads that work on one batch now.
        measured_ms: number of threads -> milliseconds of a short query; empty until measured.
    """

    def __init__(self, session: TokenSession, threads: int) -> None:
        self.threads = threads
        self.measured_ms: dict[int, float] = {}
        self._session = session

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        """Embed one batch on the session of the moment."""
        return self._session.run(token_ids)

    def tune(
        self,
        reopen: Callable[[int], TokenSession],
        clock: Callable[[], float] = time.perf_counter,
        load: Callable[[], tuple[float, float, float]] = os.getloadavg,
    ) -> None:
        """Measure one thread beside the present number, and keep the better session.

        On a crowded machine nothing is measured and the number stays: one thread would win there,
        and lose half of what long texts could have as soon as the others are done.

        Args:
            reopen: opens the same build with another number of threads.
            clock: seconds.
            load: the machine's load average.
        """
        if self.threads == 1 or self.measured_ms or is_crowded(self.threads, load):
            return
        sessions = {self.threads: self._session, 1: reopen(1)}
        self.measured_ms = {
            threads: round(query_ms(session, clock), 2) for threads, session in sessions.items()
        }
        self.threads = best_threads(self.measured_ms)
        self._session = sessions[self.threads]
