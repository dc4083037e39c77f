"""Values in, true counts, averages and percentiles out, within bounds of memory and time."""

from __future__ import annotations

import math
import threading
import time
from datetime import UTC, datetime, timedelta
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.errors import InputError
from openviking.performance import (
    ENGINE_METRICS,
    MINUTES_KEPT,
    SAMPLES_KEPT,
    SECONDS_KEPT,
    Recorder,
    Summary,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """Monotonic seconds and a wall clock that agree until somebody sets the wall clock."""

    def __init__(self) -> None:
        self.now = 1000.5
        self.shift = timedelta(0)

    def __call__(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return NOON + timedelta(seconds=self.now - 1000.5) + self.shift


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(("time", "hit"), clock=clock, wall=clock.wall)


def test_what_was_recorded_is_counted_and_averaged(recorder: Recorder, clock: Clock):
    for value in (1.0, 2.0, 6.0):
        recorder.add("time", value)
        clock.now += 1

    found = recorder.summary("time", 5)

    assert found == Summary(count=3, total=9.0, low=1.0, high=6.0)
    assert found.average == 3.0
    assert recorder.total("time") == 3
    assert recorder.summary("hit", 5) == Summary(0, 0.0, 0.0, 0.0)
    assert recorder.summary("hit", 5).average == 0.0


def test_one_call_can_stand_for_many_values(recorder: Recorder):
    recorder.add("hit", 1.0, 30)
    recorder.add("hit", 0.0, 10)
    recorder.add("hit", 1.0, 0)

    assert recorder.summary("hit", 5).average == 0.75
    assert recorder.total("hit") == 40


def test_values_leave_the_view_when_they_are_too_old(recorder: Recorder, clock: Clock):
    recorder.add("time", 1.0)
    clock.now += 299
    assert recorder.summary("time", 5).count == 1
    clock.now += 1
    assert recorder.summary("time", 5).count == 0
    assert recorder.summary("time", 15).count == 1
    assert recorder.total("time") == 1


def test_views_of_more_than_15_minutes_go_by_minutes_and_include_the_running_second(
    recorder: Recorder, clock: Clock
):
    for _ in range(120):
        recorder.add("time", 2.0)
        clock.now += 60

    recorder.add("time", 2.0)

    assert recorder.summary("time", 60).count == 60
    assert recorder.summary("time", 1440).count == 121
    assert recorder.summary("time", 1440).total == 242.0


def test_memory_is_bounded_however_long_it_runs(recorder: Recorder, clock: Clock):
    for _ in range(3 * 3600):
        recorder.add("time", 1.0)
        clock.now += 13

    kept = recorder._by_name["time"]  # noqa: SLF001 - the bound is inside
    assert len(kept.seconds) == SECONDS_KEPT
    assert len(kept.minutes) == MINUTES_KEPT
    assert len(kept.samples) == SAMPLES_KEPT
    assert recorder.total("time") == 3 * 3600


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_refused(recorder: Recorder, value: float):
    with pytest.raises(InputError):
        recorder.add("time", value)
    assert recorder.total("time") == 0


def test_an_unknown_metric_is_refused(recorder: Recorder):
    with pytest.raises(InputError, match="nothing"):
        recorder.add("nothing", 1.0)


def test_work_that_raises_is_not_timed(recorder: Recorder):
    with recorder.timing("time"):
        pass
    with pytest.raises(KeyError), recorder.timing("time"):
        raise KeyError

    assert recorder.total("time") == 1
    assert 0 <= recorder.summary("time", 5).high < 1000


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200), st.floats(0, 1))
def test_a_percentile_is_the_smallest_value_that_the_share_does_not_exceed(
    values: list[float], share: float
):
    recorder = Recorder(("time",))
    for value in values:
        recorder.add("time", value)

    found = recorder.percentile("time", 5, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6
    assert sum(value < found for value in values) <= share * len(values)


def test_a_percentile_of_nothing_is_none(recorder: Recorder, clock: Clock):
    assert recorder.percentile("time", 5, 0.5) is None
    recorder.add("time", 1.0)
    clock.now += 301
    assert recorder.percentile("time", 5, 0.5) is None


def test_a_series_holds_every_value_of_its_time_once(recorder: Recorder, clock: Clock):
    clock.now = 6000.0
    for _ in range(300):
        recorder.add("time", 1.0)
        clock.now += 1
    clock.now -= 1

    points = recorder.series("time", 5, 60)

    assert [point.count for point in points] == [5] * 60


def test_the_past_of_a_series_keeps_its_shape(recorder: Recorder, clock: Clock):
    clock.now = 6000.0
    for second in range(20):
        recorder.add("time", 1.0, second + 1)
        clock.now += 1
    shapes = set()
    for _ in range(5):
        shapes.add(tuple(p.count for p in recorder.series("time", 5, 60) if p.count))
        clock.now += 1

    assert shapes == {(15, 40, 65, 90)}


def test_the_newest_values_of_all_metrics_come_in_order(recorder: Recorder, clock: Clock):
    for number in range(30):
        recorder.add(("time", "hit")[number % 2], float(number))
        clock.now += 1

    newest = recorder.recent(20)

    assert [sample.value for sample in newest] == [float(number) for number in range(10, 30)]
    assert newest[-1].at == NOON + timedelta(seconds=29)
    assert newest[-1].metric == "hit"


def test_a_wall_clock_that_jumps_moves_no_value(recorder: Recorder, clock: Clock):
    recorder.add("time", 1.0)
    clock.shift = timedelta(days=-400)
    recorder.add("time", 2.0)

    assert recorder.summary("time", 5).count == 2
    assert recorder.recent(1)[0].at == NOON - timedelta(days=400)


def test_threads_lose_no_value():
    recorder = Recorder(("time",))

    def add() -> None:
        for _ in range(5000):
            recorder.add("time", 1.0)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert recorder.total("time") == recorder.summary("time", 5).count == 20_000


def test_a_record_costs_little_beside_the_work_that_it_measures():
    recorder = Recorder(ENGINE_METRICS)

    def batch() -> float:
        started = time.perf_counter()
        for _ in range(2000):
            recorder.add("skill_search_time", 1.0)
        return (time.perf_counter() - started) / 2000

    # About 1 us; a search's budget is 4 ms. A hundredth of it, so that a busy machine passes.
    assert median(batch() for _ in range(9)) < 40e-6
