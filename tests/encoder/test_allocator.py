"""The allocator's setting, in a process of its own, since it cannot be taken back."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# Eight threads that allocate at the same moment; `malloc_info` then lists one heap per arena.
PROGRAM = """
import ctypes, sys, threading
from openviking.encoder.allocator import use_few_arenas
assert use_few_arenas()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
barrier = threading.Barrier(8)
def allocate():
    barrier.wait()
    assert libc.malloc(5000)
    barrier.wait()
threads = [threading.Thread(target=allocate) for _ in range(8)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
libc.fopen.restype = ctypes.c_void_p
stream = ctypes.c_void_p(libc.fopen(sys.argv[1].encode(), b"w"))
libc.malloc_info(0, stream)
libc.fclose.argtypes = [ctypes.c_void_p]
libc.fclose(stream)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has arenas")
def test_threads_share_two_arenas(tmp_path: Path):
    report = tmp_path / "arenas.xml"
    subprocess.run([sys.executable, "-c", PROGRAM, str(report)], check=True)  # noqa: S603 - above
    assert 1 <= report.read_text("utf-8").count("<heap nr=") <= 2
