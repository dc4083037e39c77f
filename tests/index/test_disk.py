"""The index on disk: a map from ids to vectors that outlives its process, found near exactly."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openviking.errors import (
    ConflictError,
    InputError,
    NotFoundError,
    ShapeError,
    StoreError,
    StoreInUseError,
)
from openviking.index import DiskIndex, DiskOptions, Index
from openviking.vectors import normalize, search

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.types import RowIds, Vectors

DIM = 16
SMALL = DiskOptions(fresh_rows_max=12, lists_from_rows=40, candidates_min=20, scanned_per_root=1e6)


def unit_rows(count: int, dim: int = DIM, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return normalize(rows.astype(np.float32))


def ids_of(*values: int) -> RowIds:
    return np.array(values, np.int64)


def assert_holds(index: DiskIndex, twin: dict[int, Vectors]) -> None:
    kept = sorted(twin)
    assert index.ids.tolist() == kept
    assert len(index) == len(kept)
    held = np.array([twin[i] for i in kept], np.float32).reshape(-1, DIM)
    np.testing.assert_array_equal(index.vectors(ids_of(*kept)), held)
    queries = unit_rows(2, seed=99)
    found, scores = index.search(queries, 5, allow=ids_of(*kept))
    expected, expected_scores = search(queries, held, 5)
    np.testing.assert_array_equal(found, ids_of(*kept)[expected])
    np.testing.assert_array_equal(scores, expected_scores)
    assert index.search(queries, 5)[0].shape == found.shape


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "replace", "remove", "open", "compact"]),
        st.lists(st.integers(-5, 60), max_size=16, unique=True),
        st.integers(0, 2**16),
    ),
    max_size=14,
)


@given(STEPS)
@settings(max_examples=40, deadline=None)
def test_it_is_a_map_from_ids_to_vectors_whatever_is_done_and_however_often_opened(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int], int]]
):
    folder = tmp_path_factory.mktemp("index")
    twin: dict[int, Vectors] = {}
    index = Index.open(folder, DIM, options=SMALL)
    for action, values, seed in steps:
        ids, rows = ids_of(*values), unit_rows(len(values), seed=seed)
        if action == "open":
            index.close()
            index = Index.open(folder, DIM, options=SMALL)
        elif action == "compact":
            index.compact()
        elif action == "remove":
            assert index.remove(ids) == len([twin.pop(i) for i in values if i in twin])
        elif action == "add" and twin.keys() & set(values):
            with pytest.raises(ConflictError):
                index.add(ids, rows)
        else:
            (index.add if action == "add" else index.replace)(ids, rows)
            twin.update(zip(values, rows, strict=True))
        assert_holds(index, twin)
    index.close()
    with Index.open(folder, DIM, options=SMALL) as opened:
        assert_holds(opened, twin)
        opened.check()
    shutil.rmtree(folder)


def test_a_refused_call_changes_nothing(tmp_path: Path):
    rows = unit_rows(20)
    bad = rows[2:].copy()
    bad[1, 3] = np.nan
    with Index.open(tmp_path, DIM, options=SMALL) as index:
        index.add(ids_of(1, 2), rows[:2])
        refused = [
            (ConflictError, lambda: index.add(ids_of(3, 2), rows[2:4])),
            (ConflictError, lambda: index.replace(ids_of(3, 3), rows[2:4])),
            (ShapeError, lambda: index.add(np.arange(3, 21), bad)),
            (ShapeError, lambda: index.add(ids_of(3), rows[2:4])),
            (ShapeError, lambda: index.add(ids_of(3), rows[:1, :8].copy())),
            (ShapeError, lambda: index.add(ids_of(3), None)),  # type: ignore[arg-type]
            (InputError, lambda: index.replace(ids_of(1, 4), rows[2:4] * 2)),
            (ShapeError, lambda: index.remove(np.array([1.0]))),
            (InputError, lambda: index.search(rows[:1], 0)),
            (ShapeError, lambda: index.search(bad[1:2], 1)),
            (NotFoundError, lambda: index.vectors(ids_of(1, 77))),
        ]
        for error, attempt in refused:
            with pytest.raises(error):
                attempt()
        assert index.ids.tolist() == [1, 2]
    with Index.open(tmp_path, DIM, options=SMALL) as index:
        assert index.ids.tolist() == [1, 2]
        assert 1 in index
        assert 2**63 not in index
        assert "1" not in index


def test_a_folder_serves_one_index_of_one_width(tmp_path: Path):
    with Index.open(tmp_path, DIM), pytest.raises(StoreInUseError, match="already open"):
        Index.open(tmp_path, DIM)
    with pytest.raises(ShapeError, match="has 16 columns, got 8"):
        Index.open(tmp_path, 8)
    Index.open(tmp_path, DIM).close()
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot use"):
        Index.open(tmp_path / "file", DIM)


def test_searches_never_see_half_of_a_change(tmp_path: Path):
    options = DiskOptions(fresh_rows_max=150, lists_from_rows=10**9)
    states = [np.repeat(unit_rows(1, seed=seed), 100, axis=0) for seed in range(2)]
    query = unit_rows(1, seed=7)
    allowed = {float(search(query, state[:1], 1)[1][0, 0]) for state in states}
    is_done = threading.Event()
    faults: list[object] = []
    with Index.open(tmp_path, DIM, options=options) as index:
        index.add(np.arange(100), states[0])

        def look() -> None:
            while not is_done.is_set():
                found, scores = index.search(query, 100)
                seen = set(scores.ravel().tolist())
                if len(seen) != 1 or not seen <= allowed or found.shape != (1, 100):
                    faults.append((found.shape, seen))

        reader = threading.Thread(target=look)
        reader.start()
        for turn in range(1, 40):
            index.replace(np.arange(100), states[turn % 2])
            if turn % 7 == 0:
                index.compact()
        is_done.set()
        reader.join()
    assert not faults


def clustered_rows(count: int, dim: int, seed: int) -> Vectors:
    """Like embeddings of text: many small clouds, within which neighbours are hard to tell."""
    rng = np.random.default_rng(seed)
    centres = normalize(rng.standard_normal((count // 50, dim)).astype(np.float32))
    cloud = rng.standard_normal((count, dim)).astype(np.float32) * np.float32(0.6 / dim**0.5)
    return normalize(centres[rng.integers(0, len(centres), count)] + cloud)


def test_recall_over_lists_and_fresh_vectors_and_around_removed_ones(tmp_path: Path):
    rows = clustered_rows(21_000, 64, seed=5)
    options = DiskOptions(
        fresh_rows_max=4_000, lists_from_rows=10_000, candidates_min=200, scanned_per_root=20.0
    )
    ids = np.arange(21_000) * 3 - 1000
    with Index.open(tmp_path, 64, options=options) as index:
        index.add(ids[:20_000], rows[:20_000])
        index.add(ids[20_000:], rows[20_000:])
        gone = ids[::10].copy()
        assert index.remove(gone) == 2_100
    with Index.open(tmp_path, 64, options=options) as index:
        kept = np.setdiff1d(np.arange(21_000), np.arange(0, 21_000, 10))
        queries = normalize(rows[1::105] + np.float32(0.02) * unit_rows(200, 64, seed=6))
        exact, exact_scores = search(queries, rows[kept], 10)
        found, scores = index.search(queries, 10)
        hits = [len(np.intersect1d(a, b)) for a, b in zip(found, ids[kept][exact], strict=True)]
        assert np.mean(hits) / 10 >= 0.98
        assert (np.diff(scores, axis=1) <= 0).all()
        np.testing.assert_allclose(scores[:, 0], exact_scores[:, 0], atol=0.02)
        everything = index.search(queries[:1], 18_900)[0]
        assert sorted(everything[0].tolist()) == ids[kept].tolist()
