"""Meaning and words as one score: ``meaning + WORDS_WEIGHT * bm25``, of skills with another weight.

- *meaning* is a cosine.
- *bm25* is a sum of logarithms: how much less likely so many words would stand in a text by chance.
  Its scale therefore says how sure the words are, in a store of any size and for a query of any
  length, and must not be normalised away: words that every text has add nothing, a rare name
  decides. Fusing by rank would forget how sure each side is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WORDS_WEIGHT = 0.009
"""What one bm25 point adds to a cosine where texts and questions are short: the rarest word of
3,000 texts, in a title, some 0.12."""


def fused_score(meaning: NDArray[np.float64], bm25: NDArray[np.float64]) -> NDArray[np.float64]:
    """Join both signals of each text; *bm25* is 0 for one without any word of the query."""
    return meaning + WORDS_WEIGHT * bm25
