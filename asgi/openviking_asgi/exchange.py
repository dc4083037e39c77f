"""One request and its answer as the server sees them: what is logged, counted and identified."""

from __future__ import annotations

import re
import time
from os import urandom
from typing import TYPE_CHECKING

from openviking_asgi.errors import RequestError
from openviking_asgi.limits import BODY_BYTES_MAX, REQUEST_ID_CHARS_MAX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.types import Receive, Scope

KEY = "openviking.exchange"
"""Where the scope holds it."""

UNMATCHED = "(unmatched)"
"""The route of a request that no route takes; a path never becomes a label or a log field."""

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:+/=@-]{1,%d}" % REQUEST_ID_CHARS_MAX)


class ClientGoneError(Exception):
    """The client hung up before its request was complete; nobody is left to answer."""


class Exchange:
    """What is known of one request, filled in as it goes through the server.

    Attributes:
        request_id: the client's if it sent a valid one, else 32 hex digits of our own.
        method: HTTP method.
        client: address of the peer, without the port; empty if unknown.
        content_type: value of the header, None if there is none.
        content_encoding: how the body is compressed, None if it is not.
        body_bytes: length that the client announced, None if it did not.
        is_browser: whether a browser sent it on behalf of some page.
        expects_continue: whether the client waits for leave to send its body.
        route: template of the path, e.g. ``/skills/{skill_id}``.
        place: where the request's fields are: ``body``, ``query`` or ``path``.
        status: answered status; 499 when the client hung up.
        bytes_in: bytes of the body that were read.
        bytes_out: bytes of the answer's body.
    """

    __slots__ = (
        "body_bytes", "bytes_in", "bytes_out", "client", "content_encoding", "content_type",
        "expects_continue", "is_browser", "method", "place", "request_id", "route", "started",
        "status",
    )  # fmt: skip

    def __init__(self, scope: Scope) -> None:
        self.started = time.perf_counter()
        self.method: str = scope["method"]
        self.client: str = scope["client"][0] if scope.get("client") else ""
        self.route = UNMATCHED
        self.place = "body"
        self.status = 499
        self.bytes_in = 0
        self.bytes_out = 0
        self.content_type: bytes | None = None
        self.content_encoding: bytes | None = None
        self.body_bytes: int | None = None
        self.is_browser = False
        self.expects_continue = False
        self.request_id = ""
        for name, value in scope["headers"]:
            if name == b"content-type":
                self.content_type = value
            elif name == b"content-length":
                # Python refuses to read thousands of digits; what streams in is counted anyway.
                is_number = value.isdigit() and len(value) < 20
                self.body_bytes = int(value) if is_number else None
            elif name == b"x-request-id":
                self.request_id = value.decode("ascii") if _REQUEST_ID.fullmatch(value) else ""
            elif name == b"content-encoding":
                self.content_encoding = None if value.lower() == b"identity" else value
            elif name == b"origin":
                self.is_browser = True
            elif name == b"expect":
                self.expects_continue = True
        if not self.request_id:
            self.request_id = urandom(16).hex()

    @property
    def seconds(self) -> float:
        """Time since the request's headers were complete."""
        return time.perf_counter() - self.started

    def check_media_type(self) -> None:
        """Refuse a body that does not claim to be JSON in UTF-8, or is compressed.

        A body without any type is taken as JSON, for plain scripts send it so; but not from a
        browser page, which could otherwise reach a local server without the user's leave.

        Raises:
            RequestError: 415.
        """
        if self.content_encoding is not None:
            kind = self.content_encoding[:40].decode("latin-1")
            raise RequestError(415, f"expected a body that is not compressed, got {kind!r}")
        if self.content_type == b"application/json":
            return
        if self.content_type is None:
            if self.is_browser:
                raise RequestError(415, "expected Content-Type: application/json, got none")
            return
        value = self.content_type.decode("latin-1").lower()
        kind, _, parameters = value.partition(";")
        kind = kind.strip()
        is_json = kind == "application/json" or (
            kind.startswith("application/") and kind.endswith("+json")
        )
        if not is_json:
            raise RequestError(415, f"expected Content-Type: application/json, got {kind[:80]!r}")
        for parameter in parameters.split(";"):
            name, _, charset = parameter.partition("=")
            if name.strip() == "charset" and charset.strip(" \"'") not in {"utf-8", "utf8"}:
                raise RequestError(415, f"expected charset utf-8, got {charset[:40]!r}")

    async def read_body(self, receive: Receive) -> bytes:
        """Return the whole body.

        Raises:
            RequestError: 413, before anything is read if the client announced the length.
            ClientGoneError: the client hung up.
        """
        if self.body_bytes is not None and self.body_bytes > BODY_BYTES_MAX:
            # A client that waits for leave to send its body now never sends it, so that nothing
            # after it on this connection could be told from that body.
            headers = {"connection": "close"} if self.expects_continue else {}
            raise _too_large(f"{self.body_bytes} bytes", headers)
        message = await receive()
        body: bytes = message.get("body", b"")
        if message["type"] == "http.request" and not message.get("more_body"):
            self.bytes_in = len(body)
            if self.bytes_in > BODY_BYTES_MAX:
                raise _too_large("more")
            return body
        pieces = [body]
        self.bytes_in = len(body)
        while message["type"] == "http.request" and message.get("more_body"):
            message = await receive()
            piece = message.get("body", b"")
            self.bytes_in += len(piece)
            if self.bytes_in > BODY_BYTES_MAX:
                raise _too_large("more")
            pieces.append(piece)
        if message["type"] != "http.request":
            raise ClientGoneError
        return b"".join(pieces)


def _too_large(got: str, headers: Mapping[str, str] | None = None) -> RequestError:
    detail = f"expected a body of at most {BODY_BYTES_MAX} bytes, got {got}"
    return RequestError(413, detail, headers=headers)
