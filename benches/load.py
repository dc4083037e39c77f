"""Load over kept-alive HTTP/1.1 connections from one event loop, cheap enough to saturate a server.

Each client sends its next request when the answer to the last one is complete.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from functools import partial

import uvloop

TIMEOUT_S = 120


@dataclass(frozen=True, slots=True)
class Load:
    """Answered requests per second, and the seconds of each, sorted."""

    per_s: float
    seconds: list[float]

    def quantile_ms(self, share: float) -> float:
        """Return the time below which *share* of the requests stayed."""
        return self.seconds[min(int(len(self.seconds) * share), len(self.seconds) - 1)] * 1e3


@dataclass(slots=True)
class _Work:
    request: bytes
    left: int
    seconds: list[float] = field(default_factory=list)


class _Client(asyncio.Protocol):
    def __init__(self, work: _Work, done: asyncio.Future[None]) -> None:
        self._work = work
        self._done = done
        self._answer = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(ConnectionError(self._answer[:300].decode("latin-1")))
        elif len(body) == _content_length(head):
            self._work.seconds.append(time.perf_counter() - self._asked)
            self._answer = b""
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionError("the server closed the connection"))

    def _ask(self) -> None:
        if not self._work.left:
            if not self._done.done():
                self._done.set_result(None)
            self._transport.close()
            return
        self._work.left -= 1
        self._asked = time.perf_counter()
        self._transport.write(self._work.request)

    def _fail(self, error: Exception) -> None:
        if not self._done.done():
            self._done.set_exception(error)


def _content_length(head: bytes) -> int:
    _, _, rest = head.lower().partition(b"content-length:")
    return int(rest.partition(b"\r\n")[0])


def run_load(port: int, path: str, body: bytes, *, clients: int, requests: int) -> Load:
    """POST *body* to *path* so many times in all; any status but 200 raises ConnectionError."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    work = _Work(head.encode("ascii") + body, requests)

    async def main() -> float:
        loop = asyncio.get_running_loop()
        done = [loop.create_future() for _ in range(clients)]
        started = time.perf_counter()
        for future in done:
            await loop.create_connection(partial(_Client, work, future), "127.0.0.1", port)
        async with asyncio.timeout(TIMEOUT_S):
            await asyncio.gather(*done)
        return time.perf_counter() - started

    elapsed_s = uvloop.run(main())
    return Load(requests / elapsed_s, sorted(work.seconds))
