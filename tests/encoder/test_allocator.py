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
from openviking.encoder.allocator import spare_memory
assert spare_memory()
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


# A freed block of 8 MB would raise the threshold; the next one, freed below another, would stay.
RELEASING = """
import ctypes
from pathlib import Path
from openviking.encoder.allocator import spare_memory
assert spare_memory()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype = ctypes.c_void_p
libc.free.argtypes = [ctypes.c_void_p]
def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096
before = resident()
for _ in range(2):
    blocks = [libc.malloc(8 << 20) for _ in range(4)]
    for block in blocks:
        ctypes.memset(block, 1, 8 << 20)
    assert resident() - before > 30 << 20
    for block in blocks[:-1]:
        libc.free(block)
    assert resident() - before < 10 << 20
    libc.free(blocks[-1])
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the threshold")
def test_large_blocks_are_given_back_whatever_was_freed_before():
    subprocess.run([sys.executable, "-c", RELEASING], check=True)  # noqa: S603 - above
