"""The performance page: written on the server, complete without any script, nothing from a CDN.

The page's one script asks for the page again and swaps its live part, so that there is one way in
which values are shown. Plots are SVG; their colours come from the style, for light and dark.
"""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.performance import ENGINE_METRICS, Summary
from openviking.version import __version__
from openviking_asgi.docs import page_reply
from openviking_asgi.operation import Reply
from openviking_asgi.plots import bars, curve

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.engine import Engine
    from openviking.performance import Recorder
    from openviking_asgi.operation import Services

POINTS = 60
"""Points of a plot."""

SPANS = {5: "5 min", 15: "15 min", 60: "1 h", 1440: "24 h"}
"""Stretches of time that the page offers, in minutes."""

_TITLES = {
    "embedding_generation_time": "Embedding, computed",
    "skill_search_time": "Skill search",
    "conversation_time": "Conversation",
    "resource_storage_time": "Storing a resource",
}
_RATE_MINUTES = 1 / 6
_NONE = "\N{EN DASH}"


def render_page(services: Services, minutes: int) -> Reply:
    """Return the page over the last *minutes*; it also answers while there is no engine."""
    engine = services.host.engine
    health = None if engine is None else engine.health()
    parts: dict[str, dict[str, Any]] = {} if health is None else health.components
    state = services.host.state
    shown: str = health.status if state == "ready" and health is not None else state
    body = (
        _header(shown)
        + f"<main>{_navigation(minutes)}<div id=live>"
        + _tiles(services, engine, minutes)
        + _plots(services, engine, minutes)
        + _lists(services, engine, parts)
        + "</div></main>"
    )
    reply = page_reply(_template().replace("<!--body-->", body, 1))
    headers = (*reply.headers, ("cache-control", "no-store"), ("vary", "accept"))
    return Reply(reply.content, reply.media_type, headers=headers)


@cache
def _template() -> str:
    return Path(__file__).with_name("dashboard.html").read_text("utf-8")


def _header(state: str) -> str:
    kind = "good" if state == "healthy" else "bad"
    return (
        f"<header><strong>OpenViking</strong> <span class=version>{escape(__version__)}</span>"
        f'<span class="state {kind}" role=status>{escape(state)}</span></header>'
    )


def _navigation(minutes: int) -> str:
    links = "".join(
        f'<a href="?minutes={span}"{" aria-current=page" if span == minutes else ""}>{text}</a>'
        for span, text in SPANS.items()
    )
    return f'<nav aria-label="Time shown">{links}</nav>'


def _tiles(services: Services, engine: Engine | None, minutes: int) -> str:
    traffic = services.metrics.traffic
    now = traffic.summary("requests", _RATE_MINUTES)
    span = traffic.summary("requests", minutes)
    errors = traffic.summary("errors", minutes)
    tiles = [
        ("Requests / s", f"{now.count / (_RATE_MINUTES * 60):.1f}", "last 10 s"),
        ("Requests", f"{span.count:,}", f"{traffic.total('requests'):,} since the start"),
        ("Failed", f"{errors.count:,}", "429 and 5xx"),
        ("Latency p95", _ms(traffic.percentile("requests", minutes, 0.95)), "of all requests"),
    ]
    if engine is not None:
        hits, lookups = engine.encoder.lookups()
        rate = f"{hits / lookups:.1%}" if lookups else _NONE
        tiles.append(("Cache hits", rate, f"of {lookups:,} look-ups"))
    pool = services.work
    tiles.append(("In the queue", f"{pool.waiting:,}", f"{pool.jobs:,} of {pool.jobs_max:,} jobs"))
    return f"<div class=tiles>{''.join(_tile(*tile) for tile in tiles)}</div>"


def _tile(title: str, value: str, note: str) -> str:
    return (
        f"<section><h2 class=note>{escape(title)}</h2><b>{escape(value)}</b>"
        f"<span class=note>{escape(note)}</span></section>"
    )


def _plots(services: Services, engine: Engine | None, minutes: int) -> str:
    requests = services.metrics.traffic.series("requests", minutes, POINTS)
    width_s = minutes * 60 / POINTS
    rates = [point.count / width_s for point in requests]
    parts = [
        _plot(
            "Requests",
            f"peak {max(rates):.1f} per second",
            bars(rates, f"Requests per second over {minutes} minutes"),
            minutes,
        )
    ]
    if engine is not None:
        parts += [
            _latency(engine.performance, metric, title, minutes)
            for metric, title in _TITLES.items()
        ]
        parts.append(_hit_plot(engine.performance, minutes))
    return f"<div class=plots>{''.join(parts)}</div>"


def _latency(recorder: Recorder, metric: str, title: str, minutes: int) -> str:
    points = recorder.series(metric, minutes, POINTS)
    found = recorder.summary(metric, minutes)
    middle, high = (recorder.percentile(metric, minutes, share) for share in (0.5, 0.95))
    note = (
        f"{found.count:,} times: p50 {_number(middle)}, p95 {_number(high)}, max {_ms(found.high)}"
        if found.count
        else "none yet"
    )
    return _plot(title, note, _curve(points, f"{title}: mean and maximum in ms"), minutes)


def _hit_plot(recorder: Recorder, minutes: int) -> str:
    metric = ENGINE_METRICS[1]
    points = recorder.series(metric, minutes, POINTS)
    found = recorder.summary(metric, minutes)
    note = f"{found.average:.1%} of {found.count:,} texts" if found.count else "none yet"
    means = [point.average if point.count else None for point in points]
    plot = curve(means, [None] * len(means), "Share of texts found in the cache", top=1.0)
    return _plot("Embedding from the cache", note, plot, minutes)


def _curve(points: Sequence[Summary], label: str) -> str:
    means = [point.average if point.count else None for point in points]
    highs = [point.high if point.count else None for point in points]
    return curve(means, highs, label)


def _plot(title: str, note: str, plot: str, minutes: int) -> str:
    ago = f"{minutes} min ago" if minutes < 60 else f"{minutes // 60} h ago"
    return (
        f"<section><div class=head><h2>{escape(title)}</h2>"
        f"<span class=note>{escape(note)}</span></div>{plot}"
        f"<div class=scale><span>{ago}</span><span>now</span></div></section>"
    )


def _lists(services: Services, engine: Engine | None, parts: dict[str, dict[str, Any]]) -> str:
    if engine is None:
        return ""
    store, skills = parts["store"], parts["skills"]
    sessions = {
        "active": _active_sessions(engine, store),
        "all": _count(store, "sessions"),
        "messages": _count(store, "messages"),
    }
    stored = {
        "state": store["status"],
        "skills": _count(skills, "skills"),
        "without vectors yet": _count(skills, "to_encode"),
        "files to import": _count(skills, "to_import"),
        "resources": _count(store, "resources"),
        "commands": _count(parts["commands"], "commands"),
        "on disk": _mb(store["bytes"]) if "bytes" in store else _NONE,
    }
    breaker = services.breaker.state()
    threshold = breaker.failure_threshold
    model = {
        "name": engine.model,
        "build": engine.encoder.build_id,
        "dimensions": str(engine.encoder.dim),
        "deadline": f"{services.work.deadline_s:g} s",
        "circuit breaker": "off" if threshold is None else f"after {threshold} failures",
        "open circuits": ", ".join(breaker.open_operations) or "none",
    }
    return (
        f"<div class=lists>{_cache_list(engine)}{_list('Sessions', sessions)}"
        f"{_list('Store', stored)}{_list('Model and limits', model)}</div>"
    )


def _cache_list(engine: Engine) -> str:
    stats = engine.cache.stats()
    bound = max(stats["bytes_max"], 1)
    rows = {
        "embeddings": f"{stats['entries']:,}",
        "memory": f"{_mb(stats['bytes'])} of {_mb(stats['bytes_max'])}",
        "hits, misses": f"{stats['hits']:,}, {stats['misses']:,}",
        "given up": f"{stats['evictions']:,}",
        "Redis": "off",
    }
    if engine.shared_cache is not None:
        shared = engine.shared_cache.stats()
        rows["Redis"] = {"closed": "in use", "open": "left alone"}.get(shared["state"], "trying")
        rows["in Redis"] = f"{shared['hits']:,} hits, {shared['misses']:,} misses"
        if shared["error"] is not None:
            rows["why"] = shared["error"]
    meter = f'<meter min=0 max={bound} value={stats["bytes"]} aria-label="Cache filled"></meter>'
    return _list("Cache", rows, meter)


def _active_sessions(engine: Engine, store: dict[str, Any]) -> str:
    return f"{engine.active_sessions():,}" if store["status"] == "ok" else _NONE


def _list(title: str, rows: dict[str, str], more: str = "") -> str:
    entries = "".join(
        f"<dt>{escape(key)}</dt><dd>{escape(text)}</dd>" for key, text in rows.items()
    )
    return f"<section><h2>{escape(title)}</h2>{more}<dl>{entries}</dl></section>"


def _count(part: dict[str, Any], name: str) -> str:
    return f"{part[name]:,}" if name in part else _NONE


def _ms(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{_number(value)} ms"


def _number(value: float | None) -> str:
    if value is None:
        return _NONE
    return f"{value:.2f}" if value < 10 else f"{value:,.0f}"


def _mb(count: int) -> str:
    return f"{count / 1e6:.1f} MB"
