"""The performance view: contract, section 7.

Counts are requests and hit rates are hits over look-ups; the view does not count itself.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from openviking.performance import ENGINE_METRICS, SYSTEM, Summary
from openviking_asgi.dashboard import render_page
from openviking_asgi.operation import Operation
from openviking_asgi.schemas.performance import (
    MetricValues,
    PerformanceAnswer,
    PerformanceQuery,
    PerformanceSummary,
)

if TYPE_CHECKING:
    from openviking.engine import Engine
    from openviking_asgi.operation import Call, Reply

_RECENT = 20
_DIGITS = 4


def _metrics(call: Call) -> PerformanceAnswer:
    query: PerformanceQuery = call.query
    return _answer(call, query.minutes, is_detailed=query.system == SYSTEM)


def _answer(call: Call, minutes: int, *, is_detailed: bool) -> PerformanceAnswer:
    engine, traffic = call.services.host.engine, call.services.metrics.traffic
    recorder = None if engine is None else engine.performance
    values = {
        metric: Summary(0, 0.0, 0.0, 0.0) if recorder is None else recorder.summary(metric, minutes)
        for metric in ENGINE_METRICS
    }
    answer: PerformanceAnswer = {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "systems": {
            SYSTEM: {
                "averages": {metric: _values(found) for metric, found in values.items()},
                "total_requests": traffic.summary("requests", minutes).count,
            }
        },
        "summary": _summary(engine, traffic.total("requests")),
    }
    if is_detailed:
        recent = [] if recorder is None else recorder.recent(_RECENT)
        answer["system"] = SYSTEM
        answer["timeframe_minutes"] = minutes
        answer["total_metrics"] = sum(found.count for found in values.values())
        answer["recent_metrics"] = [
            {
                "timestamp": sample.at.isoformat(timespec="milliseconds"),
                "system": SYSTEM,
                "metric": sample.metric,
                "value": round(sample.value, _DIGITS),
            }
            for sample in recent
        ]
        answer["averages"] = {
            metric: round(found.average, _DIGITS) for metric, found in values.items()
        }
    return answer


def _values(found: Summary) -> MetricValues:
    return {
        "average": round(found.average, _DIGITS),
        "min": round(found.low, _DIGITS),
        "max": round(found.high, _DIGITS),
        "count": found.count,
    }


def _summary(engine: Engine | None, total_requests: int) -> PerformanceSummary:
    if engine is None:
        return {
            "total_requests": total_requests,
            "active_sessions": 0,
            "cache_size": 0,
            "cache_hit_rate": 0.0,
        }
    stats = engine.cache.stats()
    hits, lookups = engine.encoder.lookups()
    return {
        "total_requests": total_requests,
        "active_sessions": engine.active_sessions(),
        "cache_size": stats["entries"],
        "cache_hit_rate": round(hits / lookups, _DIGITS) if lookups else 0.0,
    }


def _dashboard(call: Call) -> PerformanceAnswer | Reply:
    query: PerformanceQuery = call.query
    if _accepts_html(call):
        return render_page(call.services, query.minutes)
    return _answer(call, query.minutes, is_detailed=True)


def _accepts_html(call: Call) -> bool:
    """Whether the client names HTML; a plain ``*/*``, as scripts send it, does not."""
    for name, value in call.scope["headers"]:
        if name == b"accept":
            for part in value.decode("latin-1").lower().split(","):
                kind, *parameters = (word.strip() for word in part.split(";"))
                is_refused = any(word in {"q=0", "q=0.0"} for word in parameters)
                if kind in {"text/html", "application/xhtml+xml"} and not is_refused:
                    return True
    return False


OPERATIONS = (
    Operation(
        "GET", "/performance/metrics", "performance_metrics", "Latencies, counts and hit rate",
        "Performance", _metrics, query=PerformanceQuery, answer=PerformanceAnswer, lane="probe",
        errors=(429, 503),
    ),
    Operation(
        "GET", "/performance/dashboard", "performance_dashboard",
        "The same as a page for people, if the client accepts HTML", "Performance", _dashboard,
        query=PerformanceQuery, answer=PerformanceAnswer, lane="probe", errors=(429, 503),
        other_media_type="text/html",
    ),
)  # fmt: skip
