"""What of this machine the encoder depends on: its instruction set and its share of processors."""

from __future__ import annotations

import os
import platform
import sys
import threading
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_BULK_NICENESS = 10
"""Gives a thread a tenth of the processor time of a usual one, if both want the same processor."""


def instruction_set_id(cpuinfo: Path = _CPUINFO) -> str:
    """Name this processor's instruction set: equal ids can share weights in kernel layout."""
    flags = ""
    try:
        lines = cpuinfo.read_text("utf-8", "replace").splitlines()
        # x86 says "flags", ARM says "Features"; every processor of a machine repeats the line.
        flags = next(line for line in lines if line.startswith(("flags", "Features")))
        flags = " ".join(sorted(flags.partition(":")[2].split()))
    except (OSError, StopIteration):
        flags = platform.processor()
    digest = blake2b(flags.encode(), digest_size=4).hexdigest()
    return f"{platform.system().lower()}-{platform.machine()}-{digest}"


def processor_count(cpu_quota: Path = _CPU_QUOTA) -> int:
    """Count the processors that this process may keep busy, at least 1.

    The affinity mask counts, and so does a container's quota: more threads than the quota allows
    would be stopped together for the rest of each scheduling period.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        quota, period = cpu_quota.read_text("ascii").split()
        if quota != "max":
            count = min(count, round(int(quota) / int(period)))
    except (OSError, ValueError, ZeroDivisionError):
        pass  # no control group, or none that limits processors
    return max(count, 1)


def lower_thread_priority() -> None:
    """Let the calling thread stand back behind usual threads; where it cannot, nothing happens."""
    # Elsewhere than on Linux the call would mean the whole process.
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            niceness = max(os.getpriority(os.PRIO_PROCESS, thread), _BULK_NICENESS)
            os.setpriority(os.PRIO_PROCESS, thread, niceness)
