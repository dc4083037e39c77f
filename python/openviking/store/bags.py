"""The words of one skill, weighed: computed when it is written, kept beside it, never from others.

Words are known by 64 bits of their BLAKE2b digest: among a million words, the chance that any two
share them is one in thirty million.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

FIELDS = ("name", "description", "category", "examples", "body")
"""Where a word can stand; the bits of a bag count them from the lowest."""

# A name is a title of a few chosen words and says most about a skill; a description is written to
# be matched; examples are true requests but of one kind each; a body mentions much in passing.
_WEIGHTS = (8.0, 4.0, 1.0, 2.0, 1.0)

# Words of a usual field, about the medians of 2,874 real skills. They are constants, not means of
# the store, so that no skill's share moves when another one changes.
_LENGTHS = (4.0, 30.0, 4.0, 40.0, 700.0)

# Share of a field's length that counts against a word: in a body, the longer the more is mentioned
# in passing; a short description is short for want of care as often as for precision.
_SLOPES = (0.5, 0.5, 0.25, 0.5, 0.75)

K1 = 1.2
"""Where the repetition of a word saturates: the value that bm25 is usually given."""

HASH, _SHARE, _BITS = np.dtype("<i8"), np.dtype("<f4"), np.dtype("u1")
BYTES_PER_WORD = HASH.itemsize + _SHARE.itemsize + _BITS.itemsize


@dataclass(frozen=True, slots=True, eq=False)
class WordBag:
    """The words of one skill: (n,) hashes ascending, shares in (0, 1), and fields as bits."""

    hashes: NDArray[np.int64]
    shares: NDArray[np.float32]
    bits: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Return the stored form, little-endian."""
        parts = (self.hashes.astype(HASH), self.shares.astype(_SHARE), self.bits)
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> WordBag:
        """Read the stored form; raises ValueError if it is none."""
        count, rest = divmod(len(data), BYTES_PER_WORD)
        if rest:
            raise ValueError(f"{len(data)} bytes are no whole number of words")
        return cls(
            np.frombuffer(data, HASH, count),
            np.frombuffer(data, _SHARE, count, count * HASH.itemsize),
            np.frombuffer(data, _BITS, count, count * (HASH.itemsize + _SHARE.itemsize)),
        )


def word_hash(stem: str) -> int:
    """Return the number that stands for a stem."""
    return int.from_bytes(blake2b(stem.encode(), digest_size=8).digest(), "little", signed=True)


def word_bag(fields: Sequence[Sequence[str]]) -> WordBag:
    """Weigh the stems of one skill, given field by field in the order of ``FIELDS``.

    The share of a word is t / (k1 + t), where t sums its counts over the fields, each times the
    field's weight and divided by 1 - b + b * length / usual length, b being the field's slope: bm25
    with fields (BM25F).
    """
    sums: dict[str, float] = {}
    bits: dict[str, int] = {}
    for number, stems in enumerate(fields):
        slope = _SLOPES[number]
        gain = _WEIGHTS[number] / (1.0 - slope + slope * len(stems) / _LENGTHS[number])
        for stem in stems:
            sums[stem] = sums.get(stem, 0.0) + gain
            bits[stem] = bits.get(stem, 0) | 1 << number
    ordered = sorted((word_hash(stem), stem) for stem in sums)
    weights = np.array([sums[stem] for _, stem in ordered], dtype=np.float64)
    return WordBag(
        np.array([number for number, _ in ordered], dtype=HASH),
        (weights / (K1 + weights)).astype(_SHARE),
        np.array([bits[stem] for _, stem in ordered], dtype=_BITS),
    )
