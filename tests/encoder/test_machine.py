from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from openviking.encoder.machine import (
    instruction_set_id,
    lower_thread_priority,
    processor_count,
)

if TYPE_CHECKING:
    from pathlib import Path

CPUINFO = "processor\t: {number}\nmodel name\t: {name}\nflags\t\t: {flags}\n\n"


def _written(folder: Path, name: str, flags: str) -> Path:
    path = folder / name
    path.write_text("".join(CPUINFO.format(number=n, name=name, flags=flags) for n in range(2)))
    return path


def test_processors_with_the_same_instructions_share_an_id(tmp_path: Path):
    one = _written(tmp_path, "one", "fpu avx2 avx512f")
    other = _written(tmp_path, "other", "avx512f fpu avx2")
    older = _written(tmp_path, "older", "fpu avx2")

    assert instruction_set_id(one) == instruction_set_id(other)
    assert instruction_set_id(one) != instruction_set_id(older)


def test_an_arm_processor_has_an_id_too(tmp_path: Path):
    (tmp_path / "arm").write_text("processor: 0\nFeatures\t: fp asimd asimddp\n")
    (tmp_path / "other").write_text("processor: 0\nFeatures\t: fp asimd\n")

    assert instruction_set_id(tmp_path / "arm") != instruction_set_id(tmp_path / "other")


def test_without_a_list_of_instructions_the_id_is_stable(tmp_path: Path):
    assert instruction_set_id(tmp_path / "none") == instruction_set_id(tmp_path / "none")


@pytest.mark.parametrize(
    ("quota", "count"), [("100000 100000", 1), ("50000 100000", 1), ("1000 100000", 1)]
)
def test_a_quota_limits_the_processors(tmp_path: Path, quota: str, count: int):
    (tmp_path / "cpu.max").write_text(quota)

    assert processor_count(tmp_path / "cpu.max") == count


@pytest.mark.parametrize("quota", ["max 100000", "", "9999999 100000", "1 0", "x"])
def test_no_quota_or_a_generous_one_limits_nothing(tmp_path: Path, quota: str):
    (tmp_path / "cpu.max").write_text(quota)

    assert processor_count(tmp_path / "cpu.max") == processor_count(tmp_path / "none")


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities of their own on Linux")
def test_a_thread_that_stands_back_takes_no_other_with_it():
    before = os.getpriority(os.PRIO_PROCESS, 0)

    def niceness() -> int:
        lower_thread_priority()
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    with ThreadPoolExecutor(1) as pool:
        lowered = pool.submit(niceness).result()

    assert lowered == max(before, 10)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == before
