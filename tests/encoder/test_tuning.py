"""Choosing the number of threads, on sessions whose speed is given by a clock that they move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.encoder.tuning import Runner, best_threads, query_ms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.types import Vectors


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


class Timed:
    """A session whose runs take the given times, one after the other, the last one for ever."""

    batch_tokens = 384

    def __init__(self, clock: Clock, *times_ms: float) -> None:
        self._clock = clock
        self._times_ms = list(times_ms)
        self.runs = 0

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        self.runs += 1
        take = self._times_ms.pop(0) if len(self._times_ms) > 1 else self._times_ms[0]
        self._clock.now_s += take / 1e3
        return np.zeros((len(token_ids), 2), np.float32)


def idle() -> tuple[float, float, float]:
    return (0.5, 9.0, 9.0)


def crowded() -> tuple[float, float, float]:
    return (2.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("measured_ms", "chosen"),
    [
        ({2: 3.0, 1: 5.0}, 2),
        ({2: 3.0, 1: 2.2}, 2),
        ({2: 3.0, 1: 2.0}, 1),
        ({8: 3.0, 1: 3.0}, 8),
        ({4: 2.0}, 4),
    ],
)
def test_fewer_threads_are_taken_only_if_they_are_clearly_faster(
    measured_ms: dict[int, float], chosen: int
):
    assert best_threads(measured_ms) == chosen


def test_neither_the_first_run_nor_hiccups_count():
    clock = Clock()
    assert query_ms(Timed(clock, 1, 90, 90, 90, 3, 90), clock) == pytest.approx(3)


def test_the_faster_session_runs_from_then_on_and_is_measured_once():
    clock = Clock()
    sessions = {2: Timed(clock, 9), 1: Timed(clock, 4)}
    runner = Runner(sessions[2], 2)

    runner.tune(sessions.__getitem__, clock, idle)
    runner.tune(sessions.__getitem__, clock, idle)

    assert runner.measured_ms == {2: 9.0, 1: 4.0}
    assert runner.threads == 1
    before = sessions[1].runs
    runner.run([np.zeros(3, np.int64)])
    assert sessions[1].runs == before + 1


def test_a_single_thread_leaves_nothing_to_choose():
    runner = Runner(Timed(Clock(), 1), 1)
    runner.tune(lambda _threads: pytest.fail("opened for nothing"))
    assert runner.measured_ms == {}


def test_on_a_crowded_machine_nothing_is_measured_and_all_threads_stay():
    clock = Clock()
    usual = Timed(clock, 9)
    runner = Runner(usual, 2)

    runner.tune({1: Timed(clock, 1)}.__getitem__, clock, crowded)

    assert (runner.threads, runner.measured_ms, usual.runs) == (2, {}, 0)
