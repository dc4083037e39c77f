"""A million vectors that lie as real ones do, queries of people, and who is truly nearest.

The real ones are the passages of the skills in the benchmarks' storage. Each new vector is a
mixture of one of them and two of its eight nearest neighbours (Dirichlet weights), with half the
length of a difference of two random real vectors added: noise of the covariance that text has. Half
was chosen because a vector's nearest neighbour is then as near as in the real set. The cosines with
the nearest neighbours, which decide how hard a search is, are printed.

Everything is kept under ``build/bench/million`` and made block by block; what is there stays.
"""

from __future__ import annotations

import csv
import gzip
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openviking.encoder import Encoder
from openviking.vectors import RowSet, normalize, search

if TYPE_CHECKING:
    from openviking.types import RowIds, Vectors

ROOT = Path(__file__).parent.parent.parent
WORK = ROOT / "build/bench/million"
STORAGE = ROOT / "build/bench/storage/openviking.db"
REQUESTS = ROOT.parent / "shared/data/metatool_single.csv.gz"
DIM = 768
BLOCK = 20_000
NEIGHBOURS = 8
NOISE = np.float32(0.5)
QUERIES = 1_000
TRUTH_K = 20


def real_vectors() -> Vectors:
    """The passages' vectors, read beside whoever else uses the storage."""
    if not STORAGE.exists():
        raise SystemExit(f"{STORAGE} is not there; run `make bench` once, which imports the skills")
    with sqlite3.connect(f"file:{STORAGE}?mode=ro&immutable=1", uri=True) as connection:
        blobs = [row[0] for row in connection.execute("SELECT vectors FROM skill_vectors")]
    return normalize(np.frombuffer(b"".join(blobs), np.float32).reshape(-1, DIM))


def queries() -> Vectors:
    """Requests of people to tools, encoded by the model."""
    path = WORK / "queries.npy"
    if not path.exists():
        with gzip.open(REQUESTS, "rt", encoding="utf-8") as lines:
            texts = [row["Query"] for row in csv.DictReader(lines)]
        chosen = np.random.default_rng(0).choice(len(texts), QUERIES, replace=False)
        with Encoder.open() as encoder:
            save(path, encoder.encode([texts[i] for i in chosen]).vectors)
    loaded: Vectors = np.load(path)
    return loaded


def rows(count: int) -> Vectors:
    """The first *count* vectors of the enlarged set, mapped."""
    path = WORK / f"rows-{count}.npy"
    if not path.exists():
        real = real_vectors()
        index = RowSet(DIM)
        index.add(np.arange(len(real)), real)
        near = index.search(real, NEIGHBOURS + 1)[0]
        partial = path.with_suffix(".partial")
        made = np.lib.format.open_memmap(partial, "w+", np.float32, (count, DIM))
        for start in range(0, count, BLOCK):
            block = mixtures(real, near, start // BLOCK)[: count - start]
            made[start : start + len(block)] = block
        made.flush()
        partial.rename(path)
    mapped: Vectors = np.load(path, mmap_mode="r")
    return mapped


def mixtures(real: Vectors, near: RowIds, seed: int) -> Vectors:
    """One block of new vectors."""
    rng = np.random.default_rng(seed)
    first = rng.integers(0, len(real), BLOCK)
    weights = rng.dirichlet([1, 1, 1], BLOCK).astype(np.float32)
    others = near[first][np.arange(BLOCK)[:, None], rng.integers(1, NEIGHBOURS + 1, (BLOCK, 2))]
    mixed = weights[:, :1] * real[first]
    mixed += weights[:, 1:2] * real[others[:, 0]] + weights[:, 2:] * real[others[:, 1]]
    one = rng.integers(0, len(real), BLOCK)
    other = (one + rng.integers(1, len(real), BLOCK)) % len(real)
    return normalize(normalize(mixed) + NOISE * normalize(real[one] - real[other]))


def truth(made: Vectors, asked: Vectors) -> RowIds:
    """The nearest rows of each query by exact search, (q, 20)."""
    path = WORK / f"truth-{len(made)}.npy"
    if not path.exists():
        ids, scores = [], []
        for start in range(0, len(made), BLOCK):
            found, cosines = search(asked, made[start : start + BLOCK], TRUTH_K)
            ids.append(found + start)
            scores.append(cosines)
        order = np.argsort(-np.concatenate(scores, 1), axis=1, kind="stable")[:, :TRUTH_K]
        save(path, np.take_along_axis(np.concatenate(ids, 1), order, 1))
    loaded: RowIds = np.load(path)
    return loaded


def neighbour_cosines(made: Vectors, samples: int = 100) -> list[float]:
    """Median cosine of a row with its 1st, 5th and 10th neighbour."""
    asked = np.ascontiguousarray(made[:: max(1, len(made) // samples)][:samples])
    best = np.full((len(asked), 11), -1, np.float32)
    for start in range(0, len(made), BLOCK):
        block = np.ascontiguousarray(made[start : start + BLOCK])
        both = np.concatenate([best, search(asked, block, 11)[1]], axis=1)
        best = -np.sort(-both, axis=1)[:, :11]
    return [round(float(x), 3) for x in np.median(best[:, [1, 5, 10]], axis=0)]


def save(path: Path, array: Vectors | RowIds) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial.npy")
    np.save(partial, array)
    partial.rename(path)
