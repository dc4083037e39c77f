"""The outermost layer: gives each request its id, and turns every failure into an answer.

Plain ASGI, one closure per request. It also counts the request and writes its log line; both carry
the route's template and never anything that the user wrote.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from openviking_asgi.errors import LateError, problem_of, render
from openviking_asgi.exchange import KEY, ClientGoneError, Exchange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openviking_asgi.metrics import Metrics

_log = logging.getLogger("openviking_asgi")


class RequestLog(Protocol):
    """Writes one structured line."""

    def __call__(self, event: str, **fields: object) -> object:
        """Write *event* with *fields*."""


class Gate:
    """ASGI middleware around everything that answers a request.

    Args:
        app: the application within.
        direct: by method and path as sent, who answers without the application within.
        metrics: counts each request.
        log_request: writes the line of each request; None writes none.
    """

    def __init__(
        self,
        app: ASGIApp,
        direct: Mapping[tuple[str, bytes], ASGIApp],
        metrics: Metrics,
        log_request: RequestLog | None,
    ) -> None:
        self._app = app
        self._direct = direct
        self._metrics = metrics
        self._log_request = log_request

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whatever happens within."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = scope[KEY] = Exchange(scope)
        relay = _Relay(exchange, send)
        self._metrics.begin_request()
        try:
            await self._find(scope)(scope, receive, relay)
        except ClientGoneError:
            exchange.status = 499
        except asyncio.CancelledError:
            # The server's time to drain is over.
            await relay.refuse(LateError("the server stopped before this request was done"), scope)
            raise
        except Exception as error:
            if relay.has_started:
                raise
            await relay.refuse(error, scope)
        finally:
            self._metrics.end_request()
            self._finish(exchange)

    def _find(self, scope: Scope) -> ASGIApp:
        if scope.get("root_path"):
            return self._app
        return self._direct.get((scope["method"], scope.get("raw_path", b"")), self._app)

    def _finish(self, exchange: Exchange) -> None:
        seconds = exchange.seconds
        self._metrics.count_request(exchange.method, exchange.route, exchange.status, seconds)
        if self._log_request is None:
            return
        # A log that cannot be written (a full disk, a reader that went away) must not cost the
        # client its connection.
        with suppress(OSError):
            self._log_request(
                "request",
                method=exchange.method,
                route=exchange.route,
                status=exchange.status,
                duration_ms=round(seconds * 1e3, 3),
                bytes_in=exchange.bytes_in,
                bytes_out=exchange.bytes_out,
                request_id=exchange.request_id,
                client=exchange.client,
            )


class _Relay:
    """Passes the answer on, and notes what became of it."""

    __slots__ = ("_exchange", "_send", "has_started")

    def __init__(self, exchange: Exchange, send: Send) -> None:
        self._exchange = exchange
        self._send = send
        self.has_started = False

    async def __call__(self, message: Message) -> None:
        """Pass one message of the answer on, with the request's id in its headers."""
        exchange = self._exchange
        if message["type"] == "http.response.start":
            self.has_started = True
            exchange.status = message["status"]
            request_id = (b"x-request-id", exchange.request_id.encode("ascii"))
            message["headers"] = [*message["headers"], request_id]
        elif message["type"] == "http.response.body":
            if exchange.method == "HEAD":
                message["body"] = b""
            exchange.bytes_out += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, error: Exception, scope: Scope) -> None:
        """Answer *error*, unless an answer has begun."""
        if self.has_started:
            return
        exchange = self._exchange
        problem = problem_of(error, exchange.place)
        if problem.is_ours:
            _log.error(
                "request %s to %s failed", exchange.request_id, exchange.route, exc_info=error
            )
        content, media_type = render(
            problem, exchange.request_id, openai=scope["path"].startswith("/v1/")
        )
        headers = [
            (b"content-type", media_type.encode("ascii")),
            (b"content-length", b"%d" % len(content)),
        ]
        headers += [
            (name.encode("ascii"), value.encode("latin-1")) for name, value in problem.headers
        ]
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": content})
