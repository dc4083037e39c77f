"""The exact scan against NumPy and usearch, and against faiss and numkong where they are installed.

All in the same run on the same rows: ``pip install faiss-cpu numkong`` adds the last two.

Workload: one query, 10 hits, 768 columns; unit rows in clusters of about fifty, as chunks of text
lie. Contenders take turns within each round, so that a neighbour's load meets all of them alike,
and each is judged by its median; ours is also timed alone, when its rows stay cached. The gate
is the ratio to the best peer, not a time. For one core: ``OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
taskset -c 0 python -m benches -k exact_scan``.
"""

from __future__ import annotations

import importlib
import importlib.util
import platform
import time
from statistics import median
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.index import Index
from openviking.index.graph import load_usearch
from openviking.vectors import RowSet, cpu_level, normalize

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from openviking.types import RowIds, Vectors

DIM = 768
K = 10
RATIO_MIN = 1.2
"""The aim is 1.5. With caches emptied by the contender before, 1.34 to 2.8 were seen at 4,000 rows:
what is below this is a regression, not noise."""

ALONG_AXES_MIN = 3.0
"""NumPy reads 3,072 bytes of a row where we read some 300: 13 to 17 times as fast with the caches
to itself, and 4.7 was seen with caches that NumPy's rows had just filled."""

BUDGET_S = 2.0


def clustered_rows(count: int) -> Vectors:
    rng = np.random.default_rng(count)
    centres = rng.standard_normal((count // 50, DIM), np.float32)
    rows = centres[rng.integers(0, len(centres), count)]
    rows += 0.6 * rng.standard_normal((count, DIM), np.float32)
    return normalize(rows)


def rows_near_a_subspace(count: int) -> Vectors:
    """Rows whose lengths fall off over 200 directions as those of real passages do over theirs."""
    rng = np.random.default_rng(count)
    directions = rng.standard_normal((200, DIM), np.float32)
    directions /= np.arange(4, 204, dtype=np.float32)[:, np.newaxis] ** np.float32(0.7)
    rows = rng.standard_normal((count, 200), np.float32) @ directions
    rows += np.float32(0.03) * rng.standard_normal((count, DIM), np.float32)
    return normalize(rows)


def numpy_search(query: Vectors, rows: Vectors) -> RowIds:
    scores = rows @ query[0]
    best = np.argpartition(scores, -K)[-K:]
    return best[np.argsort(-scores[best])].astype(np.int64)


def optional_peers(query: Vectors, rows: Vectors) -> dict[str, Callable[[], RowIds]]:
    """Exact searches of libraries that this project does not need, where they are installed."""
    peers: dict[str, Callable[[], RowIds]] = {}
    if importlib.util.find_spec("faiss"):
        flat = importlib.import_module("faiss").IndexFlatIP(DIM)
        flat.add(rows)
        peers["faiss"] = lambda: flat.search(query, K)[1][0]
    if importlib.util.find_spec("numkong"):
        cdist = importlib.import_module("numkong").cdist

        def numkong_search() -> RowIds:
            scores = np.asarray(cdist(query, rows, "dot"))[0]
            best = np.argpartition(scores, -K)[-K:]
            return best[np.argsort(-scores[best])].astype(np.int64)

        peers["numkong"] = numkong_search
    return peers


def alone(contender: Callable[[], RowIds]) -> float:
    times = []
    for _ in range(200):
        start = time.perf_counter()
        contender()
        times.append(time.perf_counter() - start)
    return median(times)


def in_turns(contenders: dict[str, Callable[[], RowIds]]) -> dict[str, float]:
    """Median seconds of each, taking turns until the budget is spent."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    stop = time.perf_counter() + BUDGET_S
    while time.perf_counter() < stop or len(times[next(iter(times))]) < 5:
        for name, contender in contenders.items():
            contender()  # brings its own rows back into the cache
            start = time.perf_counter()
            contender()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


@pytest.mark.parametrize("count", [1_000, 4_000, 10_000, 100_000])
def test_exact_scan(benchmark: BenchmarkFixture, count: int):
    rows = clustered_rows(count)
    query = normalize(rows[count // 2 : count // 2 + 1] + np.float32(0.01))
    index = Index(DIM)
    index.add(np.arange(count), rows)
    usearch = load_usearch()

    def usearch_search() -> RowIds:
        keys = usearch.search(rows, query[0], K, usearch.MetricKind.IP, exact=True).keys
        found: RowIds = keys.astype(np.int64)
        return found

    contenders = {
        "openviking": lambda: index.search(query, K)[0][0],
        "numpy": lambda: numpy_search(query, rows),
        "usearch": usearch_search,
        **optional_peers(query, rows),
    }
    answers = {name: contender().tolist() for name, contender in contenders.items()}
    assert all(answer == answers["numpy"] for answer in answers.values()), answers

    medians = in_turns(contenders)
    benchmark.pedantic(contenders["openviking"], rounds=20, warmup_rounds=5)
    ours = medians.pop("openviking")
    ratio = min(medians.values()) / ours
    benchmark.extra_info |= {f"{name}_us": round(s * 1e6, 1) for name, s in medians.items()}
    benchmark.extra_info |= {
        "openviking_us": round(ours * 1e6, 1),
        "openviking_alone_us": round(alone(contenders["openviking"]) * 1e6, 1),
        "ratio": round(ratio, 2),
        "kernels": cpu_level(),
        "machine": platform.processor() or platform.machine(),
    }
    assert ratio >= RATIO_MIN, f"{ratio:.2f} times the best peer; {medians}"


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

    contenders = {
        "openviking": lambda: held.search(query, K)[0][0],
        "numpy": lambda: numpy_search(query, rows),
    }
    assert contenders["openviking"]().tolist() == contenders["numpy"]().tolist()
    medians = in_turns(contenders)
    benchmark.pedantic(contenders["openviking"], rounds=20, warmup_rounds=5)
    ratio = medians["numpy"] / medians["openviking"]
    benchmark.extra_info |= {f"{name}_us": round(s * 1e6, 1) for name, s in medians.items()}
    benchmark.extra_info |= {"ratio": round(ratio, 2), "kernels": cpu_level()}
    assert ratio >= ALONG_AXES_MIN, f"{ratio:.2f} times NumPy; {medians}"
