"""The application as a plain value: an engine goes in, something any ASGI server can run comes out.

app = create_app(engine)                                  # tests, notebooks, other servers
app = create_app(lambda: Engine.open(load_settings()))    # opened and closed by the lifespan
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware

from openviking.config import Server
from openviking_asgi.docs import docs_reply
from openviking_asgi.endpoint import Endpoint
from openviking_asgi.errors import RequestError
from openviking_asgi.gate import Gate
from openviking_asgi.host import EngineHost
from openviking_asgi.limits import PROBE_S, PROBES_MAX, TALK_THREADS, THREADS
from openviking_asgi.metrics import Metrics
from openviking_asgi.openapi import build_document
from openviking_asgi.operation import Services
from openviking_asgi.routes import OPERATIONS
from openviking_asgi.routing import PathRoute, direct_routes
from openviking_asgi.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from starlette.requests import Request
    from starlette.responses import Response

    from openviking.engine import Engine
    from openviking_asgi.gate import RequestLog


def create_app(
    source: Engine | Callable[[], Engine],
    *,
    server: Server | None = None,
    log_request: RequestLog | None = None,
) -> Starlette:
    """Return the application.

    Args:
        source: an open engine, which the caller closes; or a function that opens one: it runs on a
            thread when the lifespan starts, and the lifespan's end closes the engine. Until then
            the routes that need it answer 503.
        server: queue length, deadline and time to drain; None means the defaults.
        log_request: writes the line of each request; None writes none.

    Returns:
        The application; ``app.state.services`` holds its parts.
    """
    services = _services(source, server or Server())
    routes = _routes(services)
    gate = Middleware(
        Gate, direct=direct_routes(routes), metrics=services.metrics, log_request=log_request
    )
    app = Starlette(
        routes=routes,
        middleware=[gate],
        exception_handlers={HTTPException: _pass_on},
        lifespan=_lifespan(services),
    )
    app.state.services = services
    return app


def _services(source: Engine | Callable[[], Engine], limits: Server) -> Services:
    services = Services(
        host=EngineHost(source),
        work=WorkerPool(
            "work", threads=THREADS, jobs_max=limits.requests_max, deadline_s=limits.deadline_s
        ),
        # Its jobs wait for a chat model, whose own time limit is below this deadline.
        talk=WorkerPool(
            "talk",
            threads=TALK_THREADS,
            jobs_max=limits.requests_max,
            deadline_s=limits.deadline_s,
        ),
        probes=WorkerPool("probe", threads=1, jobs_max=PROBES_MAX, deadline_s=PROBE_S),
        metrics=Metrics(
            {operation.shown_path for operation in OPERATIONS if operation.lane != "work"}
        ),
        close_s=limits.drain_s,
        openapi=build_document(OPERATIONS),
        docs=docs_reply(),
        endpoints={
            operation.name: f"{operation.method} {operation.shown_path}: {operation.summary}"
            for operation in OPERATIONS
        },
    )
    services.metrics.watch(services.host, services.work)
    return services


def _routes(services: Services) -> list[PathRoute]:
    """One route per path, in the table's order: a wrong method is told all right ones."""
    paths = list(dict.fromkeys(operation.path for operation in OPERATIONS))
    by_path = {
        path: list(operations)
        for path, operations in groupby(
            sorted(OPERATIONS, key=lambda operation: operation.path),
            key=lambda operation: operation.path,
        )
    }
    return [
        PathRoute(
            path,
            Endpoint(path, by_path[path], services),
            [operation.method for operation in by_path[path]],
        )
        for path in paths
    ]


async def _pass_on(_request: Request, error: Exception) -> Response:
    """Hand Starlette's own refusals to the gate, which writes every error."""
    if isinstance(error, HTTPException) and error.status_code == 404:
        raise RequestError(404, "there is nothing at this path; GET / lists what is offered")
    raise error


def _lifespan(services: Services) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        services.host.start()
        try:
            yield
        finally:
            services.host.drain()
            await asyncio.to_thread(_close, services)

    return lifespan


def _close(services: Services) -> None:
    services.work.close(services.close_s)
    services.talk.close(services.close_s)
    services.probes.close(services.close_s)
    services.host.close(services.close_s)
