"""Meaning and words as one score: ``meaning + weight * bm25 / (best + WORDS_SURE)``.

- *meaning* is a cosine.
- *bm25* is taken in proportion to the *best* bm25 of this query, because its scale moves with the
  length of the query and the size of the store; the constant in the divisor lets a query whose best
  match is weak count less. Fusing by rank would forget how sure each side is.
- *weight* grows with how far the best match stands out from the next ones: a word that names one
  text decides more than words that many texts share.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

WORDS_WEIGHT = 0.15
"""What a best lexical match that does not stand out adds to a cosine at most."""

WORDS_STANDOUT = 0.12
"""What it adds more if no other text has any of the words."""

STANDOUT_HITS = 9
"""Next matches with which the best one is compared."""

WORDS_SURE = 10.0
"""bm25 points at which a best match counts half: a few common words stay below, a name is above."""


def words_weight(scores: Sequence[float]) -> float:
    """Return the weight of words for a query, from the bm25 of its best matches, best first."""
    if not scores:
        return WORDS_WEIGHT
    others = scores[1 : 1 + STANDOUT_HITS]
    standout = 1.0 - sum(others) / (STANDOUT_HITS * scores[0])
    return WORDS_WEIGHT + WORDS_STANDOUT * standout


def fused_score(
    meaning: NDArray[np.float64], bm25: NDArray[np.float64], best: float, weight: float
) -> NDArray[np.float64]:
    """Join both signals of each text; *best* is the query's highest bm25, 0 stands for no word."""
    return meaning + weight * bm25 / (best + WORDS_SURE)
