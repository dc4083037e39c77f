"""From the model to a table of token rows, whose mean stands in for the model's own vector.

Each token is embedded alone; the directions that all tokens share are taken out; a row then counts
the less, the more frequent its token is (smooth inverse frequency, Arora et al. 2017); at last one
linear map turns means of rows towards the model's vectors of whole sentences. Real frequencies
matter most, the map least: README.md has the figures, ``python -m benches.fast_tier`` measures.

Two small files come from ``tools/fast_data.py``: how often each token occurs in 2,874 skills
(openclaw/skills and sickn33/antigravity-awesome-skills, both MIT), in WordNet 3.0 ((c) 2006 by
Princeton University, under its permissive licence) and in the documentation strings of Python's
standard library (PSF licence); and the map, fitted to sentences of the latter two. Neither file
holds any of their text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.encoder.quantize import quantize_rows

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.types import Vectors

COUNTS, MAP = "fast_counts.npy", "fast_map.npz"

_LOG_STEPS = 10
"""Counts are kept as log2(count + 1) in tenths: one byte each, right to 4 %."""

_SHARED_DIRECTIONS = 3
_RARE_SHARE = 3e-4
"""Share of all tokens at which a token counts half."""


def pack_counts(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return *counts*, at most 4e7 each, in one byte each."""
    packed: NDArray[np.uint8] = np.rint(np.log2(counts + 1.0) * _LOG_STEPS).astype(np.uint8)
    return packed


def token_shares(packed: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return each token's share of all tokens, (vocabulary,); none is zero."""
    counts = np.exp2(packed / _LOG_STEPS) - 0.5
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def weigh(rows: Vectors, shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Take out of the tokens' vectors what they share, and weigh them by how rare they are.

    Args:
        rows: (vocabulary, dim), the model's vector of each token alone.
        shares: (vocabulary,), of ``token_shares``.
    """
    # Rows that no text uses must not decide what is shared, nor the most frequent ones alone.
    use = np.sqrt(shares)[:, None]
    centred = rows - (rows * use).sum(axis=0) / use.sum()
    _, directions = np.linalg.eigh((centred * use).T @ centred)
    shared = directions[:, -_SHARED_DIRECTIONS:]
    centred -= centred @ shared @ shared.T
    weighed: NDArray[np.float64] = centred * (_RARE_SHARE / (_RARE_SHARE + shares))[:, None]
    return weighed


def fit_map(
    means: NDArray[np.float64], vectors: Vectors, strength: float = 0.1
) -> tuple[float, NDArray[np.float64]]:
    """Fit ``vectors ~ means @ (gain * identity + turn)`` by ridge regression of the turn.

    Args:
        means: (n, dim), unit length, means of weighed rows.
        vectors: (n, dim), the model's vectors of the same sentences.
        strength: of the ridge, in mean squares of a column.

    Returns:
        The gain and the turn (dim, dim).
    """
    gain = float((means * vectors).sum() / np.square(means).sum())
    gram = means.T @ means
    ridge = strength * np.trace(gram) / len(gram) * np.eye(len(gram))
    return gain, np.linalg.solve(gram + ridge, means.T @ (vectors - gain * means))


def distill(rows: Vectors, folder: Path) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Make the table.

    Args:
        rows: (vocabulary, dim), the model's vector of each token alone.
        folder: holds ``fast_counts.npy`` and ``fast_map.npz``.

    Returns:
        Codes (vocabulary, dim) int8 and scales (vocabulary,) float32: ``row ~ code * scale``.
    """
    shares = token_shares(np.load(folder / COUNTS, allow_pickle=False))
    table = weigh(rows, shares)
    with np.load(folder / MAP, allow_pickle=False) as kept:
        turn = kept["codes"] * kept["scales"][:, None].astype(np.float64)
        table = float(kept["gain"]) * table + table @ turn
    return quantize_rows(table.astype(np.float32))
