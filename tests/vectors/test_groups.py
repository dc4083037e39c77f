"""The search for groups of rows against a plain NumPy reading of its definition."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.errors import InputError, ShapeError
from openviking.vectors import FoundGroups, RowSet, normalize, search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.types import RowIds, Vectors

DIM = 24


def unit(rng: np.random.Generator, count: int) -> Vectors:
    return normalize(rng.standard_normal((count, DIM)).astype(np.float32))


def expected(
    ids: RowIds,
    rows: Vectors,
    queries: Vectors,
    prior: NDArray[np.float64],
    share: float,
    part: float,
) -> dict[int, tuple[float, float, int]]:
    """Map each group that may be returned to its meaning, its score and its nearest row."""
    # `search` over one row at a time gives the cosines that count, bit for bit.
    found, scores = search(queries, rows, len(rows))
    cosines = np.empty_like(scores)
    np.put_along_axis(cosines, found, scores, axis=1)
    groups: dict[int, tuple[float, float, int]] = {}
    for group in np.unique(ids[ids >= 0] >> 16).tolist():
        if group >= len(prior) or prior[group] == -np.inf:
            continue
        (places,) = ((ids >= 0) & (ids >> 16 == group)).nonzero()
        first = places[ids[places] & 0xFFFF == 0]
        best = cosines[:, places].max(axis=1).astype(np.float64)
        pooled = best
        if first.size:
            summary = cosines[:, first[0]].astype(np.float64)
            pooled = summary + share * (best - summary)
        meaning = pooled[0]
        if len(pooled) > 1:
            meaning = meaning + part * (pooled[1:].max() - meaning)
        highest = cosines[:, places].max(axis=0)
        nearest = ids[places[highest == highest.max()]].min()
        groups[group] = (float(meaning), float(meaning + prior[group]), int(nearest))
    return groups


def assert_found(
    found: FoundGroups,
    groups: dict[int, tuple[float, float, int]],
    keys: NDArray[np.int64],
    k: int,
    near: int,
) -> None:
    by_score = sorted(groups, key=lambda group: (-groups[group][1], keys[group]))[:k]
    by_meaning = sorted(groups, key=lambda group: (-groups[group][0], keys[group]))[:near]
    assert [found.groups[place] for place in found.by_score] == by_score
    assert [found.groups[place] for place in found.by_meaning] == by_meaning
    assert sorted(found.groups) == sorted({*by_score, *by_meaning})
    told = zip(found.meanings, found.scores, found.rows, strict=True)
    assert list(told) == [groups[group] for group in found.groups]
    ranks = {group: rank for rank, group in enumerate(by_meaning, 1)}
    meanings = [meaning for meaning, _, _ in groups.values()]
    for group, rank in zip(found.groups, found.ranks, strict=True):
        # So few are all scored.
        above = sum(meaning > groups[group][0] for meaning in meanings)
        assert rank == ranks.get(group, max(near, above) + 1)


@given(st.data())
def test_the_groups_found_are_those_of_the_definition(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    group_count = data.draw(st.integers(1, 60))
    ids = np.unique(
        rng.integers(-2, group_count + 2, 400) << 16
        | rng.integers(0, data.draw(st.integers(1, 9)), 400)
    )
    rng.shuffle(ids)
    rows = unit(rng, len(ids))
    rows[rng.integers(0, len(ids), 40)] = rows[0]
    prior = rng.normal(0, data.draw(st.sampled_from([0.0, 0.1, 1e300])), group_count)
    prior[rng.random(group_count) < 0.2] = -np.inf
    keys = rng.permutation(group_count)
    queries = unit(rng, data.draw(st.integers(1, 5)))
    k, near = data.draw(st.integers(1, 70)), data.draw(st.integers(1, 70))
    share, part = (data.draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])) for _ in range(2))
    row_set = RowSet(DIM)
    row_set.add(ids, rows)
    found = row_set.search_groups(
        queries, prior, keys, k, near, passage_share=share, part_share=part
    )
    assert_found(found, expected(ids, rows, queries, prior, share, part), keys, k, near)


def filled(groups: int = 40, rows_each: int = 5) -> RowSet:
    rng = np.random.default_rng(1)
    ids = (np.arange(groups)[:, np.newaxis] << 16 | np.arange(rows_each)).ravel()
    row_set = RowSet(DIM)
    row_set.add(ids, unit(rng, len(ids)))
    return row_set


def ask(row_set: RowSet, **changed: Any) -> FoundGroups:
    arguments: dict[str, Any] = {
        "queries": filled().rows(np.array([3 << 16 | 1])),
        "prior": np.zeros(40),
        "keys": np.arange(40),
        "k": 4,
        "near": 6,
        "passage_share": 0.5,
        "part_share": 0.5,
        **changed,
    }
    positional = [arguments.pop(name) for name in ("queries", "prior", "keys", "k", "near")]
    return row_set.search_groups(*positional, **arguments)


def test_a_search_after_a_change_sees_the_change() -> None:
    row_set = filled()
    # With its first row, the group's other rows count whole.
    row_set.remove(np.array([3 << 16]))
    assert ask(row_set).rows[0] == 3 << 16 | 1
    row_set.remove(np.array([3 << 16 | 1]))
    assert (3 << 16 | 1) not in ask(row_set).rows
    query = unit(np.random.default_rng(2), 1)
    row_set.add(np.array([39 << 16 | 5]), query)
    found = ask(row_set, queries=query)
    assert found.groups[found.by_meaning[0]] == 39
    assert found.rows[found.by_meaning[0]] == 39 << 16 | 5


def test_an_empty_set_has_no_groups() -> None:
    found = ask(RowSet(DIM), queries=np.zeros((1, DIM), np.float32))
    assert found == ([], [], [], [], [], [], [])


def test_no_group_is_found_where_none_may_be_returned() -> None:
    assert not ask(filled(), prior=np.full(40, -np.inf)).groups
    assert not ask(filled(), prior=np.zeros(0), keys=np.zeros(0, np.int64)).groups


@pytest.mark.parametrize(
    ("changed", "error", "argument"),
    [
        ({"prior": np.full(40, np.nan)}, InputError, "prior"),
        ({"prior": np.full(40, np.inf)}, InputError, "prior"),
        ({"prior": np.zeros(40, np.float32)}, ShapeError, "prior"),
        ({"prior": np.zeros((40, 1))}, ShapeError, "prior"),
        ({"keys": np.arange(39)}, ShapeError, "keys"),
        ({"keys": np.arange(40, dtype=np.int32)}, ShapeError, "keys"),
        ({"queries": np.zeros((0, DIM), np.float32)}, InputError, "queries"),
        ({"queries": np.ones((1, DIM), np.float32)}, InputError, "queries"),
        ({"queries": np.zeros((1, DIM + 1), np.float32)}, ShapeError, "queries"),
        ({"queries": np.full((1, DIM), np.nan, np.float32)}, ShapeError, "queries"),
        ({"k": 0}, InputError, "k"),
        ({"near": 0}, InputError, "near"),
        ({"near": -1}, InputError, "near"),
        ({"passage_share": 1.1}, InputError, "passage_share"),
        ({"part_share": float("nan")}, InputError, "part_share"),
    ],
)
def test_a_bad_argument_is_refused_by_name(
    changed: dict[str, Any], error: type[InputError], argument: str
) -> None:
    with pytest.raises(error, match=argument) as raised:
        ask(filled(), **changed)
    assert raised.value.loc[0] == argument


def test_ranks_beyond_the_nearest_are_about_right() -> None:
    rng = np.random.default_rng(3)
    common = rng.standard_normal((40, 512))
    rows = normalize(
        (rng.standard_normal((6000, 40)) @ common + 3 * rng.standard_normal((6000, 512))).astype(
            np.float32
        )
    )
    ids = (np.arange(1500)[:, np.newaxis] << 16 | np.arange(4)).ravel()
    row_set = RowSet(512)
    row_set.add(ids, rows)
    prior = rng.normal(0, 0.1, 1500)
    ratios = []
    for query in range(0, 6000, 500):
        asked = {"queries": rows[query : query + 1], "prior": prior, "keys": np.arange(1500)}
        found = ask(row_set, **asked, k=20, near=5)
        # All are scored, so that all ranks are exact.
        known = ask(row_set, **asked, k=1, near=1500)
        ranks = dict(zip(known.groups, known.ranks, strict=True))
        for group, rank in zip(found.groups, found.ranks, strict=True):
            assert (rank == ranks[group]) if ranks[group] <= 5 else rank > 5
            ratios.append(rank / ranks[group])
    assert len(ratios) > 200
    assert np.percentile(ratios, [5, 50, 95]) == pytest.approx([1, 1, 1], abs=0.25)


def test_a_set_that_was_prepared_finds_the_same_before_and_after_a_change() -> None:
    rng = np.random.default_rng(2)
    rows = rng.standard_normal((1200, 512)).astype(np.float32)
    rows = normalize(rows + 2 * np.repeat(rows[::6], 6, axis=0))
    ids = (np.arange(200)[:, np.newaxis] << 16 | np.arange(6)).ravel()
    prepared, other = RowSet(512), RowSet(512)
    for row_set in (prepared, other):
        row_set.add(ids, rows)
    prepared.prepare_groups()
    for _ in range(2):
        asked = {"queries": rows[90:92], "prior": np.zeros(200), "keys": np.arange(200)}
        found, expected = ask(prepared, **asked), ask(other, **asked)
        assert found.groups[0] == 15
        assert found == expected
        for row_set in (prepared, other):
            row_set.remove(np.array([15 << 16 | 3, 7 << 16]))
        prepared.prepare_groups()


def test_a_set_that_has_tripled_is_prepared_anew_and_finds_the_same() -> None:
    rng = np.random.default_rng(4)
    rows = normalize(rng.standard_normal((1800, 512)).astype(np.float32))
    ids = (np.arange(600)[:, np.newaxis] << 16 | np.arange(3)).ravel()
    grown, whole = RowSet(512), RowSet(512)
    whole.add(ids, rows)
    grown.add(ids[:600], rows[:600])
    grown.prepare_groups()
    grown.add(ids[600:], rows[600:])
    asked = {"queries": rows[900:902], "prior": np.zeros(600), "keys": np.arange(600)}
    before = ask(grown, **asked)
    grown.prepare_groups()
    for found in (before, ask(grown, **asked)):
        # Ranks beyond the nearest are estimates.
        assert found._replace(ranks=[]) == ask(whole, **asked)._replace(ranks=[])
