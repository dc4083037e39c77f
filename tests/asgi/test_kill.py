"""The server is killed at random moments while four clients write: what was answered is there."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import apsw
import pytest
from tests.asgi.ledger import (
    Connection,
    KeyedClient,
    PlainClient,
    ResourceClient,
    SkillClient,
    Unanswered,
)

from openviking.encoder.fake import HashingEncoder
from openviking.resources import Resources
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parent.parent.parent
LIFE_S = (0.0, 0.2)
START_S_MAX = 30.0
"""Ten times what a start may take on a machine that does nothing else."""

WHOLE_EVERY = 25
"""Cycles after which the whole storage is verified, and not only what was last written."""

Client = KeyedClient | PlainClient | ResourceClient | SkillClient


class Servers:
    """Starts servers on one storage folder, one after the other; each lives until it is killed."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.asgi.forked", str(folder)]
        self._forker = subprocess.Popen(  # noqa: S603 - our own module
            command, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._pid = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pid:
            self.kill()
        self._forker.kill()
        self._forker.wait(10)
        for stream in (self._forker.stdin, self._forker.stdout):
            assert stream is not None
            stream.close()

    def start(self) -> tuple[int, float]:
        """Start the next one; return its port and the seconds until it was ready."""
        assert self._forker.stdin is not None
        began = time.perf_counter()
        self._forker.stdin.write("start\n")
        self._forker.stdin.flush()
        self._pid = int(self._read(r"pid (\d+)"))
        port = int(self._read(r"http://127\.0\.0\.1:(\d+)"))
        self._read("(ready) after")
        return port, time.perf_counter() - began

    def kill(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        self._pid = 0
        assert self._read(r"dead (\d+)") == str(signal.SIGKILL.value)

    def _read(self, pattern: str) -> str:
        assert self._forker.stdout is not None
        line = self._forker.stdout.readline()
        found = re.search(pattern, line)
        assert found, f"{pattern} expected, got {line!r}"
        return found[1]


def write_until_killed(
    servers: Servers, clients: Sequence[Client], port: int, cycle: int, life_s: float
) -> None:
    """Let every client write from its own thread; kill the server *life_s* after the first."""
    has_begun, failures = threading.Event(), list[BaseException]()

    def write(client: Client) -> None:
        connection = Connection(port)
        try:
            while True:
                client.step(connection, cycle)
                has_begun.set()
        except Unanswered:
            pass
        except BaseException as error:  # noqa: BLE001 - told by the test's own thread
            failures.append(error)
            has_begun.set()
        finally:
            connection.close()

    threads = [threading.Thread(target=write, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    assert has_begun.wait(60)
    # Not a wait for something: the moment of death is what the test varies.
    time.sleep(life_s)
    servers.kill()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


def verify(folder: Path, clients: Sequence[Client], cycle: int, *, is_whole: bool) -> None:
    recent = {f"{kind}/{at}" for kind in ("keyed", "plain") for at in (cycle - 1, cycle)}
    store = SqliteStore(folder)
    for client in clients:
        client.verify(store, None if is_whole else recent)
    if is_whole:
        resources = Resources(store, HashingEncoder())
        assert resources.wait_until_embedded(60)
        assert resources.health()["waiting_for_vectors"] == 0
        resources.close()
    store.close()
    if is_whole:
        connection = apsw.Connection(str(folder / "openviking.db"))
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()


def kill_again_and_again(folder: Path, cycles: int, seed: int) -> tuple[float, int]:
    """Return the longest start in seconds, and how many writes were promised."""
    rng = random.Random(seed)
    resources, skills = ResourceClient(random.Random(seed + 1)), SkillClient()
    keyed, plain = KeyedClient(), PlainClient()
    clients: tuple[Client, ...] = (keyed, plain, resources, skills)
    longest = 0.0
    with Servers(folder) as servers:
        servers.start()
        servers.kill()
        for cycle in range(cycles):
            port, start_s = servers.start()
            longest = max(longest, start_s)
            connection = Connection(port)
            resources.verify_search(connection)
            skills.verify_search(connection)
            connection.close()
            write_until_killed(servers, clients, port, cycle, rng.uniform(*LIFE_S))
            is_whole = cycle % WHOLE_EVERY == WHOLE_EVERY - 1 or cycle == cycles - 1
            verify(folder, clients, cycle, is_whole=is_whole)
    promised = sum(map(len, keyed.promised.values())) + sum(map(len, plain.promised.values()))
    return longest, promised + len(skills.promised)


def test_kill_9_over_http_loses_nothing_answered_and_doubles_nothing(tmp_path: Path):
    longest, promised = kill_again_and_again(tmp_path, cycles=50, seed=11)
    assert promised > 50
    assert longest < START_S_MAX


@pytest.mark.soak
def test_five_hundred_kills_lose_nothing_answered_and_double_nothing(tmp_path: Path):
    longest, promised = kill_again_and_again(tmp_path, cycles=500, seed=12)
    sys.stdout.write(f"500 kills, {promised} writes promised, longest start {longest:.2f} s\n")
    assert promised > 500
    assert longest < START_S_MAX
