"""Taking out of the process what only its start needed of the libraries' code.

Linux maps sixteen pages around each one that is run, and never takes them out while memory is free:
a server that has started shows 38 MB of code of which requests run a part. Dropped here, the pages
stay in the system's page cache, and a page that is run again is back after a microsecond. So a
machine under pressure gains nothing by this that it would not take itself; what is shown as the
server's is then what it runs.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

_DONT_NEED = 4
_HEAD = re.compile(r"([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ [1-9]\d* +/")


def release_code_pages(mappings: Path = Path("/proc/self/smaps")) -> int:
    """Drop the pages of mapped code that nobody has written to; return the bytes looked at.

    Code only: a library's text is mapped once, stays as it is and is never unmapped by Python,
    whereas what it holds beside it may be written to at any time. Where the system has no such file
    or call, nothing happens.

    Args:
        mappings: where the process's mappings are told.
    """
    try:
        lines = mappings.read_text("utf-8", "replace").splitlines()
        # A call through PyDLL keeps the interpreter's lock.
        advise = ctypes.PyDLL(None).madvise
    except (OSError, AttributeError):
        return 0
    advise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    released = 0
    start = end = 0
    for line in lines:
        if line.startswith("Anonymous:"):
            # Written to, as a debugger's breakpoints are: dropping it would undo that.
            is_clean = line.split()[1] == "0"
            if end and is_clean and advise(start, end - start, _DONT_NEED) == 0:
                released += end - start
        elif not line[:1].isupper():
            head = _HEAD.match(line)
            start, end = (int(head[1], 16), int(head[2], 16)) if head else (0, 0)
    return released
