"""Which rows hold a word: sorted arrays over the bags of many skills."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.store.bags import WordBag


@dataclass(frozen=True, slots=True, eq=False)
class Postings:
    """Words of many rows: of word w, the rows are ``rows[starts[w]:starts[w + 1]]``, ascending."""

    hashes: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    shares: NDArray[np.float32]
    bits: NDArray[np.uint8]

    def places(self, hashes: NDArray[np.int64]) -> list[slice]:
        """Return for each hash where its rows stand; an empty slice if nowhere."""
        if not len(self.hashes):
            return [slice(0, 0)] * len(hashes)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        is_known = self.hashes[at] == hashes
        return [
            slice(start, stop) if known else slice(0, 0)
            for start, stop, known in zip(
                self.starts[at].tolist(),
                self.starts[at + 1].tolist(),
                is_known.tolist(),
                strict=True,
            )
        ]


def gather(
    hashes: NDArray[np.int64],
    rows: NDArray[np.int64],
    shares: NDArray[np.float32],
    bits: NDArray[np.uint8],
) -> Postings:
    """Sort (hash, row) pairs, given with ascending rows, by hash."""
    order = np.argsort(hashes, kind="stable")
    words, starts = np.unique(hashes[order], return_index=True)
    ends = np.append(starts, len(hashes)).astype(np.int64)
    return Postings(words, ends, rows[order], shares[order], bits[order])


def postings_of(bags: Sequence[WordBag], first_row: int) -> Postings:
    """Join the words of *bags*, whose rows count up from *first_row*."""
    counts = [len(bag.hashes) for bag in bags]
    rows = np.repeat(np.arange(first_row, first_row + len(bags), dtype=np.int64), counts)
    return gather(
        np.concatenate([np.empty(0, np.int64), *(bag.hashes for bag in bags)]),
        rows,
        np.concatenate([np.empty(0, np.float32), *(bag.shares for bag in bags)]),
        np.concatenate([np.empty(0, np.uint8), *(bag.bits for bag in bags)]),
    )
