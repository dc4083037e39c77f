"""Answers of the performance view."""

from __future__ import annotations

from typing import Annotated, TypedDict

import msgspec

from openviking_asgi.limits import PERFORMANCE_MINUTES_MAX
from openviking_asgi.schemas import Name  # noqa: TC001 - msgspec reads it


class PerformanceQuery(msgspec.Struct, frozen=True):
    """Which system to detail (there is one, ``openviking``), and over how many minutes."""

    system: Name | None = None
    minutes: Annotated[int, msgspec.Meta(ge=1, le=PERFORMANCE_MINUTES_MAX)] = 5


class MetricValues(TypedDict):
    """Values of one metric within the minutes asked for; all 0 if there were none."""

    average: float
    min: float
    max: float
    count: int


class SystemValues(TypedDict):
    """One system; ``total_requests`` are those within the minutes asked for."""

    averages: dict[str, MetricValues]
    total_requests: int


class PerformanceSummary(TypedDict):
    """Totals: requests since the start, sessions not idle, entries of the cache, hits/look-ups."""

    total_requests: int
    active_sessions: int
    cache_size: int
    cache_hit_rate: float


class RecentMetric(TypedDict):
    """One value as it came."""

    timestamp: str
    system: str
    metric: str
    value: float


class _PerformanceCommon(TypedDict):
    timestamp: str
    systems: dict[str, SystemValues]
    summary: PerformanceSummary


class PerformanceAnswer(_PerformanceCommon, total=False):
    """All systems; with a known ``system`` also its values and the newest 20 of them."""

    system: str
    timeframe_minutes: int
    total_metrics: int
    recent_metrics: list[RecentMetric]
    averages: dict[str, float]
