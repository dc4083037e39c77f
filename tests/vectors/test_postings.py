"""The words of requests through their typed face, against the same loops in NumPy."""

from __future__ import annotations

from functools import reduce
from operator import or_

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.errors import InputError, ShapeError
from openviking.vectors.postings import Matches, Postings, Word

SEEDS = st.integers(0, 2**32 - 1)
ROWS = 50
NOBODY = np.zeros(ROWS, np.bool_)


def word(number: int) -> Word:
    return Word(f"{number}s", str(number), number, is_content=True)


@given(st.integers(0, 30), st.integers(1, 5), SEEDS)
def test_a_request_gives_rows_and_groups_what_each_of_its_words_gives(
    count: int, texts: int, seed: int
):
    rng = np.random.default_rng(seed)
    held = [np.flatnonzero(rng.random(ROWS) < rng.random()) for _ in range(count)]
    starts = np.cumsum([0, *map(len, held)]).astype(np.int64)
    rows = np.concatenate([np.zeros(0, np.int64), *held]).astype(np.int32)
    shares = rng.random(len(rows), dtype=np.float32)
    bits = rng.integers(1, 32, len(rows), dtype=np.uint8)
    is_dead = rng.random(ROWS) < 0.2
    postings = Postings(np.arange(count), starts, rows, shares, bits)
    asked = [sorted(set(rng.integers(0, count + 3, 8).tolist())) for _ in range(texts)]
    lives, dead = rows[~is_dead[rows]], int(is_dead.sum())

    request = [[word(number) for number in text] for text in asked]
    found = Matches([postings], request, is_dead, dead, common=1e9, scale=2.2)

    assert postings.hashes().tolist() == np.repeat(np.arange(count), np.diff(starts)).tolist()
    assert (len(postings), postings.rows().tolist()) == (len(rows), rows.tolist())
    assert postings.shares().tolist() == shares.tolist()
    assert postings.bits().tolist() == bits.tolist()
    places = {n: slice(starts[n], starts[n + 1]) for n in range(count)}
    living = {n: int(np.sum(~is_dead[rows[place]])) for n, place in places.items()}
    assert sum(living.values()) == len(lives)
    sums = np.zeros((ROWS + 1, texts))
    for number in sorted(filter(living.get, {n for text in asked for n in text}), key=str):
        n, place = living[number], places[number]
        gain = np.float32(2.2 * np.log(1 + (ROWS - dead - n + 0.5) / (n + 0.5)))
        for text in range(texts):
            if number in asked[text]:
                sums[rows[place], text] += shares[place] * gain
    assert found.sums().tolist() == sums.tolist()
    own = sorted((n for n in asked[0] if living.get(n)), key=str)
    assert found.looked_up() == {f"{n}s": living[n] for n in own}
    assert found.word_count == len(own)

    # Groups are rows in another order, and one has no row.
    rows_of = np.array([*rng.permutation(ROWS)[:20].tolist(), -1])
    base = np.where(rng.random(21) < 0.3, -np.inf, rng.random(21))
    keys = rng.permutation(21)
    best = np.minimum(sums[rows_of, 1:].max(axis=1, initial=0.0), sums[rows_of, 0])
    pooled = sums[rows_of, 0] + 0.2 * best
    assert found.pooled(rows_of.tolist(), part_share=0.2) == pooled.tolist()
    prior = found.prior(rows_of, base, part_share=0.2, weight=0.009)
    assert prior.tolist() == (base + 0.009 * pooled).tolist()
    order = np.lexsort((keys, -sums[rows_of, 0])).tolist()
    reasons = found.reasons(order, rows_of, keys, part_share=0.2)
    standing = found.standing(rows_of[order].tolist())
    for rank, (group, (words, lexical, marks, terms)) in enumerate(
        zip(order, reasons, strict=True), 1
    ):
        known = {
            n: bits[places[n]][rows[places[n]] == rows_of[group]].tolist()
            for n in own
            if rows_of[group] in rows[places[n]]
        }
        assert words == pooled[group]
        assert lexical == (rank if sums[rows_of[group], 0] else None)
        assert terms == tuple(f"{n}s" for n in known)
        assert marks == reduce(or_, (bit for (bit,) in known.values()), 0)
        assert standing[rank - 1] == (marks, terms)


def test_what_does_not_fit_is_refused():
    hashes, starts, rows = np.zeros(1, np.int64), np.array([0, 2]), np.zeros(2, np.int32)
    shares, bits = np.zeros(2, np.float32), np.zeros(2, np.uint8)
    postings = Postings(hashes, starts, rows, shares, bits)
    found = Matches([postings], [[word(0)]], NOBODY, 0, common=1.0, scale=1.0)

    with pytest.raises(ShapeError):
        Postings(hashes, starts[:1], rows, shares, bits)
    with pytest.raises(ShapeError):
        Postings(hashes, starts, rows, shares[:1], bits)
    with pytest.raises(ShapeError):
        Postings(hashes, starts, rows.astype(np.int64), shares, bits)
    with pytest.raises(InputError):
        Postings(hashes, starts + 1, rows, shares, bits)
    with pytest.raises(ShapeError):
        Matches([postings], [[]] * 6, NOBODY, 0, common=1.0, scale=1.0)
    with pytest.raises(InputError):
        found.prior(np.array([ROWS + 1]), np.zeros(1), part_share=0.0, weight=0.0)
    with pytest.raises(ShapeError):
        found.prior(np.zeros(2, np.int64), np.zeros(1), part_share=0.0, weight=0.0)
    with pytest.raises(InputError):
        found.reasons([-1], np.zeros(2, np.int64), np.zeros(2, np.int64), part_share=0.0)
    with pytest.raises(InputError):
        found.pooled([ROWS + 1], part_share=0.0)
