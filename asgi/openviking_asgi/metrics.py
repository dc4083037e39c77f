"""What Prometheus scrapes: requests, encodings, searches, queue and cache; one registry per app."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    SummaryMetricFamily,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from openviking.performance import Recorder
from openviking.version import __version__

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from prometheus_client.metrics_core import Metric

    from openviking_asgi.host import EngineHost
    from openviking_asgi.workers import WorkerPool

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# From a cached answer (tenths of a millisecond) to the longest deadline; dense between 1 and
# 250 ms, where the budgets of 4 ms per search and 222 ms per embedding lie.
_BUCKETS_S = (
    0.00025, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.006, 0.01, 0.02, 0.03,
    0.05, 0.1, 0.15, 0.222, 0.35, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Metrics:
    """The counters of one application.

    Args:
        views: routes that only show the server itself: they are counted for Prometheus, but are no
            requests in the performance view, which would otherwise watch itself.

    Attributes:
        in_flight: requests that have not been answered yet.
        traffic: milliseconds of each request, and a 1 for each that failed by our fault (429, 5xx).
    """

    def __init__(self, views: Collection[str] = ()) -> None:
        self.in_flight = 0
        self._idle: asyncio.Event | None = None
        self.traffic = Recorder(("requests", "errors"))
        self._views = frozenset(views)
        self._registry = CollectorRegistry(auto_describe=False)
        self._seconds = Histogram(
            "openviking_http_request_duration_seconds",
            "Time from the end of the headers to the end of the answer.",
            ("method", "route"),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self._requests = Counter(
            "openviking_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._registry,
        )
        self.encode_seconds = Histogram(
            "openviking_encode_duration_seconds",
            "Time of an embedding call in which the model computed at least one vector.",
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.search_seconds = Histogram(
            "openviking_search_duration_seconds",
            "Time of a search in the engine, its query's embedding included.",
            ("kind",),
            buckets=_BUCKETS_S,
            registry=self._registry,
        )
        self.skill_search_seconds = self.search_seconds.labels("skills")
        # Looking a child up by its labels costs more than adding to it.
        self._children: dict[tuple[str, str, int], tuple[Histogram, Counter]] = {}
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def watch(self, host: EngineHost, pool: WorkerPool) -> None:
        """Add what is read at scrape time: the queue, the cache and the build."""
        self._registry.register(_LiveValues(self, host, pool))

    def begin_request(self) -> None:
        """Count a request in; on the event loop, as all three of these."""
        self.in_flight += 1

    def end_request(self) -> None:
        """Count a request out."""
        self.in_flight -= 1
        if self._idle is not None and not self.in_flight:
            self._idle.set()

    async def until_idle(self) -> None:
        """Return when no request is in flight; for one waiter."""
        if self.in_flight:
            self._idle = asyncio.Event()
            await self._idle.wait()

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request; *route* is the path's template, never the path."""
        key = (method if method in _METHODS else "OTHER", route, status)
        children = self._children.get(key)
        if children is None:
            children = (self._seconds.labels(*key[:2]), self._requests.labels(*key))
            self._children[key] = children
        children[0].observe(seconds)
        children[1].inc()
        if route not in self._views:
            self.traffic.add("requests", seconds * 1e3)
            if status >= 500 or status == 429:
                self.traffic.add("errors", 1.0)

    def render(self) -> bytes:
        """Return everything in Prometheus' text format."""
        return generate_latest(self._registry)


class _LiveValues(Collector):
    def __init__(self, metrics: Metrics, host: EngineHost, pool: WorkerPool) -> None:
        self._metrics = metrics
        self._host = host
        self._pool = pool

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily("openviking_build", "The running version.")
        build = {"version": __version__}
        engine = self._host.engine
        if engine is not None:
            build["model_build"] = engine.encoder.build_id
        info.add_metric([], build)
        yield info
        yield GaugeMetricFamily(
            "openviking_ready",
            "1 when requests are served, 0 while loading or draining.",
            value=float(self._host.state == "ready"),
        )
        yield GaugeMetricFamily(
            "openviking_http_requests_in_flight",
            "Requests that have not been answered yet.",
            value=self._metrics.in_flight,
        )
        yield GaugeMetricFamily(
            "openviking_work_queue_depth",
            "Requests that wait for a worker thread.",
            value=self._pool.waiting,
        )
        yield GaugeMetricFamily(
            "openviking_work_jobs",
            "Requests that wait for a worker thread or run on one.",
            value=self._pool.jobs,
        )
        if engine is not None:
            yield from _cache_values(engine.cache.stats())
            if engine.shared_cache is not None:
                yield from _shared_values(engine.shared_cache.stats())


def _cache_values(stats: Mapping[str, Any]) -> Iterator[Metric]:
    for name in ("hits", "misses"):
        yield CounterMetricFamily(
            f"openviking_embedding_cache_{name}",
            f"Look-ups in the embedding cache that were {name}.",
            value=stats[name],
        )
    for name in ("entries", "bytes"):
        yield GaugeMetricFamily(
            f"openviking_embedding_cache_{name}",
            f"What the embedding cache holds now, in {name}.",
            value=stats[name],
        )


_SHARED = {
    "hits": "Texts whose embedding was in Redis",
    "misses": "Texts whose embedding was not in Redis",
    "expired": "Misses because the embedding was too old",
    "corrupted": "Misses because the value did not verify",
    "bypassed": "Texts that Redis was not asked for, or did not answer for",
    "failures": "Times that Redis did not answer as it should",
    "written": "Writes done",
    "refused": "Writes that Redis refused",
    "dropped": "Writes given up because the queue was full or Redis left alone",
}


def _shared_values(stats: Mapping[str, Any]) -> Iterator[Metric]:
    for name, text in _SHARED.items():
        yield CounterMetricFamily(f"openviking_redis_cache_{name}", f"{text}.", value=stats[name])
    yield GaugeMetricFamily(
        "openviking_redis_cache_queued", "Writes that wait.", value=stats["queued"]
    )
    yield SummaryMetricFamily(
        "openviking_redis_cache_lookup_seconds",
        "Time that requests waited for answers of Redis.",
        count_value=stats["lookups"],
        sum_value=stats["lookup_seconds"],
    )
    states = GaugeMetricFamily(
        "openviking_redis_cache_circuit",
        "1 for the state of the circuit: closed (in use), open (left alone), half_open (a try).",
        labels=("of", "state"),
    )
    for of, now in (("answers", stats["state"]), ("writes", stats["writes"])):
        for state in ("closed", "open", "half_open"):
            states.add_metric((of, state), float(now == state))
    yield states
