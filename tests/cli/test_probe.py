"""`openviking probe` against servers that are ready, not ready, silent, and no servers at all."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest

from openviking.cli.probe import ask, url_of
from openviking.config import load_settings
from openviking.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run


@contextmanager
def server(*statuses: int) -> Iterator[str]:
    """Answer with the statuses in turn, the last one again and again; yields the address."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(statuses[min(len(asked), len(statuses)) - 1])
            self.end_headers()
            self.wfile.write(b'{"detail": "the model is still loading"}')

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its signature
            del format, args

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@contextmanager
def talker(answer: bytes) -> Iterator[int]:
    """Accept one connection, send *answer*, and keep it open; yields the port."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def talk() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.sendall(answer)
                while connection.recv(1024):
                    pass

        thread = threading.Thread(target=talk)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_a_ready_server_gives_exit_0(run: Run):
    with server(200) as address:
        result = run("probe", OPENVIKING_PORT=address.rpartition(":")[2])

    assert result.exit_code == 0
    assert result.stdout == f"{address}/readyz: ready\n"


def test_a_server_that_loads_gives_exit_1_and_its_reason(run: Run):
    with server(503) as address:
        result = run("probe", "--url", f"{address}/readyz")

    assert result.exit_code == 1
    assert "answered 503" in result.stderr
    assert "still loading" in result.stderr


def test_waiting_ends_as_soon_as_the_server_is_ready(run: Run):
    with server(503, 503, 200) as address:
        result = run("probe", "--wait", "20", "--url", f"{address}/readyz", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["status"] == 200


def test_a_redirect_is_not_ready(run: Run):
    with server(302) as address:
        assert run("probe", "--url", f"{address}/").exit_code == 1


def test_nobody_there_gives_exit_1(run: Run):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    result = run("probe", "--wait", "0.1", OPENVIKING_PORT=str(port))

    assert result.exit_code == 1
    assert "no answer" in result.stderr


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 abc\r\n\r\n"])
def test_a_silent_or_foreign_server_is_no_answer_within_the_timeout(answer: bytes):
    with talker(answer) as port, pytest.raises(BackendError, match="no answer"):
        ask(f"http://127.0.0.1:{port}/readyz", 0.2)


@pytest.mark.parametrize("url", ["ftp://x/", "http://", "x", "http://[::1", "http://h:99999/"])
def test_what_is_no_http_address_is_a_usage_error(run: Run, url: str):
    result = run("probe", "--url", url)

    assert result.exit_code == 2
    assert "--url" in result.stderr


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8002/readyz"),
        ("0.0.0.0", "http://127.0.0.1:8002/readyz"),  # noqa: S104 - nothing is bound
        ("::", "http://[::1]:8002/readyz"),
        ("::1", "http://[::1]:8002/readyz"),
        ("host.example", "http://host.example:8002/readyz"),
    ],
)
def test_a_server_that_listens_everywhere_is_asked_on_this_machine(host: str, url: str):
    settings = load_settings(environ={"HOME": "/h", "OPENVIKING_HOST": host})

    assert url_of(settings, "/readyz") == url
