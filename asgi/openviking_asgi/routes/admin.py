"""Runbook calls: contract, section 8. Each changes something that the server really obeys.

They run beside the work, on the thread of the probes, so that they answer when the queue is full.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from openviking.cache.memory import ENTRY_OVERHEAD_BYTES
from openviking.errors import ConflictError
from openviking_asgi.operation import Operation
from openviking_asgi.schemas.admin import (
    AggressiveCacheAnswer,
    AggressiveCacheRequest,
    BreakerAnswer,
    BreakerRequest,
    CacheResizeAnswer,
    CacheResizeRequest,
    MigrationAnswer,
    QueueAnswer,
    QueueRequest,
)

if TYPE_CHECKING:
    from openviking.engine import Engine
    from openviking_asgi.operation import Call

_FLOAT32_BYTES = 4


def _enable_breaker(call: Call) -> BreakerAnswer:
    body: BreakerRequest = call.body
    breaker = call.services.breaker
    breaker.enable(body.failure_threshold, body.recovery_timeout)
    state = breaker.state()
    return {
        "status": "enabled",
        "failure_threshold": state.failure_threshold or body.failure_threshold,
        "recovery_timeout": state.recovery_s,
        "open_operations": list(state.open_operations),
    }


def _resize_cache(call: Call) -> CacheResizeAnswer:
    body: CacheResizeRequest = call.body
    cache, entry_bytes = call.engine.cache, _entry_bytes(call.engine)
    before = cache.stats()
    cache.resize(body.max_size * entry_bytes)
    after = cache.stats()
    return {
        "status": "resized",
        "max_size": after["bytes_max"] // entry_bytes,
        "bytes_max": after["bytes_max"],
        "previous_max_size": before["bytes_max"] // entry_bytes,
        "entries": after["entries"],
        "evicted": after["evictions"] - before["evictions"],
    }


def _entry_bytes(engine: Engine) -> int:
    """Return what one embedding takes in the cache, whose own bound is in bytes."""
    return engine.encoder.dim * _FLOAT32_BYTES + ENTRY_OVERHEAD_BYTES


def _enable_queue(call: Call) -> QueueAnswer:
    body: QueueRequest = call.body
    pool = call.services.work
    for one in (pool, call.services.talk):
        one.limit(jobs_max=body.max_queue_size, deadline_s=body.timeout_ms / 1e3)
    return {
        "status": "enabled",
        "max_queue_size": pool.jobs_max,
        "timeout_ms": round(pool.deadline_s * 1e3),
        "jobs": pool.jobs,
        "waiting": pool.waiting,
    }


def _cache_aggressively(call: Call) -> AggressiveCacheAnswer:
    body: AggressiveCacheRequest = call.body
    engine = call.engine
    bytes_max = engine.cache.stats()["bytes_max"]
    if not body.force_cache:
        raise ConflictError(
            "every embedding is cached, and this cannot be turned off alone; to have no cache, "
            'POST /admin/cache/resize {"max_size": 0}'
        )
    if bytes_max < _entry_bytes(engine) and engine.shared_cache is None:
        raise ConflictError(
            'the cache is off; POST /admin/cache/resize {"max_size": 2000} turns it on'
        )
    engine.encoder.set_ttl(body.cache_ttl_seconds)
    shared = engine.shared_cache
    return {
        "status": "enabled",
        "cache_ttl_seconds": round(engine.cache.stats()["ttl_s"] or 0),
        "force_cache": True,
        "bytes_max": bytes_max,
        "redis": "off" if shared is None else shared.stats()["state"],
        "detail": (
            "Every embedding is cached, and computed anew at that age; what is cached already "
            "counts too. The least recently used ones go earlier when bytes_max is reached."
        ),
    }


def _migration_status(call: Call) -> MigrationAnswer:
    engine = call.services.host.engine
    answer: MigrationAnswer = {
        "status": "in_progress",
        "active_system": "openviking",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "counts": {},
        "pending": 0,
        "features": [],
        "components": {},
        "detail": f"the server is {call.services.host.state}",
    }
    if engine is None or call.services.host.state != "ready":
        return answer
    health = engine.health()
    answer["components"] = health.components
    answer["features"] = list(engine.features)
    store = health.components["store"]
    answer["counts"] = {name: store[name] for name in store if isinstance(store[name], int)}
    answer["counts"]["commands"] = int(health.components["commands"].get("commands", 0))
    skills = health.components["skills"]
    answer["pending"] = int(skills.get("to_encode", 0)) + int(skills.get("to_import", 0))
    if health.status == "healthy" and not answer["pending"]:
        answer["status"] = "completed"
        answer["detail"] = (
            "OpenViking serves everything itself; the file-scanning system before it is not asked."
        )
    else:
        answer["detail"] = (
            f"{health.status}; {answer['pending']} skills wait for their import or their vectors"
        )
    return answer


OPERATIONS = (
    Operation(
        "POST", "/admin/circuit-breaker/enable", "enable_circuit_breaker",
        "Refuse an operation at once after it failed so many times in a row", "Admin",
        _enable_breaker, body=BreakerRequest, answer=BreakerAnswer, lane="probe", errors=(429,),
    ),
    Operation(
        "POST", "/admin/cache/resize", "resize_cache",
        "Set how many embeddings the cache may hold", "Admin", _resize_cache,
        body=CacheResizeRequest, answer=CacheResizeAnswer, lane="probe", errors=(429, 503),
    ),
    Operation(
        "POST", "/admin/queue/enable", "enable_queue",
        "Set how many requests may run or wait, and for how long", "Admin", _enable_queue,
        body=QueueRequest, answer=QueueAnswer, lane="probe", errors=(429,),
    ),
    Operation(
        "POST", "/admin/cache/aggressive", "cache_aggressively",
        "Set for how long embeddings are cached, in memory and in Redis", "Admin",
        _cache_aggressively,
        body=AggressiveCacheRequest, answer=AggressiveCacheAnswer, lane="probe",
        errors=(409, 429, 503),
    ),
    Operation(
        "GET", "/migration/status", "migration_status",
        "What this server has taken over, and whether all of it can be searched", "Admin",
        _migration_status, answer=MigrationAnswer, lane="probe", errors=(429,),
    ),
)  # fmt: skip
