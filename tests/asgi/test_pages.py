"""Dropping the pages of code: it is done, it spares what was written to, and code still runs."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from openviking_asgi.pages import release_code_pages

if TYPE_CHECKING:
    from pathlib import Path

# In a process of its own, where nobody else runs library code between the two measurements.
PROGRAM = """
import re
from pathlib import Path
import numpy as np
from openviking_asgi.pages import release_code_pages

def code_kb():
    head, total = False, 0
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if not line[:1].isupper():
            head = " r-xp " in line and "/" in line
        elif head and line.startswith("Rss:"):
            total += int(line.split()[1])
    return total

square = np.ones((64, 64)) @ np.ones((64, 64))
before = code_kb()
released = release_code_pages()
after = code_kb()
assert released >= before * 1024, (released, before)
assert after < 0.8 * before, (before, after)
assert (np.ones((64, 64)) @ np.ones((64, 64)) == square).all()
assert np.linalg.norm(np.arange(3.0)) == 5**0.5
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells of its mappings")
def test_pages_of_code_are_dropped_and_code_runs_on():
    outcome = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", PROGRAM], check=False, capture_output=True, text=True, timeout=60
    )
    assert outcome.returncode == 0, outcome.stderr


def test_what_is_written_to_or_is_no_code_is_left_alone(tmp_path: Path):
    told = tmp_path / "smaps"
    told.write_text(
        "1000-2000 r-xp 00000000 fe:00 77   /usr/lib/patched.so\nRss: 4 kB\nAnonymous: 4 kB\n"
        "3000-4000 rw-p 00000000 fe:00 77   /usr/lib/data.so\nRss: 4 kB\nAnonymous: 0 kB\n"
        "5000-6000 r--p 00000000 fe:00 77   /usr/lib/tables.so\nRss: 4 kB\nAnonymous: 0 kB\n"
        "7000-8000 r-xp 00000000 00:00 0    [vdso]\nRss: 4 kB\nAnonymous: 0 kB\n"
        "9000-a000 r-xp 00000000 00:00 0 \nRss: 4 kB\nAnonymous: 0 kB\n"
    )
    assert release_code_pages(told) == 0


def test_a_system_that_tells_nothing_is_left_alone(tmp_path: Path):
    assert release_code_pages(tmp_path / "missing") == 0
