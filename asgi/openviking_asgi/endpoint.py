"""What answers at one path: picks the operation, runs it in its lane, sends the reply."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from openviking_asgi.errors import RequestError
from openviking_asgi.exchange import KEY
from openviking_asgi.limits import DECODE_INLINE_BYTES_MAX
from openviking_asgi.operation import (
    Call,
    Later,
    Operation,
    Reply,
    Streamed,
    decode_body,
    decode_query,
    encode,
    shown,
)
from openviking_asgi.stream import send_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.types import Receive, Scope, Send

    from openviking_asgi.exchange import Exchange
    from openviking_asgi.operation import Services


class Endpoint:
    """All operations of one path.

    Args:
        path: the path's template, used as label.
        operations: those of this path.
        services: the application's shared parts.
    """

    def __init__(self, path: str, operations: Iterable[Operation], services: Services) -> None:
        self._path = shown(path)
        self._services = services
        self._operations: dict[str, Operation] = {
            operation.method: operation for operation in operations
        }
        self._decoders = {
            method: msgspec.json.Decoder(operation.body)
            for method, operation in self._operations.items()
            if operation.body is not None
        }
        methods = {*self._operations, "OPTIONS"} | (
            {"HEAD"} if "GET" in self._operations else set()
        )
        self._allow = ", ".join(sorted(methods))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; every refusal leaves as an exception."""
        exchange: Exchange = scope[KEY]
        exchange.route = self._path
        method = "GET" if exchange.method == "HEAD" else exchange.method
        operation = self._operations.get(method)
        if operation is None:
            if method != "OPTIONS":
                detail = f"{exchange.method[:20]} is not offered here; {self._allow} are"
                raise RequestError(405, detail, headers={"allow": self._allow})
            reply: Reply | Streamed = Reply(b"", status=204, headers=(("allow", self._allow),))
        else:
            exchange.place = operation.place
            reply = await self._run(operation, scope, receive, exchange)
        if isinstance(reply, Streamed):
            await send_stream(reply, self._services.talk, send)
        else:
            await _send_reply(reply, send)

    async def _run(
        self, operation: Operation, scope: Scope, receive: Receive, exchange: Exchange
    ) -> Reply | Streamed:
        services = self._services
        call = Call(services, scope, scope.get("path_params", {}))
        if operation.lane == "work":
            # Refused before the body is read: a server that cannot serve need not listen.
            call.engine  # noqa: B018 - raises NotReadyError
        raw = b""
        if operation.body is not None:
            exchange.check_media_type()
            raw = await exchange.read_body(receive)
        if operation.query is not None:
            call.query = decode_query(scope["query_string"], operation.query)
        decoder = self._decoders.get(operation.method)
        if decoder is not None and len(raw) <= DECODE_INLINE_BYTES_MAX:
            call.body = decode_body(raw, decoder)
            decoder = None

        def answer() -> Reply | Later | Streamed:
            if decoder is not None:
                call.body = decode_body(raw, decoder)
            return encode(operation.handler(call), operation)

        if operation.lane == "inline":
            return _finished(answer())
        if operation.lane == "probe":
            return _finished(await services.probes.run(answer))
        services.breaker.admit(operation.name)
        try:
            reply = await self._work(operation, answer)
        except BaseException as error:
            services.breaker.settle(operation.name, error)
            raise
        services.breaker.settle(operation.name, None)
        return reply

    async def _work(
        self, operation: Operation, answer: Callable[[], Reply | Later | Streamed]
    ) -> Reply | Streamed:
        reply = await self._services.work.run(answer)
        if isinstance(reply, Later):
            rest = reply.call
            reply = await self._services.talk.run(lambda: encode(rest(), operation))
        return _finished(reply)


def _finished(reply: Reply | Later | Streamed) -> Reply | Streamed:
    if isinstance(reply, Later):
        raise TypeError("an answer is put off a second time, or by an operation that cannot")
    return reply


async def _send_reply(reply: Reply, send: Send) -> None:
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in reply.headers]
    if reply.status != 204:
        headers.append((b"content-type", reply.media_type.encode("latin-1")))
        headers.append((b"content-length", b"%d" % len(reply.content)))
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.content})
