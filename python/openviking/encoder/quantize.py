"""Rounding float32 weights to 8 bits in blocks of 128, in the layout that ONNX Runtime reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import EncoderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 128
"""Weights that share one scale. 256 is 2 % faster and loses 0.0005 of cosine; 128 was kept."""

_ZERO_POINT = 128


def quantize_blocks(
    weight: NDArray[np.float32],
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Quantise each run of 128 weights of a row symmetrically: ``w ~ (code - 128) * scale``.

    Args:
        weight: (n, k) float32, k a multiple of 128.

    Returns:
        Codes (n, k / 128, 128) uint8 in 1..255 and scales (n, k / 128) float32. A block of zeros
        has scale 0 and codes 128.
    """
    rows, width = weight.shape
    if width % BLOCK:
        raise EncoderError(f"cannot quantise rows of {width} weights: not a multiple of {BLOCK}")
    blocks = weight.reshape(rows, width // BLOCK, BLOCK)
    scales = np.abs(blocks).max(axis=2) / np.float32(127)
    inverse = np.divide(1, scales, out=np.zeros_like(scales), where=scales > 0)
    codes = np.rint(blocks * inverse[:, :, None]) + np.float32(_ZERO_POINT)
    return codes.astype(np.uint8), scales
