"""What the fast tier finds, and what it costs, beside the full tier and words alone.

    python -m benches.fast_tier [--queries 2000]

Finding the right one of the 199 MetaTool tools, stored as skills with the model's vectors: by
meaning alone and as a search does it (meaning and words). Needs `openviking model build-fast`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benches.fidelity import labelled_metatool
from openviking import Encoder
from openviking.encoder.fast import open_fast
from openviking.skills import Skills
from openviking.store import SqliteStore
from openviking.types import Skill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import TextEncoder, Tier

TIERS: tuple[Tier, ...] = ("full", "fast")
DEPTH = 199
TEXTS = ("merge two branches without losing work", "summarise this report " * 4, "a word " * 60)


def places(skills: Skills, queries: Sequence[tuple[str, str]], tier: Tier) -> dict[str, list[int]]:
    """Return the place of each query's own tool, from 0, by method; DEPTH if it was not found."""
    found: dict[str, list[int]] = {"words": [], "meaning": [], "both": [], "fit": []}
    for query, gold in queries:
        ranked = skills.rankings(query, k=DEPTH, tier=tier)
        for method, ids in (
            ("words", ranked.words),
            ("meaning", ranked.vectors),
            ("both", ranked.fused),
        ):
            found[method].append(ids.index(gold) if gold in ids else DEPTH)
        found["fit"].append(int(ranked.is_fit))
    return found


def show(name: str, found: list[int]) -> None:
    """Print recall@1, recall@5 and MRR."""
    at = np.array(found)
    print(
        f"{name:18} {(at < 1).mean():.3f}   {(at < 5).mean():.3f}   {(1 / (at + 1)).mean():.3f}",
        flush=True,
    )


def microseconds(encoder: TextEncoder, text: str, rounds: int) -> float:
    """Return the median time of one text, tokenizer included."""
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        encoder.encode([text])
        times.append(time.perf_counter() - started)
    return float(np.median(times)) * 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2000, help="queries to sample")
    tools, queries = labelled_metatool(parser.parse_args().queries)
    with Encoder.open() as encoder, tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder))
        skills = Skills(store, encoder, open_fast=partial(open_fast, encoder.tokenizer))
        skills.put([Skill(id=name, name=name, description=text) for name, text in tools])
        print(f"{len(tools)} tools, {len(queries)} queries   recall@1 recall@5 MRR")
        for tier in TIERS:
            found = places(skills, queries, tier)
            if tier == "full":
                show("words alone", found["words"])
            show(f"{tier}: meaning", found["meaning"])
            show(f"{tier}: both", found["both"])
            print(f"{tier}: {np.mean(found['fit']):.3f} of the queries are answered")
        skills.close()
        store.close()
        fast = open_fast(encoder.tokenizer)
        for text in TEXTS:
            tokens = int(encoder.token_counts([text])[0])
            full_us, fast_us = microseconds(encoder, text, 31), microseconds(fast, text, 301)
            print(
                f"{tokens:4} tokens: full {full_us / 1e3:.2f} ms, fast {fast_us:.0f} us, "
                f"{full_us / fast_us:.0f} times as fast"
            )


if __name__ == "__main__":
    main()
