"""One exact search, ten hits: ours and the same of other libraries, on the same rows and in turns.

``python -m benches.scan ROWS`` prints the median seconds of each as JSON. ``measured_on_one_core``
runs that in a process of its own that has one core, and libraries that were told so: threads that
exist already stay where they are.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from openviking.index import Index
from openviking.index.graph import load_usearch
from openviking.vectors import normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openviking.types import RowIds, Vectors

    Contenders = dict[str, Callable[[], RowIds]]

DIM = 768
K = 10
BUDGET_S = 2.0
ARRANGING_S_MAX = 60.0
ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def clustered_rows(count: int) -> Vectors:
    rng = np.random.default_rng(count)
    centres = rng.standard_normal((count // 50, DIM), np.float32)
    rows = centres[rng.integers(0, len(centres), count)]
    rows += 0.6 * rng.standard_normal((count, DIM), np.float32)
    return normalize(rows)


def numpy_search(query: Vectors, rows: Vectors) -> RowIds:
    scores = rows @ query[0]
    best = np.argpartition(scores, -K)[-K:]
    return best[np.argsort(-scores[best])].astype(np.int64)


def optional_peers(query: Vectors, rows: Vectors) -> Contenders:
    """Exact searches of libraries that this project does not need, where they are installed."""
    peers: Contenders = {}
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


def contenders(count: int) -> Contenders:
    """Searches of the same rows that were seen to agree; ours is arranged as far as it will be."""
    rows = clustered_rows(count)
    query = normalize(rows[count // 2 : count // 2 + 1] + np.float32(0.01))
    index = Index(DIM)
    index.add(np.arange(count), rows)
    wait_for_axes()
    usearch = load_usearch()

    def usearch_search() -> RowIds:
        keys = usearch.search(rows, query[0], K, usearch.MetricKind.IP, exact=True).keys
        found: RowIds = keys.astype(np.int64)
        return found

    searches: Contenders = {
        "openviking": lambda: index.search(query, K)[0][0],
        "numpy": lambda: numpy_search(query, rows),
        "usearch": usearch_search,
        **optional_peers(query, rows),
    }
    answers = {name: search().tolist() for name, search in searches.items()}
    assert all(answer == answers["numpy"] for answer in answers.values()), answers
    return searches


def wait_for_axes() -> None:
    """Wait until no thread fits axes any more; on other systems than Linux, a while."""
    names = Path("/proc/self/task")
    if not names.exists():
        time.sleep(3)
        return
    give_up = time.monotonic() + ARRANGING_S_MAX
    while any(is_fitting(task) for task in names.iterdir()):
        assert time.monotonic() < give_up
        time.sleep(0.02)


def is_fitting(task: Path) -> bool:
    try:
        return (task / "comm").read_text("utf-8").strip() == "openviking-axes"
    except OSError:  # it has ended meanwhile
        return False


def alone(contender: Callable[[], RowIds]) -> float:
    times = []
    for _ in range(200):
        start = time.perf_counter()
        contender()
        times.append(time.perf_counter() - start)
    return median(times)


def in_turns(searches: Contenders) -> dict[str, float]:
    """Median seconds of each, taking turns until the budget is spent."""
    times: dict[str, list[float]] = {name: [] for name in searches}
    stop = time.perf_counter() + BUDGET_S
    while time.perf_counter() < stop or len(times[next(iter(times))]) < 5:
        for name, search in searches.items():
            search()  # brings its own rows back into the cache
            start = time.perf_counter()
            search()
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def measured(count: int) -> dict[str, float]:
    """Median seconds of each in turns, and of ours alone, when its rows stay cached."""
    searches = contenders(count)
    return in_turns(searches) | {"alone": alone(searches["openviking"])}


def measured_on_one_core(count: int) -> dict[str, float]:
    """`measured`, in a process that has one core."""
    command = [sys.executable, "-m", "benches.scan", str(count)]
    with one_core():
        done = subprocess.run(  # noqa: S603 - our own command
            command,
            env=os.environ | ONE_THREAD,
            cwd=Path(__file__).parent.parent,
            check=True,
            capture_output=True,
            text=True,
        )
    medians: dict[str, float] = json.loads(done.stdout)
    return medians


@contextmanager
def one_core() -> Iterator[None]:
    """Keep this thread, and processes that it starts meanwhile, on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


if __name__ == "__main__":
    print(json.dumps(measured(int(sys.argv[1]))))
