"""The exact scan against NumPy and usearch, and against faiss and numkong where they are installed.

All in the same run on the same rows: ``pip install faiss-cpu numkong`` adds the last two.

Workload: one query, 10 hits, 768 columns; unit rows in clusters of about fifty, as chunks of text
lie. Contenders take turns within each round, so that a neighbour's load meets all of them alike,
and each is judged by its median; ours is also timed alone, when its rows stay cached. The gate
is the ratio to the best peer, not a time: with all cores, and, as the aim has it, with one.
"""

from __future__ import annotations

import os
import platform
import time
from typing import TYPE_CHECKING

import numpy as np
import pytest

from benches.scan import DIM, K, alone, contenders, in_turns, measured_on_one_core, numpy_search
from openviking.vectors import RowSet, cpu_level, normalize

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from openviking.types import Vectors

COUNTS = [1_000, 4_000, 10_000, 100_000]
RATIO_MIN = 1.2
"""The aim is 1.5. With caches emptied by the contender before, 1.34 to 2.8 were seen at 4,000 rows:
what is below this is a regression, not noise."""

ONE_CORE_RATIO_MIN = 1.5
"""The aim. On a machine in use 2.7 and more were seen at 1,000 rows, where NumPy's stay cached too,
and more than 3 elsewhere."""

ALONG_AXES_MIN = 3.0
"""NumPy reads 3,072 bytes of a row where we read some 300: 13 to 17 times as fast with the caches
to itself, and 4.7 was seen with caches that NumPy's rows had just filled."""


def rows_near_a_subspace(count: int) -> Vectors:
    """Rows whose lengths fall off over 200 directions as those of real passages do over theirs."""
    rng = np.random.default_rng(count)
    directions = rng.standard_normal((200, DIM), np.float32)
    directions /= np.arange(4, 204, dtype=np.float32)[:, np.newaxis] ** np.float32(0.7)
    rows = rng.standard_normal((count, 200), np.float32) @ directions
    rows += np.float32(0.03) * rng.standard_normal((count, DIM), np.float32)
    return normalize(rows)


@pytest.mark.parametrize("count", COUNTS)
def test_exact_scan(benchmark: BenchmarkFixture, count: int):
    searches = contenders(count)
    medians = in_turns(searches)
    benchmark.pedantic(searches["openviking"], rounds=20, warmup_rounds=5)
    medians["alone"] = alone(searches["openviking"])
    ratio = noted(benchmark, medians)
    assert ratio >= RATIO_MIN, f"{ratio:.2f} times the best peer; {medians}"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no way to ask for one core here")
@pytest.mark.parametrize("count", COUNTS)
def test_exact_scan_on_one_core(benchmark: BenchmarkFixture, count: int):
    medians = benchmark.pedantic(measured_on_one_core, (count,), rounds=1)
    ratio = noted(benchmark, medians)
    assert ratio >= ONE_CORE_RATIO_MIN, f"{ratio:.2f} times the best peer; {medians}"


def noted(benchmark: BenchmarkFixture, medians: dict[str, float]) -> float:
    """Note the medians beside the benchmark's time; return the best peer's by ours."""
    ours = ("openviking", "alone")
    ratio = min(s for name, s in medians.items() if name not in ours) / medians["openviking"]
    benchmark.extra_info |= {f"{name}_us": round(s * 1e6, 1) for name, s in medians.items()}
    benchmark.extra_info |= {
        "ratio": round(ratio, 2),
        "kernels": cpu_level(),
        "machine": platform.processor() or platform.machine(),
    }
    return ratio


def test_scan_along_axes(benchmark: BenchmarkFixture):
    """A set of rows near a subspace is arranged by itself, and then reads a third of them."""
    rows = rows_near_a_subspace(25_000)
    query = normalize(rows[100:101] + np.float32(0.7) * rows[200:201])
    held = RowSet(DIM)
    held.add(np.arange(len(rows)), rows)
    give_up = time.monotonic() + 60
    while held.scanned_bytes == DIM:
        assert time.monotonic() < give_up
        time.sleep(0.02)

    searches = {
        "openviking": lambda: held.search(query, K)[0][0],
        "numpy": lambda: numpy_search(query, rows),
    }
    assert searches["openviking"]().tolist() == searches["numpy"]().tolist()
    medians = in_turns(searches)
    benchmark.pedantic(searches["openviking"], rounds=20, warmup_rounds=5)
    ratio = medians["numpy"] / medians["openviking"]
    benchmark.extra_info |= {f"{name}_us": round(s * 1e6, 1) for name, s in medians.items()}
    benchmark.extra_info |= {"ratio": round(ratio, 2), "kernels": cpu_level()}
    assert ratio >= ALONG_AXES_MIN, f"{ratio:.2f} times NumPy; {medians}"
