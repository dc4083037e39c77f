"""Measures of a ranking, and how sure their means are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet

    from numpy.typing import NDArray

CUTOFF = 10
"""Places that nDCG and MRR look at."""

MEASURES = ("recall@1", "recall@5", "recall@10", "ndcg@10", "mrr@10")

_RESAMPLES = 1000
_CHUNK = 50


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over questions and its 95 % interval by bootstrap."""

    mean: float
    low: float
    high: float

    def is_above(self, other: Estimate) -> bool:
        """Whether the two intervals do not overlap, and this one is the higher."""
        return self.low > other.high


def measures(ranking: Sequence[str], right: AbstractSet[str]) -> tuple[float, ...]:
    """Return the measures of one ranking in the order of ``MEASURES``.

    recall@k: share of the right ids among the first k. nDCG@10: sum of 1 / log2(1 + place) over
    right ids, divided by its best possible value. MRR@10: 1 / place of the first right id.
    """
    places = [at for at, found in enumerate(ranking[:CUTOFF], 1) if found in right]
    ideal = sum(1 / math.log2(1 + at) for at in range(1, min(len(right), CUTOFF) + 1))
    return (
        *(sum(at <= k for at in places) / len(right) for k in (1, 5, 10)),
        sum(1 / math.log2(1 + at) for at in places) / ideal,
        1 / places[0] if places else 0.0,
    )


def estimate(values: NDArray[np.float64], seed: int) -> list[Estimate]:
    """Return mean and interval of every column of *values* (questions, measures).

    Questions are drawn anew with replacement a thousand times; the same seed draws the same ones,
    so that two rankings of the same questions are compared on the same samples.
    """
    rng = np.random.default_rng(seed)
    count = len(values)
    means = np.concatenate(
        [
            values[rng.integers(0, count, (_CHUNK, count))].mean(axis=1)
            for _ in range(_RESAMPLES // _CHUNK)
        ]
    )
    low, high = np.percentile(means, [2.5, 97.5], axis=0)
    return [
        Estimate(float(mean), float(a), float(b))
        for mean, a, b in zip(values.mean(axis=0), low, high, strict=True)
    ]
