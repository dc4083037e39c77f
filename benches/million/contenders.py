"""One index each: built once under ``build/bench/million``, then opened and asked."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np

from benches.million.data import DIM, WORK
from openviking.index import Index
from openviking.index.graph import load_usearch

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.types import RowIds, Vectors

    Find = Callable[[Vectors], RowIds]

K = 10
CHUNK = 50_000


def build_ours(rows: Vectors) -> None:
    with Index.open(WORK / f"ours-{len(rows)}", DIM) as index:
        if not len(index):
            index.add(np.arange(len(rows)), rows)


def open_ours(count: int) -> Find:
    index = Index.open(WORK / f"ours-{count}", DIM)
    return lambda query: index.search(query, K)[0][0]


def build_usearch(rows: Vectors) -> None:
    path = WORK / f"usearch-{len(rows)}"
    if path.exists():
        return
    graph = _graph()
    for start in range(0, len(rows), CHUNK):
        block = np.ascontiguousarray(rows[start : start + CHUNK])
        graph.add(np.arange(start, start + len(block), dtype=np.uint64), block)
    partial = path.with_suffix(".partial")
    graph.save(str(partial))
    partial.rename(path)


def _graph() -> Any:
    usearch = load_usearch()
    return usearch.Index(ndim=DIM, metric="cos", dtype="i8", connectivity=16, expansion_add=64)


def open_usearch(count: int, expansion: int) -> Find:
    graph = _graph()
    graph.load(str(WORK / f"usearch-{count}"))
    graph.expansion_search = expansion

    def find(query: Vectors) -> RowIds:
        ids: RowIds = graph.search(query[0], K, threads=1).keys.astype(np.int64)
        return ids

    return find


def build_faiss(rows: Vectors) -> None:
    faiss = importlib.import_module("faiss")
    path = WORK / f"faiss-{len(rows)}"
    if path.exists():
        return
    lists = round(4 * len(rows) ** 0.5)
    index = faiss.index_factory(DIM, f"IVF{lists},SQ8", faiss.METRIC_INNER_PRODUCT)
    sample = np.sort(np.random.default_rng(0).choice(len(rows), lists * 16, replace=False))
    index.cp.min_points_per_centroid = 1
    index.train(np.ascontiguousarray(rows[sample]))
    for start in range(0, len(rows), CHUNK):
        index.add(np.ascontiguousarray(rows[start : start + CHUNK]))
    partial = path.with_suffix(".partial")
    faiss.write_index(index, str(partial))
    partial.rename(path)


def open_faiss(count: int, probes: int) -> Find:
    faiss = importlib.import_module("faiss")
    faiss.omp_set_num_threads(1)
    index = faiss.read_index(str(WORK / f"faiss-{count}"))
    index.nprobe = probes

    def find(query: Vectors) -> RowIds:
        ids: RowIds = index.search(query, K)[1][0]
        return ids

    return find


BUILD = {"ours": build_ours, "usearch": build_usearch, "faiss": build_faiss}

OPEN: dict[str, Callable[[int], Find]] = {
    "ours": open_ours,
    "usearch HNSW i8, expansion 128": lambda count: open_usearch(count, 128),
    "usearch HNSW i8, expansion 512": lambda count: open_usearch(count, 512),
    "faiss IVF SQ8, probes 1/16": lambda count: open_faiss(count, round(4 * count**0.5 / 16)),
}
