"""A real server over the real skills, started once, and the promised figures."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

ROOT = Path(__file__).parent.parent
CORPUS = ROOT.parent / "shared/data/skills_corpus.jsonl.gz"
WORK = ROOT / "build/bench"
START_TIMEOUT_S = 120


@dataclass(frozen=True)
class Server:
    """A running server: one kept-alive connection, its process id and how long it took to start."""

    connection: http.client.HTTPConnection
    pid: int
    ready_s: float
    skill_count: int

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.connection.port

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST *body* as JSON and return the decoded answer; any status but 200 is a failure."""
        answer: dict[str, Any] = json.loads(post(self.connection, path, body))
        return answer


def post(connection: http.client.HTTPConnection, path: str, body: dict[str, Any]) -> bytes:
    """POST *body* as JSON and return the answer's body; any status but 200 is a failure."""
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    content = response.read()
    assert response.status == 200, content
    return content


def skill_folder() -> Path:
    """The 2,874 real skills as a folder tree, or the examples where that corpus is absent."""
    if not CORPUS.exists():
        return ROOT / "examples/skills"
    folder = WORK / "corpus"
    if not folder.exists():
        partial = WORK / "corpus.partial"
        with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
            for line in lines:
                write_skill(partial, json.loads(line))
        partial.rename(folder)
    return folder


def write_skill(folder: Path, row: dict[str, str]) -> None:
    """Write one corpus row as ``<its path>/SKILL.md`` with its front matter."""
    path = folder / Path(row["source"].replace("/", "-")) / row["path"].lstrip("/")
    path.parent.mkdir(parents=True, exist_ok=True)
    front = json.dumps({"name": row["name"], "description": row["description"]})
    path.write_text(f"---\n{front}\n---\n{row['body'] or ''}", "utf-8")


@pytest.fixture(scope="session")
def storage() -> Path:
    """A storage folder that holds the real skills; imported on the first run, kept in build/."""
    folder = WORK / "storage"
    command = [sys.executable, "-m", "openviking", "skills", "import", str(skill_folder())]
    environment = os.environ | {"OPENVIKING_STORAGE_PATH": str(folder)}
    subprocess.run(command, env=environment, check=True, timeout=3600)  # noqa: S603 - our own command
    return folder


@pytest.fixture(scope="session")
def server(storage: Path) -> Iterator[Server]:
    """`openviking serve` on a free port over the imported skills."""
    command = [sys.executable, "-m", "openviking", "serve", "--port", "0"]
    environment = os.environ | {"OPENVIKING_STORAGE_PATH": str(storage)}
    started = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 - our own command
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            connection = connect(process.stdout)
            wait_until_ready(connection)
            ready_s = time.perf_counter() - started
            connection.request("GET", "/skills/hierarchical")
            skill_count = json.loads(connection.getresponse().read())["total_skills"]
            with contextlib.closing(connection):
                yield Server(connection, process.pid, ready_s, skill_count)
        finally:
            process.send_signal(signal.SIGTERM)


@contextlib.contextmanager
def process(
    module: str, *arguments: str, storage: Path | None = None
) -> Iterator[http.client.HTTPConnection]:
    """Run a module of ours that serves, and connect to it; it is ended afterwards."""
    command = [sys.executable, "-m", module, *arguments]
    where = {} if storage is None else {"OPENVIKING_STORAGE_PATH": str(storage)}
    with subprocess.Popen(  # noqa: S603 - our own modules
        command, cwd=ROOT, env=os.environ | where, stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        try:
            assert child.stdout is not None
            yield connect(child.stdout)
        finally:
            child.terminate()


@contextlib.contextmanager
def serving_skills() -> Iterator[http.client.HTTPConnection]:
    """Serve the imported skills, from when the work behind an opening is done."""
    with process("openviking", "serve", "--port", "0", storage=WORK / "storage") as connection:
        wait_until_ready(connection)
        wait_until_idle(partial(server_cpu_seconds, connection))
        yield connection


@contextlib.contextmanager
def bare_route(answer: bytes, *, tokens: int = 0) -> Iterator[http.client.HTTPConnection]:
    """Serve a JSON document from a Starlette application that does nothing else.

    Args:
        answer: the document.
        tokens: if not 0, each request runs the model on a text of so many before it is answered.
    """
    with tempfile.NamedTemporaryFile(suffix=".json") as document:
        Path(document.name).write_bytes(answer)
        with process("benches.bare", document.name, "--tokens", str(tokens)) as connection:
            yield connection


def connect(output: Iterable[str]) -> http.client.HTTPConnection:
    """Connect to the address that the server prints once it listens."""
    for line in output:
        if match := re.search(r"http://([\d.]+):(\d+)", line):
            return http.client.HTTPConnection(match[1], int(match[2]), timeout=60)
    raise RuntimeError("the server ended before it listened")


def wait_until_ready(connection: http.client.HTTPConnection) -> None:
    """Ask /readyz until it answers 200."""
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        connection.request("GET", "/readyz")
        response = connection.getresponse()
        response.read()
        if response.status == 200:
            return
        time.sleep(0.01)
    raise TimeoutError(f"the server was not ready within {START_TIMEOUT_S} s")


def wait_until_idle(cpu_seconds: Callable[[], float]) -> None:
    """Return once a process computes next to nothing: opening a storage has work behind it.

    Args:
        cpu_seconds: what it has used of processors.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        used = cpu_seconds()
        time.sleep(0.3)
        if cpu_seconds() - used < 0.03:
            return
    raise TimeoutError(f"the process still computes after {START_TIMEOUT_S} s")


def server_cpu_seconds(connection: http.client.HTTPConnection) -> float:
    """Ask a server what it has used of processors."""
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    found = (line.split()[1] for line in lines if line.startswith("process_cpu_seconds_total "))
    return float(next(found))


@pytest.fixture
def within_target(benchmark: BenchmarkFixture) -> Any:
    """Return a check that the median of this benchmark keeps the promise of that name."""
    targets = tomllib.loads((ROOT / "benches/targets.toml").read_text("utf-8"))

    def check(name: str) -> None:
        target = targets[name]
        benchmark.extra_info["target"] = name
        assert benchmark.stats is not None
        median_ms = benchmark.stats["median"] * 1e3
        assert median_ms <= target["limit_ms"], f"{target['title']}: {median_ms:.2f} ms"

    return check
