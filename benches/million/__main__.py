"""``python -m benches.million``: a million vectors, ours against usearch and faiss.

Makes what is not there under ``build/bench/million`` (some 10 GB with peers), opens each index in a
process of its own and prints recall@10, latency, throughput, memory and the time to open it.
faiss is left out unless it is installed. ``--count`` makes a smaller set.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benches.million import data
from benches.million.contenders import BUILD, OPEN

if TYPE_CHECKING:
    from benches.million.contenders import Find

THREADS = 2


def main() -> int:
    parser = argparse.ArgumentParser(prog="benches.million", description=__doc__)
    parser.add_argument("--count", type=int, default=1_000_000, help="vectors (default a million)")
    parser.add_argument("--only", default="", help="contenders whose name begins so")
    parser.add_argument("--measure", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        print(json.dumps(measured(arguments.measure, arguments.count)))
        return 0
    asked, rows = data.queries(), data.rows(arguments.count)
    data.truth(rows, asked)
    print(f"real vectors, cosine with neighbour 1, 5, 10: {cosines(data.real_vectors())}")
    print(f"{len(rows)} vectors,                          {cosines(rows)}")
    built: dict[str, float] = {}
    for name in OPEN:
        part = name.split()[0]
        if not name.startswith(arguments.only):
            continue
        if not is_there(part):
            print(f"{name}: left out, {part} is not installed")
            continue
        if part not in built:
            start = time.perf_counter()
            BUILD[part](rows)
            built[part] = time.perf_counter() - start
            print(f"{part}: built in {built[part]:.0f} s (less if it was there)", flush=True)
        command = [sys.executable, "-m", "benches.million", "--measure", name]
        command += ["--count", str(arguments.count)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
        show(name, json.loads(done.stdout))
    return 0


def is_there(part: str) -> bool:
    return part != "faiss" or importlib.util.find_spec("faiss") is not None


def cosines(rows: np.ndarray) -> str:
    return ", ".join(map(str, data.neighbour_cosines(rows)))


def measured(name: str, count: int) -> dict[str, float]:
    """Open one index and ask it everything: alone, then from two threads."""
    asked, exact = data.queries(), np.load(data.WORK / f"truth-{count}.npy")
    start = time.perf_counter()
    find = OPEN[name](count)
    open_s = time.perf_counter() - start
    hits, times = 0, list[float]()
    for _ in range(2):  # the first round brings the pages in
        hits = 0
        times.clear()
        for query, nearest in zip(asked, exact, strict=True):
            start = time.perf_counter()
            found = find(query[np.newaxis])
            times.append(time.perf_counter() - start)
            hits += len(np.intersect1d(found, nearest[:10]))
    return {
        "recall": hits / (10 * len(asked)),
        "p50_ms": float(np.percentile(times, 50)) * 1e3,
        "p99_ms": float(np.percentile(times, 99)) * 1e3,
        "per_s": throughput(find, asked),
        "open_s": open_s,
    } | memory_mb()


def throughput(find: Find, asked: np.ndarray) -> float:
    def ask(first: int) -> None:
        for number in range(first, len(asked), THREADS):
            find(asked[number : number + 1])

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(THREADS)]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(asked) / (time.perf_counter() - start)


def memory_mb() -> dict[str, float]:
    status = Path("/proc/self/status").read_text("utf-8")
    lines = dict(line.split(":", 1) for line in status.splitlines())
    return {
        key: int(lines[name].split()[0]) / 1000
        for key, name in (("rss_mb", "VmRSS"), ("anonymous_mb", "RssAnon"))
    }


def show(name: str, figures: dict[str, float]) -> None:
    print(
        f"{name:32} recall@10 {figures['recall']:.4f}  p50 {figures['p50_ms']:.2f} ms"
        f"  p99 {figures['p99_ms']:.2f} ms  {figures['per_s']:.0f} queries/s"
        f"  RSS {figures['rss_mb']:.0f} MB (anonymous {figures['anonymous_mb']:.0f})"
        f"  opened in {figures['open_s']:.2f} s",
        flush=True,
    )


if __name__ == "__main__":
    raise SystemExit(main())
