"""Rounding a matrix to half bytes on grids of int8 codes: to nearest, and by GPTQ.

Matrices of codes are (k, n): k inputs, n outputs, each output in units of its own int8 scale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

GROUP, HALF_MAX, CODE_MAX, GAIN_MAX = 32, 15, 127, 17
"""Weights on one grid; the largest half byte, code and gain (17 * 15 spans all codes)."""

SPREAD = 0.1
"""What GPTQ adds to each second moment, in means of them: with the usual 0.01 the weights fit the
calibration and serve other texts less well (smallest cosine of 256 texts 0.967, with 0.1 0.972)."""

COLUMNS = 128
"""Inputs after which GPTQ hands its rounding errors on to all later ones at once."""


class Moments(NamedTuple):
    """Of a linear layer's inputs: centred second moments (k, k) and means (k,)."""

    gram: Array
    mean: Array


def to_bytes(codes: Array, _: Moments) -> Array:
    """Round to int8 codes."""
    return np.rint(codes)


def to_nearest(codes: Array, _: Moments) -> Array:
    """Round to the nearest point of grids that span each group."""
    gain, lowest = grids(codes, np.ones(len(codes), np.float32), shrink=0)
    return snap(codes, np.repeat(gain, GROUP, axis=0), np.repeat(lowest, GROUP, axis=0))


def by_gptq(codes: Array, inputs: Moments) -> Array:
    """Round input by input, the most used first, and let the later ones make up for the error."""
    use = np.diag(inputs.gram)
    gain, lowest = (np.repeat(part, GROUP, axis=0) for part in grids(codes, use, shrink=4))
    order = np.argsort(-use, kind="stable")
    factor = inverse_factor(inputs.gram[np.ix_(order, order)])
    left, gain, lowest = codes[order], gain[order], lowest[order]
    for start in range(0, len(left), COLUMNS):
        block = slice(start, start + COLUMNS)
        part, within = left[block], factor[block, block]
        errors = np.empty_like(part)
        for i, row in enumerate(part):
            kept = snap(row, gain[start + i], lowest[start + i])
            errors[i] = (row - kept) / within[i, i]
            part[i] = kept
            part[i + 1 :] -= np.outer(within[i, i + 1 :], errors[i])
        left[start + COLUMNS :] -= factor[block, start + COLUMNS :].T @ errors
    rounded = np.empty_like(left)
    rounded[order] = left
    return rounded


def grids(codes: Array, use: Array, *, shrink: int) -> tuple[Array, Array]:
    """Find gains and lowest codes, (groups, n), with the least squared error weighed by *use*.

    Args:
        codes: (k, n), not yet rounded.
        use: (k,), how much each input counts.
        shrink: steps by which the gain may be smaller than what spans the group.
    """
    groups = codes.reshape(-1, GROUP, codes.shape[1])
    weigh = use.reshape(-1, GROUP, 1)
    low, high = groups.min(axis=1), groups.max(axis=1)
    widest = np.clip(np.ceil((high - low) / HALF_MAX), 1, GAIN_MAX)
    least = np.full_like(low, np.inf)
    gains, lowests = widest.copy(), low.copy()
    for less in range(shrink + 1):
        gain = np.maximum(widest - less, 1)
        for shift in (0.0, -0.3, 0.3) if shrink else (0.0,):
            middle = (low + high) / 2 + np.float32(shift) * gain
            # A point above the largest code could not be used: the grid ends there at the latest.
            last = np.maximum(CODE_MAX - HALF_MAX * gain, -CODE_MAX)
            lowest = np.clip(np.rint(middle - gain * (HALF_MAX / 2)), -CODE_MAX, last)
            error = np.zeros_like(low)
            for place in range(GROUP):
                missed = snap(groups[:, place], gain, lowest) - groups[:, place]
                error += weigh[:, place] * missed * missed
            better = error < least
            for best, found in ((least, error), (gains, gain), (lowests, lowest)):
                best[better] = found[better]
    return gains, lowests


def snap(codes: Array, gain: Array, lowest: Array) -> Array:
    """Return the nearest points of the grids that are int8 codes."""
    halves_max = np.minimum(HALF_MAX, np.floor((CODE_MAX - lowest) / gain))
    halves = np.clip(np.rint((codes - lowest) / gain), 0, halves_max)
    points: Array = lowest + gain * halves
    return points


def inverse_factor(gram: Array) -> Array:
    """Return the upper triangular R with transposed(R) R = inverse of the spread-out *gram*."""
    spread = gram.astype(np.float64) + SPREAD * np.diag(gram).mean() * np.eye(len(gram))
    # The factor of the matrix in reverse order is upper triangular, and so is its inverse.
    reverse = np.linalg.inv(np.linalg.cholesky(spread[::-1, ::-1]))
    return np.ascontiguousarray(reverse[::-1, ::-1], np.float32)
