"""Run as a program: forks a server for every line on standard input, and says when it has died.

Everything is imported once, before the first fork: a server then starts in a tenth of a second,
and a test can afford to kill many. Each is a process of its own, on a port of its own.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from tests.asgi.served import HeldEncoder

from openviking.config import load_settings
from openviking.engine import Engine
from openviking.store import SqliteStore
from openviking_asgi.server import serve


def main(folder: str) -> None:
    """Fork, tell the child's number, wait for its death, tell of that; until the input ends."""
    for _ in sys.stdin:
        child = os.fork()
        if not child:
            run(Path(folder))
            os._exit(0)
        say(f"pid {child}")
        _, status = os.waitpid(child, 0)
        say(f"dead {-os.waitstatus_to_exitcode(status)}")


def run(folder: Path) -> None:
    """Serve until killed."""
    settings = load_settings(
        overrides={"server": {"port": 0, "drain_s": 5.0}, "storage": {"path": folder}}, environ={}
    )

    def open_engine() -> Engine:
        return Engine.open(settings, encoder=HeldEncoder(), store=SqliteStore(folder))

    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(settings, open_engine=open_engine)


def say(line: str) -> None:
    # One system call per line, for two processes write to the same pipe.
    os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
