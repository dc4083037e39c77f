"""How much of the float32 model's meaning a build keeps: ``python -m benches.fidelity``.

Encodes the tool descriptions and a sample of the queries of MetaTool with float32 and with the
build in question, and compares vectors and rankings. Needs both builds (``make model-builds``).
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import random
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openviking import Encoder

if TYPE_CHECKING:
    from openviking.encoder.manifest import Kernels, Precision
    from openviking.types import Vectors

DATA = Path(__file__).parent.parent.parent / "shared/data"
SEED = 7


def labelled_metatool(sample: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the 199 tools as (name, description), and *sample* queries as (query, its tool)."""
    with gzip.open(DATA / "metatool_tools.json.gz", "rt", encoding="utf-8") as file:
        tools: dict[str, str] = json.load(file)
    with gzip.open(DATA / "metatool_single.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["Query"].strip()]
    chosen = random.Random(SEED).sample(rows, sample)
    return list(tools.items()), [(row["Query"], row["Tool"]) for row in chosen]


def metatool(sample: int) -> tuple[list[str], list[str]]:
    """Return the 199 tool descriptions and *sample* queries, chosen with a fixed seed."""
    tools, queries = labelled_metatool(sample)
    return [text for _, text in tools], [query for query, _ in queries]


def encode(texts: list[str], precision: Precision, kernels: Kernels) -> Vectors:
    """Embed *texts* with one build."""
    with Encoder.open(precision=precision, kernels=kernels) as encoder:
        return encoder.encode(texts).vectors


def ranking(vectors: Vectors, tool_count: int, k: int) -> list[list[int]]:
    """Return the *k* best tools of each query, best first, ties by lower number."""
    scores = vectors[tool_count:] @ vectors[:tool_count].T
    return [row[:k].tolist() for row in np.argsort(-scores, axis=1, kind="stable")]


def main() -> None:
    """Print mean and smallest cosine to float32, and how often the best 1 and 5 tools agree."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=1000, help="queries to sample")
    parser.add_argument("--kernels", choices=["native", "ort"], default="native")
    options = parser.parse_args()
    tools, queries = metatool(options.queries)
    exact = encode([*tools, *queries], "fp32", "ort")
    ours = encode([*tools, *queries], "int8", options.kernels)
    cosines = np.einsum("nd,nd->n", exact.astype(np.float64), ours)
    pairs = list(zip(ranking(exact, len(tools), 5), ranking(ours, len(tools), 5), strict=True))
    top_1 = np.mean([a[0] == b[0] for a, b in pairs])
    top_5 = np.mean([len(set(a) & set(b)) / 5 for a, b in pairs])
    print(f"int8 {options.kernels} against fp32: {len(tools)} tools, {len(queries)} queries")
    print(f"cosine  mean {cosines.mean():.5f}  min {cosines.min():.5f}")
    print(f"top-1 equal {top_1:.3f}  top-5 overlap {top_5:.3f}")


if __name__ == "__main__":
    main()
