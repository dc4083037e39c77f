"""Sums over postings through their typed face, against the same loops in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.errors import InputError, ShapeError
from openviking.vectors.postings import count_before, posting_bits, posting_ranges, posting_sums

SEEDS = st.integers(0, 2**32 - 1)
ROWS = 50


@given(st.integers(0, 30), SEEDS)
def test_sums_and_bits_are_those_of_each_word(words: int, seed: int):
    rng = np.random.default_rng(seed)
    held = [np.flatnonzero(rng.random(ROWS) < rng.random()) for _ in range(words)]
    hashes = np.sort(rng.choice(2**40, words, replace=False)) - 2**39
    starts = np.cumsum([0, *map(len, held)]).astype(np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *held]).astype(np.int32)
    shares = rng.random(len(rows), dtype=np.float32)
    bits = rng.integers(1, 32, len(rows), dtype=np.uint8)
    asked = rng.permutation(words)[: words // 2 + 1]
    gains = rng.random(len(asked), dtype=np.float32)

    ranges = posting_ranges(hashes, starts, np.append(hashes[asked], 2**62))
    sums = posting_sums(rows, shares, ranges[:-1], gains, ROWS)
    wanted = np.append(rng.permutation(ROWS)[:10], -1)
    found = posting_bits(rows, bits, ranges[:-1], wanted)

    assert ranges.tolist() == [*([starts[at], starts[at + 1]] for at in asked), [0, 0]]
    expected = np.zeros(ROWS)
    for (start, stop), gain, line in zip(ranges[:-1].tolist(), gains, found, strict=True):
        expected[rows[start:stop]] += shares[start:stop] * gain
        known = dict(zip(rows[start:stop].tolist(), bits[start:stop].tolist(), strict=True))
        assert line.tolist() == [known.get(row, 0) for row in wanted.tolist()]
    assert sums.tolist() == expected.tolist()


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), SEEDS)
def test_what_comes_before_is_higher_or_equal_with_a_lower_key(values: list[int], seed: int):
    scores = np.array(values, np.float64)
    keys = np.random.default_rng(seed).permutation(len(values))
    order = np.lexsort((keys, -scores))

    assert count_before(scores, keys, order).tolist() == list(range(len(values)))


def test_what_does_not_fit_is_refused():
    rows, shares, gains = np.zeros(3, np.int32), np.zeros(3, np.float32), np.ones(1, np.float32)
    with pytest.raises(InputError) as caught:
        posting_sums(rows, shares, np.array([[2, 4]]), gains, 5)
    assert caught.value.loc == ("ranges",)
    with pytest.raises(ShapeError):
        posting_sums(rows, shares[:2], np.array([[0, 1]]), gains, 5)
    with pytest.raises(ShapeError):
        posting_sums(rows.astype(np.int64), shares, np.array([[0, 1]]), gains, 5)
    with pytest.raises(ShapeError):
        posting_bits(rows, np.zeros(3, np.uint8), np.zeros((1, 3), np.int64), np.zeros(1, np.int64))
    with pytest.raises(ShapeError):
        posting_ranges(np.zeros(2, np.int64), np.zeros(2, np.int64), np.zeros(1, np.int64))
    with pytest.raises(InputError):
        count_before(np.zeros(2), np.zeros(2, np.int64), np.array([-1]))
