"""The real process on a real port: start, stock clients, hostile clients, shutdown."""

from __future__ import annotations

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote

import numpy as np
import openai
import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import ConfigError
from openviking_asgi.server import ECHO_S, Signals, listen

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
JSON = {"content-type": "application/json"}


class Process:
    """A server process; its standard error, the log, is collected as it comes."""

    def __init__(self, folder: Path, *, drain_s: float = 10) -> None:
        command = [sys.executable, "-m", "tests.asgi.served", str(folder), str(drain_s)]
        self.child = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip
        self.log: list[str] = []
        self._logged = threading.Condition()
        self._reader = threading.Thread(target=self._read_log)
        self._reader.start()
        match = re.search(r"http://127\.0\.0\.1:(\d+)", self.line())
        assert match
        self.port = int(match[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.child.kill()
        self.child.wait(10)
        self._reader.join(10)
        for stream in (self.child.stdin, self.child.stdout, self.child.stderr):
            assert stream is not None
            stream.close()

    def line(self) -> str:
        assert self.child.stdout is not None
        line = self.child.stdout.readline()
        assert line, "".join(self.log)
        return line

    def tell(self, line: str = "") -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{line}\n")
        self.child.stdin.flush()

    def start(self) -> Self:
        self.tell()
        assert self.line().startswith("ready after")
        return self

    def end(self) -> int:
        code = self.child.wait(20)
        self._reader.join(10)
        return code

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            content = json.dumps(body) if isinstance(body, (dict, list)) else body
            connection.request(method, path, content, JSON | (headers or {}))
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return response.status, answered, response.read()
        finally:
            connection.close()

    def logged(self, text: str) -> str:
        """Wait for the line of the log that holds *text*, and return it."""
        with self._logged:
            assert self._logged.wait_for(lambda: any(text in line for line in self.log), 20), (
                f"{text} is not in the log: {''.join(self.log)}"
            )
            return next(line for line in self.log if text in line)

    def _read_log(self) -> None:
        assert self.child.stderr is not None
        for line in self.child.stderr:
            with self._logged:
                self.log.append(line)
                self._logged.notify_all()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("served")) as process:
        yield process.start()


def test_while_the_engine_loads_the_port_answers_and_afterwards_serves(tmp_path: Path):
    with Process(tmp_path) as process:
        assert process.ask("GET", "/livez")[0] == 200
        assert process.ask("GET", "/readyz")[0] == 503
        assert process.ask("GET", "/health")[0] == 503
        status, headers, _ = process.ask("POST", "/embeddings", {"text": "a"})
        assert (status, headers["retry-after"]) == (503, "1")
        process.start()
        assert process.ask("GET", "/readyz")[0] == 200
        assert process.ask("POST", "/embeddings", {"text": "a"})[0] == 200


def test_an_engine_that_cannot_be_opened_ends_the_process_with_its_error(tmp_path: Path):
    with Process(tmp_path) as process:
        process.tell("fail")
        assert process.end() != 0
        assert "openviking model pull" in process.log[-1]


def test_a_stop_finishes_what_runs_refuses_what_comes_and_ends_with_0(tmp_path: Path):
    with Process(tmp_path) as process, ThreadPoolExecutor(1) as pool:
        process.start()
        running = pool.submit(process.ask, "POST", "/embeddings", {"text": "hold"})
        assert process.line() == "held\n"
        process.child.send_signal(signal.SIGTERM)
        while process.ask("GET", "/readyz")[0] == 200:
            pass
        status, _, body = process.ask("GET", "/readyz")
        assert (status, json.loads(body)) == (503, {"status": "draining"})
        assert process.ask("GET", "/livez")[0] == 200
        assert process.ask("POST", "/embeddings", {"text": "b"})[0] == 503
        process.tell()
        status, _, body = running.result(20)
        assert (status, json.loads(body)["dimension"]) == (200, 768)
        assert process.line() == "ended\n"
        assert process.end() == 0


@pytest.mark.parametrize("drain_s", [0.2, 60])
def test_a_request_that_never_ends_does_not_keep_the_process(tmp_path: Path, drain_s: float):
    with Process(tmp_path, drain_s=drain_s) as process, ThreadPoolExecutor(1) as pool:
        process.start()
        running = pool.submit(process.ask, "POST", "/embeddings", {"text": "hold"})
        assert process.line() == "held\n"
        process.child.send_signal(signal.SIGTERM)
        if drain_s > 1:
            # Patience is configured; a second signal ends it.
            while process.ask("GET", "/readyz")[0] == 200:
                pass
            process.child.send_signal(signal.SIGINT)
        process.end()
        status, headers, body = running.result(20)
        assert (status, headers["retry-after"]) == (503, "5")
        assert "stopped before" in json.loads(body)["detail"]
        assert not [line for line in process.log if "in lifespan" in line]


def test_a_signal_that_is_heard_twice_is_one_and_a_later_or_another_one_is_a_second():
    now = 100.0
    signals = Signals(lambda: now)

    assert not signals.is_second(signal.SIGTERM)
    assert not signals.is_second(signal.SIGTERM)
    assert signals.is_second(signal.SIGINT)
    now += ECHO_S
    assert signals.is_second(signal.SIGTERM)


def test_a_group_that_is_signalled_twice_at_once_still_finishes_what_runs(tmp_path: Path):
    with Process(tmp_path) as process, ThreadPoolExecutor(1) as pool:
        process.start()
        running = pool.submit(process.ask, "POST", "/embeddings", {"text": "hold"})
        assert process.line() == "held\n"
        for _ in range(20):
            process.child.send_signal(signal.SIGTERM)
        while process.ask("GET", "/readyz")[0] == 200:
            pass
        process.tell()
        assert running.result(20)[0] == 200
        assert process.line() == "ended\n"
        assert process.end() == 0


def test_a_busy_port_is_an_error_that_names_the_port_and_the_way_out(server: Process):
    with pytest.raises(
        ConfigError, match=rf"port {server.port} .*in use.* --port {server.port + 1}"
    ):
        listen("127.0.0.1", server.port)


@pytest.mark.parametrize("host", ["203.0.113.7", "no such host", "256.0.0.1"])
def test_an_address_that_is_not_ours_is_an_error_with_the_way_out(host: str):
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1"):
        listen(host, 0)


def test_the_stock_openai_client_gets_embeddings_unchanged(server: Process):
    with openai.OpenAI(
        base_url=f"http://127.0.0.1:{server.port}/v1", api_key="none", max_retries=0
    ) as client:
        answer = client.embeddings.create(model="openviking", input=["a calm sea", "a ship"])
        expected = HashingEncoder().encode(["a calm sea", "a ship"]).vectors
        got = np.array([item.embedding for item in answer.data], np.float32)
        assert np.array_equal(got, expected)
        assert answer.usage.total_tokens == 9
        tokens = client.embeddings.create(model="openviking", input=[1, 2, 3])
        assert len(tokens.data[0].embedding) == 768
        plain = client.embeddings.create(model="openviking", input="x", encoding_format="float")
        assert len(plain.data[0].embedding) == 768
        models = client.models.list().data
        assert client.models.retrieve(models[0].id).id == models[0].id
        with pytest.raises(openai.NotFoundError, match="is not served here"):
            client.embeddings.create(model="text-embedding-3-small", input="x")
        with pytest.raises(openai.BadRequestError, match="only width"):
            client.embeddings.create(model="openviking", input="x", dimensions=256)
        with pytest.raises(openai.UnprocessableEntityError, match="empty"):
            client.embeddings.create(model="openviking", input="")


def test_each_request_is_one_json_line_without_what_the_user_wrote(server: Process):
    headers = {"x-request-id": "line-1"}
    server.ask("POST", "/skills/search?token=hidden", {"query": "my private words"}, headers)
    server.ask("GET", "/secret/path", headers={"x-request-id": "line-2"})
    first, second = (json.loads(server.logged(f'"line-{number}"')) for number in (1, 2))
    assert first.items() >= {
        "event": "request", "level": "info", "method": "POST", "route": "/skills/search",
        "status": 200, "client": "127.0.0.1", "bytes_in": 29,
    }.items()  # fmt: skip
    assert first["duration_ms"] > 0
    assert first["bytes_out"] > 0
    assert first["timestamp"].endswith("Z")
    assert second["route"] == "(unmatched)"
    everything = "".join(server.log)
    assert not re.search("private|hidden|secret", everything)


def test_ten_megabytes_are_413_announced_or_chunked_and_the_server_lives(server: Process):
    body = b" " * 10_000_000
    assert server.ask("POST", "/embeddings", body)[0] == 413
    pieces = iter([body[at : at + 100_000] for at in range(0, len(body), 100_000)])
    assert server.ask("POST", "/embeddings", pieces)[0] == 413
    assert server.ask("POST", "/embeddings", {"text": "a"})[0] == 200


def test_a_slow_head_and_a_slow_body_are_408(server: Process):
    for sent in (
        b"GET / HTTP/1.1\r\nx: ",
        b"POST /embeddings HTTP/1.1\r\ncontent-length: 9\r\n\r\n{",
    ):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
            connection.sendall(sent)
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"x-request-id: " in answer


def test_an_oversize_head_is_431(server: Process):
    assert server.ask("GET", "/livez", headers={"x": "v" * 40_000})[0] == 431
    assert server.ask("GET", "/livez", headers={f"x{n}": "v" for n in range(200)})[0] == 431
    assert server.ask("GET", "/" + "a" * 40_000)[0] == 431


@pytest.mark.parametrize("uri", ["100%25 done", "a/../b", "x?y=1#z", "viking://ü/%2F"])
def test_a_uri_goes_to_the_server_and_back(server: Process, uri: str):
    server.ask("POST", "/resources", {"content": uri, "target_uri": uri})
    status, _, body = server.ask("GET", f"/resources/uri:{quote(uri, safe='')}")
    assert (status, json.loads(body)["target_uri"]) == (200, uri)


def test_requests_that_arrive_together_are_all_answered(server: Process):
    def ask(number: int) -> bool:
        status, _, body = server.ask("POST", "/embeddings", {"text": f"text {number % 7}"})
        return status == 200 and len(json.loads(body)["embedding"]) == 768

    with ThreadPoolExecutor(32) as pool:
        assert all(pool.map(ask, range(200)))
