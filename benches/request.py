"""Where the time of a request goes, from socket to socket: ``python -m benches.request``.

Over the real skills, one client, medians in microseconds, three ways: through a socket, as a call
of the ASGI application, and as a call of the engine. What stands between two columns is the cost
of what lies between them: sockets and uvicorn; routing, decoding, the way to a worker thread and
back, JSON, metrics and the log line. The first row is a server that does nothing, for scale.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop

import openviking
from openviking.config import Logging
from openviking_asgi.app import create_app
from openviking_asgi.log import configure

from .conftest import WORK, bare_route, post, serving_skills, wait_until_idle

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.engine import Engine

ROUNDS = 300
NUMBERS = itertools.count()


@dataclass(frozen=True)
class Case:
    """A request: its path, a body for each repetition, and what prepares one."""

    name: str
    path: str
    body: Callable[[], dict[str, str]]
    prepare: bool = False


def new_text() -> str:
    return f"how do I join slow tables in project {next(NUMBERS)}-{os.getpid()}?"


CASES = (
    Case("embedding, repeated", "/embeddings", lambda: {"text": "the same text again"}),
    Case("embedding, never seen", "/embeddings", lambda: {"text": new_text()}),
    Case("search, repeated", "/skills/search", lambda: {"query": "tables from a PDF file"}),
    Case("search, known embedding", "/skills/search", lambda: {"query": new_text()}, prepare=True),
    Case("search, never seen", "/skills/search", lambda: {"query": new_text()}),
)


def median_us(
    ask: Callable[[str, dict[str, str]], object], case: Case, know: Callable[[str], object]
) -> float:
    """Median microseconds of *ask* (path, body); *know* has a text embedded beforehand."""
    seconds = []
    for _ in range(ROUNDS):
        body = case.body()
        if case.prepare:
            know(body["query"])
        started = time.perf_counter()
        ask(case.path, body)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e6


def by_engine(engine: Engine) -> list[float]:
    """Time each case as a call of the engine."""

    def ask(_path: str, body: dict[str, str]) -> None:
        if "text" in body:
            engine.embed([body["text"]])
        else:
            engine.search_skills(body["query"])

    return [median_us(ask, case, lambda text: engine.embed([text])) for case in CASES]


def by_application(engine: Engine, log: Path) -> list[float]:
    """Time each case as a call of the ASGI application, its log going to a file."""
    standard_error, sys.stderr = sys.stderr, log.open("w", encoding="utf-8")
    app = create_app(engine, log_request=configure(Logging(level="INFO", format="json")))
    sys.stderr = standard_error

    async def call(path: str, body: bytes) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        scope: dict[str, Any] = {
            "type": "http", "method": "POST", "path": path, "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "root_path": "", "http_version": "1.1",
        }  # fmt: skip

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            assert message.get("status", 200) == 200, message

        await app(scope, receive, send)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        medians = [
            median_us(
                lambda path, body: runner.run(call(path, json.dumps(body).encode())),
                case,
                lambda text: engine.embed([text]),
            )
            for case in CASES
        ]
        runner.run(lifespan.__aexit__(None, None, None))
    return medians


def by_socket() -> tuple[float, list[float]]:
    """Time each case over HTTP, and before them a bare Starlette route with a search's answer."""
    with serving_skills() as connection:
        medians = [
            median_us(
                partial(post, connection),
                case,
                lambda text: post(connection, "/embeddings", {"text": text}),
            )
            for case in CASES
        ]
        answer = post(connection, "/skills/search", CASES[2].body())
    with bare_route(answer) as connection:
        bare = median_us(
            lambda _path, body: post(connection, "/", body), CASES[2], lambda text: text
        )
    return bare, medians


def main() -> None:
    """Measure and print the table."""
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    if not (WORK / "storage").exists():
        raise SystemExit("there are no imported skills yet; run `make bench` first")
    with (
        tempfile.TemporaryDirectory() as folder,
        openviking.open(storage={"path": WORK / "storage"}) as engine,
    ):
        engine.warm()
        wait_until_idle(time.process_time)
        engine_us = by_engine(engine)
        application_us = by_application(engine, Path(folder) / "log")
    bare_us, socket_us = by_socket()
    print(f"{'medians in microseconds':<26} {'socket':>9} {'application':>12} {'engine':>9}")
    print(f"{'a bare Starlette route':<26} {bare_us:>9.0f}")
    for case, socket, application, engine_only in zip(
        CASES, socket_us, application_us, engine_us, strict=True
    ):
        print(f"{case.name:<26} {socket:>9.0f} {application:>12.0f} {engine_only:>9.0f}")


if __name__ == "__main__":
    main()
