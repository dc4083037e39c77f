"""Run as a program: write to a store from several threads, print a line for each answered write.

Killed from outside at a random moment; what it printed is the ledger of what must be on disk.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from pathlib import Path

from tests.store.conftest import entry, skill

from openviking.store import SqliteStore
from openviking.store.resources import NewResource

THREADS = 4


def main(folder: str, cycle: str) -> None:
    store = SqliteStore(Path(folder))

    def write(number: int) -> None:
        for at in itertools.count():
            name = f"{cycle}-{number}-{at}"
            message = store.append_message(f"session-{number}", "user", name, {})
            acknowledge(f"message {message.session_id} {message.seq} {name}")
            new = NewResource(name, f"viking://{number}", session_id="notes", note=name)
            resource = store.resources.put([new])[0].resource
            acknowledge(f"resource {resource.id} {resource.version} {name}")
            if at % 8 == 0:
                store.put_skills([entry(skill(name, body="kept words " * 500), passages=4)])
                acknowledge(f"skill {name}")

    for number in range(THREADS):
        threading.Thread(target=write, args=(number,)).start()


def acknowledge(line: str) -> None:
    # One system call per line: a kill leaves whole lines, and nothing waits in a buffer.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
