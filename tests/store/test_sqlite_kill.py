from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from openviking.store import SqliteStore

CYCLES = 10
LIFE_S = (0.02, 0.35)
ROOT = Path(__file__).resolve().parents[2]


def run_and_kill(folder: Path, cycle: int, life_s: float) -> list[list[str]]:
    """Let a writer live *life_s* after its first answered write; return its ledger."""
    process = subprocess.Popen(  # noqa: S603 - this interpreter, our own module
        [sys.executable, "-m", "tests.store.ledger_writer", str(folder), str(cycle)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    with process, process.stdout as ledger:
        first = ledger.readline()
        time.sleep(life_s)
        process.kill()
        lines = (first + ledger.read()).decode().split("\n")
    return [line.split(" ") for line in lines[:-1]]


def test_kill_9_loses_nothing_answered_and_doubles_nothing(tmp_path: Path) -> None:
    rng = random.Random(5)
    ledger: list[list[str]] = []
    for cycle in range(CYCLES):
        lines = run_and_kill(tmp_path, cycle, rng.uniform(*LIFE_S))
        assert lines, "the writer died before its first write"
        ledger += lines
        store = SqliteStore(tmp_path)
        assert_everything_is_there(store, ledger)
        assert_nothing_is_doubled_or_halved(store)
        store.close()
    assert Counter(line[0] for line in ledger).keys() == {"message", "resource", "skill"}


def assert_everything_is_there(store: SqliteStore, ledger: list[list[str]]) -> None:
    sessions = {
        (message.session_id, message.seq): message.content
        for number in range(4)
        for message in store.messages(f"session-{number}", last=1_000_000)
    }
    skills = store.skill_digests("b1")
    for kind, *fields in ledger:
        if kind == "message":
            assert sessions[fields[0], int(fields[1])] == fields[2]
        elif kind == "resource":
            found = store.resources.get(fields[0])
            assert (str(found.version), found.content) == (fields[1], fields[2])
        else:
            assert fields[0] in skills


def assert_nothing_is_doubled_or_halved(store: SqliteStore) -> None:
    for session in ("notes", *(f"session-{number}" for number in range(4))):
        found = store.messages(session, last=1_000_000)
        assert [message.seq for message in found] == list(range(1, len(found) + 1))
        assert len({message.content for message in found}) == len(found)
    stats = store.stats()
    # Every resource came with its note in one transaction, every skill with its four passages.
    assert stats["resources"] == len(store.messages("notes", last=1_000_000))
    assert stats["passages"] == 4 * stats["skills"]
    loaded = store.passage_vectors("b1")
    assert len(loaded.vectors) == stats["passages"]
    assert np.isfinite(loaded.vectors).all()
    assert len(store.match_skills("kept words", 10**6)) == stats["skills"]
