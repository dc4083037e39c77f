"""Typed face of the Rust sums over postings: which rows hold a word, and what it gives to each.

Postings are lists side by side: the rows that hold the first word, ascending, then those of the
second. A range of them is one word's. All of this takes microseconds and holds the GIL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking import _native

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def posting_ranges(
    hashes: NDArray[np.int64], starts: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Find words by their hashes.

    Args:
        hashes: (n,) ascending.
        starts: (n + 1,) where the postings of each begin, then where the last ones end.
        wanted: (w,) in any order.

    Returns:
        (w, 2) start and end of each word's postings; both 0 for one that is not there.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
    """
    return _native.posting_ranges(hashes, starts, wanted)


def posting_sums(
    rows: NDArray[np.int32],
    shares: NDArray[np.float32],
    ranges: NDArray[np.int64],
    gains: NDArray[np.float32],
    count: int,
) -> NDArray[np.float64]:
    """Add up, for each of *count* rows, share times gain over the words that it holds.

    The products are float32, the sums float64 and in the order of the words: rows with the same
    shares get the same sums.

    Args:
        rows: (n,), those outside 0 to *count* are passed over.
        shares: (n,) of a word in a row.
        ranges: (w, 2) of the words.
        gains: (w,) of the words.
        count: of the rows.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a range beyond the postings.
    """
    return _native.posting_sums(rows, shares, ranges, gains, count)


def posting_bits(
    rows: NDArray[np.int32],
    bits: NDArray[np.uint8],
    ranges: NDArray[np.int64],
    wanted: NDArray[np.int64],
) -> NDArray[np.uint8]:
    """Return the bits of each word in each of the *wanted* rows, (w, k); 0 where it is not.

    Args:
        rows: (n,) ascending within each range.
        bits: (n,) of a word in a row.
        ranges: (w, 2) of the words.
        wanted: (k,) rows; -1 is none.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a range beyond the postings.
    """
    return _native.posting_bits(rows, bits, ranges, wanted)


def count_before(
    scores: NDArray[np.float64], keys: NDArray[np.int64], wanted: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count the scores before each of the *wanted* ones: the higher, or equal and of a lower key.

    Args:
        scores: (n,).
        keys: (n,).
        wanted: (k,) places among them.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a place beyond the scores.
    """
    return _native.count_before(scores, keys, wanted)
