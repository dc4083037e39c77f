"""uvicorn's HTTP protocol with the deadlines and limits that it lacks.

uvicorn waits for ever for a head, a body or a slow reader, and httptools joins header fragments
without limit. Here each of these has a deadline or a size, and every refusal is a problem document
with an ``X-Request-ID`` like any other answer.

The usual request arrives in one piece and arms no timer at all.
"""

from __future__ import annotations

import asyncio
from os import urandom
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from openviking_asgi.errors import Problem, render
from openviking_asgi.limits import Connections

# The first bytes of every status line but those of interim answers (1xx).
_FINAL = (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4", b"HTTP/1.1 5")

_JOINED_BYTES_MAX = 1 << 16
"""Longest piece of a body that is copied behind its head."""

_MALFORMED = (400, "malformed", "not a valid HTTP/1.1 request")


class _HeadTooLargeError(Exception):
    """Raised inside a parser callback, which is the only way to stop httptools."""


class Joiner(asyncio.Transport):
    """A transport that sends an answer's head together with the first piece of its body.

    Two writes are two system calls, and the first one wakes the client for a head that it cannot
    use yet. A head without a body is sent alone at the loop's next turn.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def write(self, data: bytes) -> None:  # type: ignore[override]
        """Send *data*, unless it is the head of a final answer, which is kept a moment."""
        if len(data) > _JOINED_BYTES_MAX:
            self._flush()
        elif self._head:
            data, self._head = self._head + data, b""
        elif data.startswith(_FINAL):
            self._head = data
            self._loop.call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head and not self._transport.is_closing():
            self._transport.write(self._head)
        self._head = b""


class GuardedProtocol(HttpToolsProtocol):
    """One connection; see the module.

    A message is in its head from its first byte (for the first one: from connecting) to the end of
    its headers, then in its body until that has arrived, whether or not it was answered meanwhile.
    """

    limits = Connections()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._message = 0
        self._in_head = True
        self._in_body = False
        self._has_begun = False
        self._has_cycle = False
        self._head_bytes = 0
        self._unparsed_bytes = 0
        self._discarded_bytes = 0
        self._refusal = _MALFORMED
        self._armed_for: tuple[int, bool] | None = None
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or refuse it if there are too many."""
        super().connection_made(transport)
        self.transport = Joiner(transport, self.loop)
        if len(self.connections) > self.limits.count_max:
            self._refuse(
                503, "overloaded", f"more than {self.limits.count_max} connections are open"
            )
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        for timer in (self._read_timer, self._write_timer):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, then see what is still awaited."""
        if self._in_head:
            # httptools keeps the pieces of a header to itself until it is whole.
            self._unparsed_bytes += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._in_head and self._unparsed_bytes > self.limits.head_bytes_max:
            self._refuse(*self._head_too_large())
            return
        self._arm()

    def on_message_begin(self) -> None:
        """Start counting a new request."""
        super().on_message_begin()
        if not self._in_head:
            self._unparsed_bytes = 0
        self._message += 1
        self._has_begun = True
        self._in_head, self._in_body = True, False
        self._head_bytes = self._discarded_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Add a piece of the request target."""
        super().on_url(url)
        self._count_head(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        """Add a header."""
        super().on_header(name, value)
        self._count_head(len(name) + len(value) + 4)

    def on_headers_complete(self) -> None:
        """Hand the request to the application."""
        self._in_head, self._in_body = False, True
        super().on_headers_complete()
        self._has_cycle = True

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, or drop it if the request was answered without it.

        An early refusal (413) leaves the rest of the body on its way. Closing at once would reset
        the connection and take the answer from a client that is still writing.
        """
        super().on_body(body)
        if self.cycle.response_complete:
            self._discarded_bytes += len(body)
            if self._discarded_bytes > self.limits.discard_bytes_max:
                self.transport.abort()

    def on_message_complete(self) -> None:
        """Note that the whole request is here."""
        self._in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what the parser could not read; *msg* is uvicorn's and says less than we do."""
        del msg
        self._refuse(*self._refusal)

    def pause_writing(self) -> None:
        """Begin to wait for a client that does not read."""
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self.limits.write_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _count_head(self, count: int) -> None:
        self._head_bytes += count
        if (
            self._head_bytes > self.limits.head_bytes_max
            or len(self.headers) > self.limits.headers_max
        ):
            self._refusal = self._head_too_large()
            raise _HeadTooLargeError

    def _head_too_large(self) -> tuple[int, str, str]:
        limits = self.limits
        detail = f"expected at most {limits.headers_max} headers of {limits.head_bytes_max} bytes"
        return (431, "head_too_large", f"{detail} in all")

    @property
    def _is_answering(self) -> bool:
        return self._has_cycle and not self.cycle.response_complete

    def _arm(self) -> None:
        """Have the right timer running for what is awaited from the client."""
        is_stray = (
            not self._in_head
            and not self._in_body
            and not self._is_answering
            and self.timeout_keep_alive_task is None
        )
        if is_stray:
            # Line ends between requests stop uvicorn's idle timer and begin no message.
            self._in_head, self._has_begun = True, False
        awaited = (self._message, self._in_head) if self._in_head or self._in_body else None
        if awaited == self._armed_for:
            return
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
        self._armed_for = awaited
        if awaited is not None:
            seconds = self.limits.head_s if self._in_head else self.limits.body_s
            self._read_timer = self.loop.call_later(seconds, self._give_up)

    def _give_up(self) -> None:
        """The client took too long: tell it, unless it never began."""
        if not self._has_begun or not (self._in_head or self._is_answering):
            self.transport.close()
            return
        part, seconds = (
            ("head", self.limits.head_s) if self._in_head else ("body", self.limits.body_s)
        )
        self._refuse(408, "too_slow", f"the request's {part} took longer than {seconds:g} s")
        if not self._in_head:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    def _refuse(self, status: int, code: str, detail: str) -> None:
        """Answer without the application, and close."""
        is_amid_answer = self._is_answering and (self._in_head or self.cycle.response_started)
        if not (is_amid_answer or self.pipeline):
            request_id = urandom(16).hex()
            body, media_type = render(Problem(status, detail, code), request_id, openai=False)
            headers = (
                f"content-type: {media_type}\r\ncontent-length: {len(body)}\r\n"
                f"x-request-id: {request_id}\r\nconnection: close\r\n"
                + ("retry-after: 1\r\n" if status == 503 else "")
            )
            self.transport.write(STATUS_LINE[status] + headers.encode("ascii") + b"\r\n" + body)
        self.transport.close()


def guarded(limits: Connections) -> type[GuardedProtocol]:
    """Return the protocol with other limits, for uvicorn's ``http`` option."""
    return type("GuardedProtocol", (GuardedProtocol,), {"limits": limits})
