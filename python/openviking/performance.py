"""How fast things are: values per metric, kept for a day in bounded memory.

A metric's values are summed into buckets of one second, these into buckets of one minute. Beside
them the newest values stand as they came, for percentiles. Time is monotonic, so a clock that jumps
moves nothing; the wall clock only labels what is shown.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

SYSTEM = "openviking"
"""The name under which the values of this process are shown."""

ENGINE_METRICS = (
    "embedding_generation_time",
    "embedding_cache_hit",
    "skill_search_time",
    "conversation_time",
    "resource_storage_time",
)
"""What an engine records: milliseconds, except ``embedding_cache_hit``: 1 or 0 for each text."""

SECONDS_KEPT = 900
"""Buckets of one second: for views of up to 15 minutes."""

MINUTES_KEPT = 1440
"""Buckets of one minute: for views of up to a day."""

SAMPLES_KEPT = 2048
"""Newest values of a metric that are kept one by one."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Values of a metric over some time: ``count`` of them; NaN-free, 0 where there are none."""

    count: int
    total: float
    low: float
    high: float

    @property
    def average(self) -> float:
        """Mean of the values, 0 if there are none."""
        return self.total / self.count if self.count else 0.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One value as it came; ``at`` is UTC."""

    at: datetime
    metric: str
    value: float


class _Bucket:
    """Count, sum and extremes of the values of one stretch of time, named by its number."""

    __slots__ = ("count", "high", "low", "tick", "total")

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.count = 0
        self.total = 0.0
        self.low = math.inf
        self.high = -math.inf

    def add(self, count: int, total: float, low: float, high: float) -> None:
        self.count += count
        self.total += total
        self.low = min(self.low, low)
        self.high = max(self.high, high)


class _Metric:
    """One metric's buckets and newest values."""

    __slots__ = ("current", "minutes", "samples", "seconds")

    def __init__(self) -> None:
        self.current = _Bucket(-1)
        self.seconds: deque[_Bucket] = deque(maxlen=SECONDS_KEPT)
        self.minutes: deque[_Bucket] = deque(maxlen=MINUTES_KEPT)
        self.samples: deque[tuple[float, float]] = deque(maxlen=SAMPLES_KEPT)

    def turn(self, tick: int) -> _Bucket:
        """Put the running second away and begin the one numbered *tick*."""
        done = self.current
        if done.count:
            self.seconds.append(done)
            minute = done.tick // 60
            if not self.minutes or self.minutes[-1].tick != minute:
                self.minutes.append(_Bucket(minute))
            self.minutes[-1].add(done.count, done.total, done.low, done.high)
        self.current = _Bucket(tick)
        return self.current

    def buckets(self, first: int, last: int, *, width: int) -> list[_Bucket]:
        """Return those with numbers from *first* to *last*; *width* is 1 or 60 seconds."""
        if width == 1:
            return [b for b in (*self.seconds, self.current) if b.count and first <= b.tick <= last]
        running = _Bucket(self.current.tick // 60)
        if self.current.count:
            c = self.current
            running.add(c.count, c.total, c.low, c.high)
        return [b for b in (*self.minutes, running) if b.count and first <= b.tick <= last]


class Recorder:
    """Takes values and tells what they were. Safe for threads; a value costs about a microsecond.

    Args:
        metrics: names that are known from the start, and shown even without values.
        clock: monotonic seconds.
        wall: UTC time, for labels.
    """

    def __init__(
        self,
        metrics: Sequence[str],
        *,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.metrics = tuple(metrics)
        self._by_name = {name: _Metric() for name in metrics}
        self._clock = clock
        self._wall = wall
        self._changing = threading.Lock()
        self._total = dict.fromkeys(self.metrics, 0)

    def add(self, metric: str, value: float, count: int = 1) -> None:
        """Record *value*, *count* times.

        Raises:
            InputError: a metric of another name, or a value that is no finite number.
        """
        kept = self._by_name.get(metric)
        # NaN is unequal to itself; it would spoil every sum after it.
        if kept is None or value - value != 0.0:
            raise InputError(f"{metric}: expected a known metric, a finite value; got {value!r}")
        if count < 1:
            return
        with self._changing:
            now = self._clock()
            bucket = kept.current
            if bucket.tick != int(now):
                bucket = kept.turn(int(now))
            bucket.count += count
            bucket.total += value * count
            # Plain comparisons: min() and max() would cost as much as all the rest.
            if value < bucket.low:  # noqa: PLR1730 - see above
                bucket.low = value
            if value > bucket.high:  # noqa: PLR1730 - see above
                bucket.high = value
            self._total[metric] += count
            kept.samples.append((now, value))

    def timing(self, metric: str) -> AbstractContextManager[None]:
        """Record the milliseconds of the enclosed work, unless it raises."""
        return _Timing(self, metric)

    def total(self, metric: str) -> int:
        """Return how many values came since the start."""
        return self._total[metric]

    def summary(self, metric: str, minutes: float) -> Summary:
        """Return the values of the last *minutes*: by the second up to 15, by the minute beyond."""
        with self._changing:
            width, first, last = self._span(minutes)
            buckets = self._by_name[metric].buckets(first, last, width=width)
            return _summed(buckets)

    def series(self, metric: str, minutes: float, points: int) -> list[Summary]:
        """Return *points* summaries of equal width that cover the last *minutes*, oldest first.

        Their borders stand still while time goes on, so that what is past keeps its shape; only the
        last one still grows.
        """
        with self._changing:
            width, first, last = self._span(minutes)
            buckets = self._by_name[metric].buckets(first, last, width=width)
        ticks = max(1, math.ceil((last - first + 1) / points))
        slots: list[list[_Bucket]] = [[] for _ in range(points)]
        for bucket in buckets:
            slot = points - 1 - (last // ticks - bucket.tick // ticks)
            if slot >= 0:
                slots[slot].append(bucket)
        return [_summed(slot) for slot in slots]

    def percentile(self, metric: str, minutes: float, share: float) -> float | None:
        """Return the value that a *share* (0 to 1) of the newest values do not exceed.

        Of at most the last ``SAMPLES_KEPT`` values within *minutes*; None if there are none.
        """
        with self._changing:
            since = self._clock() - minutes * 60
            values = sorted(v for at, v in self._by_name[metric].samples if at >= since)
        if not values:
            return None
        return values[min(len(values) - 1, max(0, math.ceil(share * len(values)) - 1))]

    def recent(self, count: int) -> list[Sample]:
        """Return the newest *count* values of all metrics, oldest first."""
        with self._changing:
            now, wall = self._clock(), self._wall().timestamp()
            newest = [
                (at, name, value)
                for name, kept in self._by_name.items()
                for at, value in list(kept.samples)[-count:]
            ]
        newest.sort(key=lambda sample: sample[0])
        return [
            Sample(datetime.fromtimestamp(wall - (now - at), UTC), name, value)
            for at, name, value in newest[-count:]
        ]

    def _span(self, minutes: float) -> tuple[int, int, int]:
        """Return bucket width in seconds, and the first and last bucket of the last *minutes*."""
        width = 1 if minutes * 60 <= SECONDS_KEPT else 60
        last = int(self._clock()) // width
        return width, last - max(1, math.ceil(minutes * 60 / width)) + 1, last


class _Timing:
    """Adds the milliseconds of a ``with`` block; a generator would take three times as long."""

    __slots__ = ("_metric", "_recorder", "_started")

    def __init__(self, recorder: Recorder, metric: str) -> None:
        self._recorder = recorder
        self._metric = metric

    def __enter__(self) -> None:
        self._started = time.perf_counter()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._recorder.add(self._metric, (time.perf_counter() - self._started) * 1e3)


def _summed(buckets: Sequence[_Bucket]) -> Summary:
    if not buckets:
        return Summary(0, 0.0, 0.0, 0.0)
    return Summary(
        count=sum(bucket.count for bucket in buckets),
        total=sum(bucket.total for bucket in buckets),
        low=min(bucket.low for bucket in buckets),
        high=max(bucket.high for bucket in buckets),
    )
