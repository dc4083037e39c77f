"""Memory of a server with the model and the example skills, after a load, by kind of mapping.

    python -m benches.memory [--requests 300]

Beside it a bare Starlette server, and the time until each was ready. Anonymous memory is what no
other process shares and no file backs; RSS counts mapped weights and libraries too.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .conftest import wait_until_ready

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent
BARE = """
import socket, uvicorn
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

async def answer(request):
    return JSONResponse(await request.json())

listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
app = Starlette(routes=[Route("/", answer, methods=["POST"])])
config = uvicorn.Config(app, loop="uvloop", http="httptools", access_log=False, log_config=None)
uvicorn.Server(config).run(sockets=[listener])
"""
_PORT = re.compile(rb"http://127\.0\.0\.1:(\d+)")
_HEAD = re.compile(r"^[0-9a-f]+-[0-9a-f]+ \S+ \S+ \S+ \S+ *(.*)$")


@contextmanager
def serving(command: list[str], pattern: re.Pattern[bytes]) -> Iterator[tuple[int, int, float]]:
    """Start a server; yield its process id, its port and the seconds until it was ready."""
    started = time.perf_counter()
    process = subprocess.Popen(  # noqa: S603 - our own modules
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            if found := pattern.search(line):
                yield process.pid, int(found[1]), time.perf_counter() - started
                break
        else:
            message = "the server ended before it was ready"
            raise RuntimeError(message)
    finally:
        process.terminate()
        process.communicate()


def mappings(pid: int) -> tuple[Counter[str], Counter[str]]:
    """Return resident and anonymous kilobytes by mapping."""
    resident: Counter[str] = Counter()
    anonymous: Counter[str] = Counter()
    name = ""
    for line in Path(f"/proc/{pid}/smaps").read_text("utf-8").splitlines():
        if head := _HEAD.match(line):
            name = Path(head[1]).name or "anonymous"
        elif line.startswith("Rss:"):
            resident[name] += int(line.split()[1])
        elif line.startswith("Anonymous:"):
            anonymous[name] += int(line.split()[1])
    return resident, anonymous


def pss_kb(pid: int) -> int:
    """Return the proportional set size in kilobytes."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii")
    found = re.search(r"^Pss: *(\d+)", text, re.MULTILINE)
    assert found
    return int(found[1])


def load(
    port: int, requests: int, paths: tuple[str, ...] = ("/skills/search", "/embeddings")
) -> None:
    """Ask never-seen questions, and embed texts of all lengths."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    for number in range(requests):
        words = f"question {os.urandom(3).hex()} about files {number} "
        length = 300 if number % 50 == 0 else number % 30 + 1
        for path in paths:
            body = {"text": words * length} if path == "/embeddings" else {"query": words}
            connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status


def show(name: str, pid: int, ready_s: float) -> int:
    """Print one server's figures, and return its anonymous megabytes."""
    resident, anonymous = mappings(pid)
    print(
        f"{name}: RSS {resident.total() // 1000} MB, PSS {pss_kb(pid) // 1000} MB, anonymous "
        f"{anonymous.total() // 1000} MB, ready after {ready_s:.2f} s",
        flush=True,
    )
    return anonymous.total() // 1000


def main() -> None:
    """Print both servers, then our largest mappings."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=300)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        with serving([sys.executable, "-c", BARE], _PORT) as (pid, port, ready_s):
            load(port, options.requests, ("/",))
            bare_mb = show("bare Starlette", pid, ready_s)
        storage = ["--storage", f"{folder}/storage"]
        ours = [sys.executable, "-m", "openviking"]
        imported = [*ours, "skills", "import", "examples/skills", *storage]
        subprocess.run(imported, cwd=ROOT, check=True, capture_output=True)  # noqa: S603 - ours
        serve = [*ours, "serve", "--port", "0", "--skills", "examples/skills", *storage]
        started = time.perf_counter()
        with serving(serve, _PORT) as (pid, port, _):
            wait_until_ready(http.client.HTTPConnection("127.0.0.1", port, timeout=60))
            ready_s = time.perf_counter() - started
            show("openviking, ready", pid, ready_s)
            load(port, options.requests)
            loaded_mb = show(f"openviking, {2 * options.requests} requests later", pid, ready_s)
            print(f"anonymous above bare Starlette: {loaded_mb - bare_mb} MB")
            resident, anonymous = mappings(pid)
            for name, kilobytes in resident.most_common(12):
                print(
                    f"  {name:40} {kilobytes / 1e3:7.1f} MB, {anonymous[name] / 1e3:5.1f} anonymous"
                )


if __name__ == "__main__":
    main()
