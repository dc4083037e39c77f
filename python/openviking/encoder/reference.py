"""The 40 reference texts and float32 vectors that every build of the model is judged by.

The vectors were computed by ``tools/reference_vectors.py``, a NumPy forward pass in float64. They
agree with sentence-transformers 6.2 (torch 2.15, float32) to 1e-6 in every component, except for
the one text that spells out control tokens, which it parses and this package does not.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.encoder.manifest import Precision
    from openviking.encoder.session import TokenSession
    from openviking.encoder.tokenizer import TextTokenizer
    from openviking.types import Progress, Vectors

COSINE_MIN: dict[Precision, tuple[float, float]] = {"int8": (0.998, 0.99), "fp32": (0.99999,) * 2}
"""Precision -> the mean and the smallest cosine that a build must reach."""


def reference_texts(folder: Path) -> list[str]:
    """Return the texts: queries, prose, code, CJK, emoji, and some longer than the window."""
    entries = json.loads((folder / "reference_texts.json").read_text("utf-8"))
    return [entry["text"] for entry in entries]


def reference_vectors(folder: Path) -> Vectors:
    """Return their vectors, (n, dim), unit length."""
    vectors: Vectors = np.load(folder / "reference_vectors.npy", allow_pickle=False)
    return vectors


def measure_cosines(
    folder: Path, tokenizer: TextTokenizer, session: TokenSession, advance: Progress
) -> tuple[float, float]:
    """Return the mean and the smallest cosine of a build's vectors to those in *folder*."""
    vectors = reference_vectors(folder).astype(np.float64)
    cosines = np.empty(len(vectors))
    for row, text in enumerate(tokenizer.tokenize(reference_texts(folder))):
        cosines[row] = session.run([text.ids])[0] @ vectors[row]
        advance(row + 1, len(vectors))
    return float(cosines.mean()), float(cosines.min())


def check_cosines(precision: Precision, mean: float, least: float) -> None:
    """Refuse a build whose vectors have lost their meaning; NaN is refused too."""
    mean_min, least_min = COSINE_MIN[precision]
    if not (mean >= mean_min and least >= least_min):
        raise EncoderError(
            f"the {precision} build computes wrong vectors on this machine: cosine to the "
            f"reference {mean:.5f} on average and {least:.5f} at least, expected {mean_min} and "
            f"{least_min}; "
            "please report it with the output of `lscpu`"
        )
