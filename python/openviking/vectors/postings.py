"""Typed face of the Rust sums over postings: which rows hold a word, and what it gives to each.

Postings are lists side by side: the rows that hold the first word, ascending, then those of the
second. A range of them is one word's. A lexicon keeps them in parts, each with other rows. All of
this takes microseconds and holds the GIL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking import _native

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import numpy as np
    from numpy.typing import NDArray

    Ranges: TypeAlias = NDArray[np.int64]
    """(w, 2) start and end of each word's postings; both 0 for one that is not there."""


def posting_ranges(
    hashes: NDArray[np.int64],
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    is_dead: NDArray[np.bool_],
    wanted: Sequence[int],
) -> tuple[Ranges, list[int]]:
    """Find words by their hashes, and count the rows that have each.

    Args:
        hashes: (n,) ascending.
        starts: (n + 1,) where the postings of each begin, then where the last ones end.
        rows: (p,) of the postings.
        is_dead: rows that are not counted; those beyond it are.
        wanted: w hashes in any order.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
    """
    return _native.posting_ranges(hashes, starts, rows, is_dead, wanted)


def posting_sums(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.float32], Ranges]],
    gains: Sequence[Sequence[float]],
    count: int,
) -> NDArray[np.float64]:
    """Add up, for each text and each of *count* rows, share times gain over the row's words.

    The products are float32, the sums float64 and in the order of the words: rows with the same
    shares get the same sums.

    Args:
        parts: rows (n,), the share of a word in each, and the ranges of the w words; rows outside 0
            to *count* are passed over.
        gains: of t texts, for each word; 0 if the text does not have it.
        count: of the rows.

    Returns:
        (t, count).

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a range beyond the postings.
    """
    return _native.posting_sums(parts, gains, count)


def posting_words(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.uint8], Ranges]],
    words: Sequence[int],
    wanted: Sequence[int],
) -> list[tuple[int, list[int]]]:
    """Return for each of the *wanted* rows the joined bits of the words in it, and these words.

    Args:
        parts: rows (n,), ascending within each range, the bits of a word in each, and the ranges.
        words: which of the ranges are looked at.
        wanted: rows; -1 is none.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a range beyond the postings, or a word without a range.
    """
    return _native.posting_words(parts, words, wanted)


def pool_words(
    sums: NDArray[np.float64],
    rows: NDArray[np.int64],
    base: NDArray[np.float64],
    *,
    part_share: float,
    weight: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pool what the words of a request and of its parts give to groups.

    Args:
        sums: (t, n) of the whole request, then of its parts.
        rows: (g,) of each group in a line of these; below 0 for a group without words.
        base: (g,).
        part_share: of the best part, as far as the whole has as much, that is added to the whole.
        weight: of the words in the prior.

    Returns:
        What the whole gives, that pooled with the parts, and base + weight * pooled; each (g,).

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a row beyond the sums.
    """
    return _native.pool_words(sums, rows, base, part_share=part_share, weight=weight)


def rank_places(
    scores: NDArray[np.float64], keys: NDArray[np.int64], wanted: Sequence[int]
) -> list[int | None]:
    """Return the rank of each of the *wanted* places, from 1; None for a score of 0 or less.

    Before a score come the higher ones, and of equal ones those with a lower key.

    Args:
        scores: (n,).
        keys: (n,).
        wanted: places among them.

    Raises:
        ShapeError: wrong rank, dtype, length or memory order.
        InputError: a place beyond the scores.
    """
    return _native.rank_places(scores, keys, wanted)
