"""Lists of neighbouring vectors: centres by k-means, and the signs of what is left around them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from openviking.vectors import RowSet, normalize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.types import RowIds, Scores, Vectors

_LISTS_PER_ROOT = 4
"""Lists for each square root of a row: 4,000 for a million."""

_SAMPLE_PER_LIST = 16
"""Vectors of each list that the centres are trained on."""

_ROUNDS = 6
"""Rounds of k-means; the recall at a given share did not rise with more."""

_SEED = 0x4F56


def list_count(rows: int) -> int:
    """Return how many lists a segment of *rows* vectors has."""
    return max(1, round(_LISTS_PER_ROOT * math.sqrt(rows)))


def sample_rows(rows: int) -> RowIds:
    """Return the rows to train the centres on, ascending; the same for the same number."""
    count = min(rows, list_count(rows) * _SAMPLE_PER_LIST)
    return np.sort(np.random.default_rng(_SEED).choice(rows, count, replace=False))


def train(sample: Vectors, count: int) -> Vectors:
    """Return *count* unit centres of unit vectors, (count, dim) float32, by spherical k-means."""
    rng = np.random.default_rng(_SEED)
    centres = sample[np.sort(rng.choice(len(sample), count, replace=False))].copy()
    for _ in range(_ROUNDS):
        nearest, scores = Centres(centres).nearest(sample)
        order = np.argsort(nearest, kind="stable")
        starts = np.searchsorted(nearest[order], np.arange(count))
        filled = np.flatnonzero(np.diff(np.append(starts, len(sample))))
        sums = np.add.reduceat(sample[order], starts[filled], axis=0)
        centres[filled] = normalize(sums)
        # A centre that nobody is near begins anew at a vector that is far from its own.
        empty = np.setdiff1d(np.arange(count), filled)
        centres[empty] = sample[np.argsort(scores, kind="stable")[: len(empty)]]
    return centres


def rotation(dim: int) -> Vectors:
    """Return a random rotation, (dim, dim) float32: it spreads outlying columns over all bits."""
    normal = np.random.default_rng(_SEED).standard_normal((dim, dim))
    return np.ascontiguousarray(np.linalg.qr(normal)[0], np.float32)


def signs_of(
    vectors: Vectors, centres: Vectors, turned: Vectors
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Return words and factors of vectors around their centres, as `Signs` takes them.

    Args:
        vectors: (n, dim) float32.
        centres: (n, dim) float32, the centre of each.
        turned: the rotation.
    """
    around = (vectors - centres) @ turned.T
    bits = np.packbits(around > 0, axis=1, bitorder="little")
    width = -(-vectors.shape[1] // 64)
    words = np.zeros((len(vectors), width * 8), np.uint8)
    words[:, : bits.shape[1]] = bits
    sums = np.abs(around).sum(axis=1)
    squares = np.square(around).sum(axis=1)
    factors = np.divide(squares, sums, out=np.zeros_like(sums), where=sums > 0)
    return words.view(np.uint64), factors


class Centres:
    """Centres that vectors are assigned to and queries compared with."""

    def __init__(self, centres: Vectors) -> None:
        self._set = RowSet(centres.shape[1])
        self._set.add(np.arange(len(centres)), centres)

    def nearest(self, vectors: Vectors) -> tuple[RowIds, Scores]:
        """Return the nearest centre of each vector and its cosine, both (n,)."""
        found, scores = self._set.search(vectors, 1)
        return found[:, 0], scores[:, 0]

    def best(self, query: Vectors, count: int) -> tuple[RowIds, Scores]:
        """Return the *count* centres nearest to a query and their cosines, best first."""
        found, scores = self._set.search(query, count)
        return found[0], scores[0]
