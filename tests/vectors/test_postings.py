"""Sums over postings through their typed face, against the same loops in NumPy."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.errors import InputError, ShapeError
from openviking.vectors.postings import (
    pool_words,
    posting_ranges,
    posting_sums,
    posting_words,
    rank_places,
)

SEEDS = st.integers(0, 2**32 - 1)
ROWS = 50


@given(st.integers(0, 30), SEEDS)
def test_sums_and_words_of_rows_are_those_of_each_word(words: int, seed: int):
    rng = np.random.default_rng(seed)
    held = [np.flatnonzero(rng.random(ROWS) < rng.random()) for _ in range(words)]
    hashes = np.sort(rng.choice(2**40, words, replace=False)) - 2**39
    starts = np.cumsum([0, *map(len, held)]).astype(np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *held]).astype(np.int32)
    shares = rng.random(len(rows), dtype=np.float32)
    bits = rng.integers(1, 32, len(rows), dtype=np.uint8)
    is_dead = rng.random(ROWS) < 0.2
    asked = rng.permutation(words)[: words // 2 + 1].tolist()
    gains = (
        rng.random((2, len(asked)), dtype=np.float32) * rng.integers(0, 2, 2)[:, None]
    ).tolist()

    wanted = [*hashes[asked].tolist(), 2**62]
    ranges, counts = posting_ranges(hashes, starts, rows, is_dead, wanted)
    sums = posting_sums([(rows, shares, ranges[:-1])], gains, ROWS)
    places = [*rng.permutation(ROWS)[:10].tolist(), -1]
    own = [at for at in range(len(asked)) if at % 3]
    found = posting_words([(rows, bits, ranges[:-1])], own, places)

    assert ranges.tolist() == [*([starts[at], starts[at + 1]] for at in asked), [0, 0]]
    assert counts == [*(np.count_nonzero(~is_dead[held[at]]) for at in asked), 0]
    expected = np.zeros((2, ROWS))
    known: list[dict[int, int]] = []
    for at, (start, stop) in enumerate(ranges[:-1].tolist()):
        for text in range(2):
            expected[text, rows[start:stop]] += shares[start:stop] * np.float32(gains[text][at])
        known.append(dict(zip(rows[start:stop].tolist(), bits[start:stop].tolist(), strict=True)))
    assert sums.tolist() == expected.tolist()
    for row, (joined, standing) in zip(places, found, strict=True):
        assert standing == [at for at in own if row in known[at]]
        assert joined == reduce(or_, (known[at][row] for at in standing), 0)


@given(st.lists(st.integers(0, 3), min_size=1, max_size=40), SEEDS)
def test_before_a_rank_come_the_higher_and_the_equal_with_a_lower_key(values: list[int], seed: int):
    scores = np.array(values, np.float64)
    keys = np.random.default_rng(seed).permutation(len(values))
    order = np.lexsort((keys, -scores)).tolist()

    expected = [rank if values[at] else None for rank, at in enumerate(order, 1)]
    assert rank_places(scores, keys, order) == expected


@given(st.integers(1, 5), st.integers(1, 40), SEEDS)
def test_words_of_a_request_and_of_its_best_part_are_pooled(texts: int, count: int, seed: int):
    rng = np.random.default_rng(seed)
    sums = rng.random((texts, count)) * rng.integers(0, 30, (texts, count))
    rows = rng.integers(-1, count, 20)
    base = np.where(rng.random(20) < 0.3, -np.inf, rng.random(20))

    whole, words, prior = pool_words(sums, rows, base, part_share=0.2, weight=0.009)

    of_groups = np.where(rows < 0, 0.0, sums[:, rows])
    best = np.minimum(of_groups[1:].max(axis=0, initial=0.0), of_groups[0])
    expected = of_groups[0] + 0.2 * best
    assert whole.tolist() == of_groups[0].tolist()
    assert words.tolist() == expected.tolist()
    assert prior.tolist() == (base + 0.009 * expected).tolist()


def test_what_does_not_fit_is_refused():
    rows, shares, one = np.zeros(3, np.int32), np.zeros(3, np.float32), np.array([[0, 1]])
    with pytest.raises(InputError) as caught:
        posting_sums([(rows, shares, np.array([[2, 4]]))], [[1.0]], 5)
    assert caught.value.loc == ("ranges",)
    with pytest.raises(ShapeError):
        posting_sums([(rows, shares[:2], one)], [[1.0]], 5)
    with pytest.raises(ShapeError):
        posting_sums([(rows.astype(np.int64), shares, one)], [[1.0]], 5)
    with pytest.raises(ShapeError):
        posting_sums([(rows, shares, one)], [[1.0], []], 5)
    with pytest.raises(ShapeError):
        posting_words([(rows, np.zeros(3, np.uint8), np.zeros((1, 3), np.int64))], [0], [0])
    with pytest.raises(InputError):
        posting_words([(rows, np.zeros(3, np.uint8), one)], [1], [0])
    with pytest.raises(ShapeError):
        posting_ranges(np.zeros(2, np.int64), np.zeros(2, np.int64), rows, np.zeros(0, bool), [0])
    with pytest.raises(InputError):
        rank_places(np.zeros(2), np.zeros(2, np.int64), [-1])
    with pytest.raises(ShapeError):
        pool_words(np.zeros(4), np.zeros(2, np.int64), np.zeros(2), part_share=0.0, weight=0.0)
    with pytest.raises(InputError):
        pool_words(np.zeros((1, 2)), np.array([2]), np.zeros(1), part_share=0.0, weight=0.0)
