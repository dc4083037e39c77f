"""A real HTTP server on a free port that plays a chat endpoint: a good one, or a bad one."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

KEY = "sk-hunter2"

Behaviour: TypeAlias = "Callable[[Handler], None]"


@dataclass
class Endpoint:
    """What a test sees of the server.

    Attributes:
        url: to be the ``api_base``.
        behave: what it does with a request; may be changed at any time.
        bodies: the requests' documents, in order.
        keys: the requests' Authorization headers.
        asked: set when a request has arrived.
        go_on: what patient behaviours wait for; set when the test ends.
    """

    url: str
    behave: Behaviour
    bodies: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    asked: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)


class Handler(BaseHTTPRequestHandler):
    """One request; the server's ``endpoint`` says what becomes of it."""

    server: Server

    def do_POST(self) -> None:
        endpoint = self.server.endpoint
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/chat/completions"
        endpoint.bodies.append(json.loads(body))
        endpoint.keys.append(self.headers["authorization"])
        endpoint.asked.set()
        with suppress(OSError):
            endpoint.behave(self)

    def answer(self, status: int, body: bytes, kind: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def begin_events(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()

    def event(self, document: Any) -> None:
        data = document if isinstance(document, str) else json.dumps(document)
        self.wfile.write(f"data: {data}\n\n".encode())
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    endpoint: Endpoint


def delta(text: str | None, finish: str | None = None) -> dict[str, Any]:
    return {
        "choices": [{"delta": {} if text is None else {"content": text}, "finish_reason": finish}]
    }


def says(text: str) -> Behaviour:
    """Answer with *text*, word by word if a stream is asked for."""

    def behave(request: Handler) -> None:
        if not request.server.endpoint.bodies[-1]["stream"]:
            message = {"role": "assistant", "content": text}
            request.answer(200, json.dumps({"choices": [{"message": message}]}).encode())
            return
        request.begin_events()
        for word in text.split(" "):
            request.event(delta(f"{word} "))
        request.event(delta(None, "stop"))
        request.event("[DONE]")

    return behave


def answers(status: int, body: bytes, kind: str = "application/json") -> Behaviour:
    return lambda request: request.answer(status, body, kind)


def hangs(request: Handler) -> None:
    """Say nothing until the test ends."""
    request.server.endpoint.go_on.wait()


def drips(request: Handler) -> None:
    """Send a header without end, a byte at a time: no single read is ever late."""
    request.wfile.write(b"HTTP/1.1 200 OK\r\nx: ")
    while not request.server.endpoint.go_on.wait(0.02):
        request.wfile.write(b"a")
        request.wfile.flush()


def cuts_the_stream(request: Handler) -> None:
    request.begin_events()
    request.event(delta("half an "))


def cuts_the_body(request: Handler) -> None:
    request.send_response(200)
    request.send_header("content-length", "1000")
    request.end_headers()
    request.wfile.write(b'{"choices"')


@contextmanager
def open_endpoint(behave: Behaviour) -> Iterator[Endpoint]:
    with Server(("127.0.0.1", 0), Handler) as server:
        endpoint = Endpoint(f"http://127.0.0.1:{server.server_port}/v1", behave)
        server.endpoint = endpoint
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield endpoint
        finally:
            endpoint.go_on.set()
            server.shutdown()
            thread.join()
