"""Info and health: contract, section 1."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from openviking.version import __version__
from openviking_asgi.errors import NotReadyError
from openviking_asgi.metrics import MEDIA_TYPE as METRICS_MEDIA_TYPE
from openviking_asgi.operation import Operation, Reply
from openviking_asgi.schemas import JsonObject
from openviking_asgi.schemas.info import HealthReport, ProbeReport, Root

if TYPE_CHECKING:
    from openviking_asgi.operation import Call

NAME = "OpenViking"
DESCRIPTION = (
    "Embeddings, skill search and memory for AI agents, computed on this machine: no outside "
    "service, no key."
)
_RETRY = (("retry-after", "1"),)


def _root(call: Call) -> Root:
    engine = call.services.host.engine
    return {
        "name": NAME,
        "version": __version__,
        "description": DESCRIPTION,
        "endpoints": call.services.endpoints,
        "features": [] if engine is None else list(engine.features),
    }


def _health(call: Call) -> Reply:
    host = call.services.host
    engine = host.engine
    report: HealthReport = {
        "status": "unhealthy",
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "version": __version__,
        "features": [],
        "components": {"encoder": {"status": host.state}, "store": {"status": host.state}},
    }
    if engine is not None:
        health = engine.health()
        report["components"] = health.components
        if health.status == "healthy":
            report["status"] = "healthy"
            report["features"] = list(engine.features)
    is_healthy = report["status"] == "healthy"
    return Reply(
        orjson.dumps(report, option=orjson.OPT_SERIALIZE_NUMPY),
        status=200 if is_healthy else 503,
        headers=() if is_healthy else _RETRY,
    )


def _livez(_call: Call) -> ProbeReport:
    return {"status": "alive"}


def _readyz(call: Call) -> Reply:
    state = call.services.host.state
    report: ProbeReport = {"status": state}
    is_ready = state == "ready"
    return Reply(
        orjson.dumps(report), status=200 if is_ready else 503, headers=() if is_ready else _RETRY
    )


def _metrics(call: Call) -> Reply:
    return Reply(call.services.metrics.render(), METRICS_MEDIA_TYPE)


def _openapi(call: Call) -> Reply:
    return Reply(call.services.openapi)


def _docs(call: Call) -> Reply:
    page = call.services.docs
    if page is None:
        raise NotReadyError("the documentation page is being prepared")
    return page


OPERATIONS = (
    Operation(
        "GET", "/", "root", "What this server is and offers", "Server", _root,
        answer=Root, lane="inline",
    ),
    Operation(
        "GET", "/health", "health", "Whether model and store can serve", "Server", _health,
        answer=HealthReport, lane="probe", errors=(503,),
    ),
    Operation(
        "GET", "/livez", "livez", "Whether the process lives", "Server", _livez,
        answer=ProbeReport, lane="inline",
    ),
    Operation(
        "GET", "/readyz", "readyz", "Whether requests are served", "Server", _readyz,
        answer=ProbeReport, lane="inline", errors=(503,),
    ),
    Operation(
        "GET", "/metrics", "metrics", "Counters for Prometheus", "Server", _metrics,
        lane="probe", media_type="text/plain",
    ),
    Operation(
        "GET", "/openapi.json", "openapi", "This interface as OpenAPI 3.1", "Server", _openapi,
        answer=JsonObject, lane="inline",
    ),
    Operation(
        "GET", "/docs", "docs", "This interface for people", "Server", _docs,
        lane="inline", media_type="text/html",
    ),
)  # fmt: skip
