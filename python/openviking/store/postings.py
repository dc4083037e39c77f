"""Which rows hold a word: sorted arrays over the bags of many skills."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.vectors.postings import Postings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.store.bags import WordBag


def gather(
    hashes: NDArray[np.int64],
    rows: NDArray[np.int32],
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
    rows = np.repeat(np.arange(first_row, first_row + len(bags), dtype=np.int32), counts)
    return gather(
        np.concatenate([np.empty(0, np.int64), *(bag.hashes for bag in bags)]),
        rows,
        np.concatenate([np.empty(0, np.float32), *(bag.shares for bag in bags)]),
        np.concatenate([np.empty(0, np.uint8), *(bag.bits for bag in bags)]),
    )
