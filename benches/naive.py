"""What skill search is held against: one vector and plain bm25 of one text for each skill."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from openviking.store.sqlite.stems import query_words, stems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.types import Vectors

K1, B = 1.2, 0.75
"""The usual constants of bm25."""

WORDS_WEIGHT = 0.5 / 15
"""What one bm25 point adds to the cosine: half of it at 15 points, a good match of a short text."""


class Naive:
    """Ranks texts by ``cosine + WORDS_WEIGHT * bm25``.

    Args:
        texts: n, one for each skill.
        vectors: (n, dim) float32, unit length, of these texts.
    """

    def __init__(self, texts: Sequence[str], vectors: Vectors) -> None:
        self._vectors = vectors
        self._postings: dict[str, list[tuple[int, int]]] = {}
        lengths = []
        for row, text in enumerate(texts):
            words = stems(text)
            lengths.append(len(words))
            for stem, count in Counter(words).items():
                self._postings.setdefault(stem, []).append((row, count))
        self._lengths = np.array(lengths) / max(1.0, float(np.mean(lengths)))

    def bm25(self, query: str) -> NDArray[np.float64]:
        """Return the bm25 of every text, (n,)."""
        scores = np.zeros(len(self._lengths))
        for stem in sorted({word.stem for word in query_words(query)}):
            rows, counts = np.array(self._postings.get(stem, ()), np.int64).reshape(-1, 2).T
            rarity = math.log(1 + (len(scores) - len(rows) + 0.5) / (len(rows) + 0.5))
            damping = K1 * (1 - B + B * self._lengths[rows])
            scores[rows] += rarity * counts * (K1 + 1) / (counts + damping)
        return scores

    def best(self, query: str, vector: NDArray[np.float32], k: int) -> list[int]:
        """Return the *k* best rows, best first, ties by lower row."""
        scores = self._vectors @ vector + WORDS_WEIGHT * self.bm25(query)
        order: list[int] = (-scores).argsort(kind="stable")[:k].tolist()
        return order
