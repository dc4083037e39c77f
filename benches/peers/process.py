"""The parent's side of a worker process: start, stop, continue, ask, and look at its memory.

A worker that is not being asked is stopped with SIGSTOP. Thread pools of several libraries spin for
a while after their work is done; stopped, they cannot take a core from the encoder under test.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from benches.peers.encoders import HIDDEN

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROOT = Path(__file__).parent.parent.parent
STOP_GRACE_S = 5.0
FIRST_TEXT = "ready?"
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class WorkerFailedError(Exception):
    """A worker could not load or run its encoder; the message is its own, or its last output."""


class WorkerAbsentError(WorkerFailedError):
    """The encoder is not installed or not possible on this machine."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What to run: ``name`` for people, ``encoder`` and ``options`` for the worker."""

    name: str
    encoder: str
    options: dict[str, Any]
    python: str
    install: str


class Worker:
    """A running worker, loaded and stopped; use as a context manager.

    Args:
        spec: what to run.
        threads: CPU threads that the encoder may use.
        log: file that receives the worker's standard error.

    Raises:
        WorkerAbsentError: not installed, or impossible here.
        WorkerFailedError: it broke while loading.
    """

    def __init__(self, spec: Spec, threads: int, log: Path) -> None:
        if not Path(spec.python).exists():
            raise WorkerAbsentError(f"{spec.python} does not exist")
        self.spec = spec
        self.idle_cpu_s = 0.0
        self._log = log
        started = time.perf_counter()
        with log.open("wb") as output:
            self._process = subprocess.Popen(  # noqa: S603 - our own worker
                [spec.python, "-m", "benches.peers.worker"],
                cwd=ROOT,
                env=_environment(threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                encoding="utf-8",
            )
        self._stopped_at_cpu_s = 0.0
        try:
            load = {"encoder": spec.encoder, "threads": threads, "options": spec.options}
            self.version: str = self._ask({"load": load})["version"]
            self._ask({"encode": [FIRST_TEXT]})
            self.ready_s = time.perf_counter() - started
            self._stop()
        except BaseException:
            self.close()
            raise

    def time(self, calls: list[list[str]]) -> list[float]:
        """Encode each list of texts in one call; return the seconds of each call."""
        answer = self._ask_awake({"time": calls})
        seconds: list[float] = answer["seconds"]
        return seconds

    def encode(self, texts: list[str]) -> NDArray[np.float32]:
        """Encode *texts* in one call; return (len(texts), 768) float32."""
        packed = base64.b64decode(self._ask_awake({"encode": texts})["vectors"])
        return np.frombuffer(packed, "<f4").reshape(len(texts), HIDDEN)

    def memory_mb(self) -> dict[str, float]:
        """Resident, proportional, anonymous and peak resident memory in MB (10^6 bytes)."""
        folder = Path("/proc") / str(self._process.pid)
        sizes = _kilobytes(folder / "smaps_rollup") | _kilobytes(folder / "status")
        fields = {"rss": "Rss", "pss": "Pss", "anonymous": "Anonymous", "peak": "VmHWM"}
        return {name: sizes[field] * 1024 / 1e6 for name, field in fields.items()}

    def close(self) -> None:
        """End the process; returns when it is gone."""
        self._process.send_signal(signal.SIGCONT)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):  # the worker died with a request unread
                    stream.close()
        try:
            self._process.wait(STOP_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask_awake(self, request: dict[str, Any]) -> dict[str, Any]:
        self.idle_cpu_s += self.cpu_s() - self._stopped_at_cpu_s
        self._process.send_signal(signal.SIGCONT)
        try:
            return self._ask(request)
        except WorkerFailedError as error:
            raise WorkerFailedError(f"{self.spec.name}: {error}") from error
        finally:
            self._stop()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            tail = self._log.read_text("utf-8", "replace").strip().splitlines()[-1:]
            raise WorkerFailedError("".join(tail) or "the worker died without a word")
        answer: dict[str, Any] = json.loads(line)
        if "absent" in answer:
            raise WorkerAbsentError(answer["absent"])
        if "error" in answer:
            raise WorkerFailedError(answer["error"])
        return answer

    def _stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)
        # Returns once every thread of the process has come to rest.
        os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        self._stopped_at_cpu_s = self.cpu_s()

    def cpu_s(self) -> float:
        """CPU seconds that the whole process has used so far."""
        stat = (Path("/proc") / str(self._process.pid) / "stat").read_text("ascii", "replace")
        user, system = stat.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) * _TICK_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _environment(threads: int) -> dict[str, str]:
    """Same thread count for every library's own pool; nobody goes to the network."""
    pools = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS")
    settings = {name: str(threads) for name in pools}
    return os.environ | settings | {"HF_HUB_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}


def _kilobytes(path: Path) -> dict[str, int]:
    lines = (line.split() for line in path.read_text("ascii", "replace").splitlines())
    return {parts[0].rstrip(":"): int(parts[1]) for parts in lines if parts[-1] == "kB"}


def busy_and_total_s() -> tuple[float, float]:
    """Return (busy, all) CPU seconds of the machine since boot, stolen time counted as busy."""
    fields = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:9]
    ticks = [int(field) * _TICK_S for field in fields]
    idle = ticks[3] + ticks[4]
    return sum(ticks) - idle, sum(ticks)


if sys.platform != "linux":
    raise SystemExit("benches.peers reads /proc: it runs on Linux only")
