"""Telling the C library's allocator that a small process matters more than malloc without waiting.

glibc gives up to eight arenas per processor to threads that allocate at the same time, and keeps
what they free. A server of a few dozen threads, most of which wait, then holds some megabytes that
nobody uses; the threads that compute take their memory once and keep it, so they lose nothing.
Blocks of some hundred kilobytes are mapped by themselves and unmapped when they are freed; but each
such block that is freed raises the size from which that is so, up to 32 MB, unless it is set.
"""

from __future__ import annotations

import ctypes
from contextlib import suppress

_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8
_ARENAS = 2
_MAPPED_BYTES = 256 << 10


def spare_memory() -> bool:
    """Set the allocator up, before any thread is started; False where the library is another one.

    Affects the whole process, so a program calls it and a library does not.
    """
    with suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL("libc.so.6").mallopt
        has_arenas = mallopt(_M_ARENA_MAX, _ARENAS)
        return bool(mallopt(_M_MMAP_THRESHOLD, _MAPPED_BYTES) and has_arenas)
    return False
