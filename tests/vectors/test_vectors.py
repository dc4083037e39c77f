"""The Rust kernels through their typed face, against a NumPy float64 twin."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openviking import vectors
from openviking.errors import ConflictError, InputError, NotFoundError, ShapeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from openviking.types import Scores, Vectors

DIMS = st.sampled_from([1, 2, 63, 64, 65, 100, 768, 769])
SEEDS = st.integers(0, 2**32 - 1)


def unit_rows(count: int, dim: int, seed: int) -> Vectors:
    """Rows of which some are equal, some zero and some close to each other."""
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((count, dim))
    kinds = rng.integers(0, 8, count)
    rows[kinds == 0] = 0.0
    rows[kinds == 1] = rng.standard_normal(dim)
    rows[kinds == 2] = rows[:1] + 1e-3 * rng.standard_normal((int((kinds == 2).sum()), dim))
    return vectors.normalize(rows.astype(np.float32))


def cosines(queries: Vectors, rows: Vectors) -> NDArray[np.float64]:
    return queries.astype(np.float64) @ rows.astype(np.float64).T


def assert_hits(found: tuple[NDArray[np.int64], Scores], exact: NDArray[np.float64], k: int):
    """Hits are the best by true cosine, up to the rounding of a float32 dot product."""
    ids, scores = found
    assert ids.shape == scores.shape == (len(exact), min(k, exact.shape[1]))
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    best = -np.sort(-exact, axis=1)[:, : ids.shape[1]]
    np.testing.assert_allclose(np.take_along_axis(exact, ids, axis=1), best, atol=4e-6)
    np.testing.assert_allclose(scores, np.clip(best, -1, 1), atol=4e-6)
    for row_ids, row_scores in zip(ids, scores, strict=True):
        pairs = list(zip((-row_scores).tolist(), row_ids.tolist(), strict=True))
        assert pairs == sorted(set(pairs))


@given(st.integers(0, 20), DIMS, SEEDS, st.sampled_from([1.0, 1e-44, 1e-38, 1e-20, 1e30]))
@settings(max_examples=60, deadline=None)
def test_normalize_is_within_an_ulp_of_float64(count: int, dim: int, seed: int, scale: float):
    rows = np.random.default_rng(seed).standard_normal((count, dim)).astype(np.float32)
    rows = (rows * np.float32(scale)).astype(np.float32)
    rows[::3] = 0.0
    lengths = np.linalg.norm(rows.astype(np.float64), axis=1, keepdims=True)
    exact = np.divide(rows, lengths, out=np.zeros(rows.shape), where=lengths > 0)
    unit = vectors.normalize(rows)
    assert unit.dtype == np.float32
    np.testing.assert_allclose(unit, exact, rtol=2.0**-23, atol=1e-45)


@given(st.integers(0, 300), st.integers(0, 4), DIMS, st.integers(1, 320), SEEDS)
@settings(max_examples=60, deadline=None)
def test_both_searches_agree_with_float64(count: int, queries: int, dim: int, k: int, seed: int):
    rows = unit_rows(count, dim, seed)
    asked = unit_rows(queries, dim, seed + 1)
    asked[: min(1, count)] = rows[: min(1, count)][: len(asked)]
    scan = vectors.search(asked, rows, k)
    assert_hits(scan, cosines(asked, rows), k)
    row_set = vectors.RowSet(dim)
    row_set.add(np.arange(count), rows)
    for ours, theirs in zip(row_set.search(asked, k), scan, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@given(st.integers(1, 300), st.floats(0, 1), st.integers(1, 20), SEEDS)
@settings(max_examples=40, deadline=None)
def test_only_allowed_rows_come_back(count: int, share: float, k: int, seed: int):
    rows = unit_rows(count, 64, seed)
    allow = np.random.default_rng(seed).random(count) < share
    found, scores = vectors.search(rows[:2], rows, k, allow=allow)
    kept = np.flatnonzero(allow)
    expected, expected_scores = vectors.search(rows[:2], rows[kept], k)
    np.testing.assert_array_equal(found, kept[expected])
    np.testing.assert_array_equal(scores, expected_scores)
    row_set = vectors.RowSet(64)
    row_set.add(np.arange(count) * 5 - 100, rows)
    unknown = np.array([1, 2, 10**12])
    ids, scores = row_set.search(
        rows[:2], k, allow=np.append(unknown, np.repeat(kept * 5 - 100, 2))
    )
    np.testing.assert_array_equal(ids, kept[expected] * 5 - 100)
    np.testing.assert_array_equal(scores, expected_scores)


def test_a_querys_hits_do_not_depend_on_its_companions():
    rows = unit_rows(700, 768, 1)
    queries = unit_rows(70, 768, 2)
    row_set = vectors.RowSet(768)
    row_set.add(np.arange(700), rows)
    ids, scores = row_set.search(queries, 9)
    for at in range(0, 70, 7):
        one_ids, one_scores = row_set.search(queries[at : at + 1], 9)
        np.testing.assert_array_equal(one_ids[0], ids[at])
        np.testing.assert_array_equal(one_scores[0], scores[at])


@given(st.lists(st.integers(0, 400), max_size=100), st.integers(1, 3000), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_batches_keep_their_budget(lengths: list[int], tokens_max: int, rows_max: int):
    batches = vectors.plan_batches(
        np.array(lengths, np.int64), tokens_max=tokens_max, rows_max=rows_max
    )
    rows = np.concatenate([np.zeros(0, np.int64), *batches])
    assert sorted(rows.tolist()) == list(range(len(lengths)))
    assert rows.tolist() == sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))
    for batch in batches:
        assert batch.dtype == np.int64
        assert len(batch) <= rows_max
        assert len(batch) == 1 or len(batch) * lengths[batch[0]] <= tokens_max


GOOD = np.eye(4, dtype=np.float32)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (GOOD.astype(np.float64), "float64"),
        (GOOD.astype(">f4"), "got"),
        (GOOD[0], r"shape \[4\]"),
        (GOOD[np.newaxis], r"shape \[1, 4, 4\]"),
        (np.asfortranarray(np.ones((3, 4), np.float32)), "order"),
        (np.eye(4, 8, dtype=np.float32)[:, ::2], "order"),
        (np.frombuffer(b"\0" * 65, np.uint8)[1:].view(np.float32).reshape(4, 4), "misaligned"),
        ([[1.0, 0.0, 0.0, 0.0]], "list"),
        (None, "None"),
        (np.zeros((2, 0), np.float32), "columns"),
        (np.zeros((1, 20_000), np.float32), "columns"),
        (np.full((1, 4), np.nan, np.float32), "row 0, column 0"),
        (np.array([[1, 0, 0, 0], [0, 1, -np.inf, 0]], np.float32), "row 1, column 2"),
    ],
    ids=str,
)
def test_rows_that_do_not_fit_are_refused_by_name(bad: Any, words: str):
    row_set = vectors.RowSet(4)
    ids = np.arange(len(bad) if isinstance(bad, np.ndarray) else 1)
    calls: dict[str, list[Callable[[], object]]] = {
        "rows": [lambda: vectors.normalize(bad), lambda: vectors.search(GOOD, bad, 1)],
        "queries": [lambda: vectors.search(bad, GOOD, 1), lambda: row_set.search(bad, 1)],
        "vectors": [lambda: row_set.add(ids, bad), lambda: row_set.replace(ids, bad)],
    }
    for argument, attempts in calls.items():
        for attempt in attempts:
            with pytest.raises(ShapeError, match=words) as refusal:
                attempt()
            assert refusal.value.loc[0] == argument
            assert str(refusal.value).startswith(argument)
    assert len(row_set) == 0


def test_integers_and_masks_that_do_not_fit_are_refused_by_name():
    row_set = vectors.RowSet(4)
    wrong_ids: list[Any] = [
        np.arange(4, dtype=np.int32),
        np.arange(8)[::2],
        np.zeros((2, 2), np.int64),
        [1],
    ]
    for ids in wrong_ids:
        with pytest.raises(ShapeError, match="ids: expected"):
            row_set.add(ids, GOOD)
        with pytest.raises(ShapeError, match="allow: expected"):
            row_set.search(GOOD, 1, allow=ids)
    with pytest.raises(ShapeError, match="ids: expected length 4, got 3"):
        row_set.add(np.arange(3), GOOD)
    with pytest.raises(ShapeError, match="allow: expected length 4, got 3"):
        vectors.search(GOOD, GOOD, 1, allow=np.ones(3, bool))
    with pytest.raises(ShapeError, match="allow: expected a contiguous"):
        vectors.search(GOOD, GOOD, 1, allow=np.ones(4, np.int8))


@pytest.mark.parametrize("k", [0, -1, 2**70, 1.5, "3", None])
def test_a_k_that_is_no_count_is_refused(k: int):
    with pytest.raises(InputError, match="k: expected") as refusal:
        vectors.search(GOOD, GOOD, k)
    assert refusal.value.loc == ("k",)


def test_a_huge_k_returns_every_row():
    ids, scores = vectors.search(GOOD, GOOD, 10**9)
    assert ids.shape == scores.shape == (4, 4)


def test_rows_that_are_not_unit_are_refused_with_their_place():
    rows = GOOD.copy()
    rows[2] *= 3
    for argument, attempt in {
        "queries": lambda: vectors.search(rows, GOOD, 1),
        "rows": lambda: vectors.search(GOOD, rows, 1),
        "vectors": lambda: vectors.RowSet(4).add(np.arange(4), rows),
    }.items():
        with pytest.raises(InputError, match="length 3 at row 2; normalize") as refusal:
            attempt()
        assert refusal.value.loc == (argument, 2)


def test_batch_limits_and_lengths_are_checked():
    with pytest.raises(InputError, match="tokens_max: expected at least 1"):
        vectors.plan_batches(np.arange(3), tokens_max=0, rows_max=1)
    with pytest.raises(InputError, match="rows_max: expected"):
        vectors.plan_batches(np.arange(3), tokens_max=1, rows_max=-4)
    with pytest.raises(InputError, match="got -7 at position 1"):
        vectors.plan_batches(np.array([1, -7]), tokens_max=1, rows_max=1)


def test_a_row_set_gives_back_what_was_put_in():
    row_set = vectors.RowSet(4)
    ids = np.array([2**63 - 1, -(2**63), 0, -1])
    row_set.add(ids, GOOD)
    np.testing.assert_array_equal(row_set.rows(ids[::-1].copy()), GOOD[::-1])
    assert row_set.ids.tolist() == sorted(ids.tolist())
    assert 2**63 - 1 in row_set
    assert 2**63 not in row_set
    assert "0" not in row_set
    with pytest.raises(NotFoundError, match="17"):
        row_set.rows(np.array([0, 17]))
    with pytest.raises(ConflictError, match="-1 is already"):
        row_set.add(np.array([5, -1]), GOOD[:2])
    assert len(row_set) == 4


def test_memory_of_an_argument_is_not_kept():
    rows = GOOD.copy()
    row_set = vectors.RowSet(4)
    row_set.add(np.arange(4), rows)
    rows[:] = 0
    np.testing.assert_array_equal(row_set.rows(np.arange(4)), GOOD)


def test_other_threads_run_during_a_scan():
    rows = unit_rows(2_000, 768, 3)
    queries = unit_rows(1_000, 768, 4)
    progress = 0
    is_done = False

    def count() -> None:
        nonlocal progress
        while not is_done:
            progress += 1
            time.sleep(0)

    counter = threading.Thread(target=count)
    counter.start()
    # While the scan holds the GIL no step can be made; two are a start and an end.
    before = progress
    vectors.search(queries, rows, 10)
    during = progress - before
    is_done = True
    counter.join()
    assert during > 10


FORKED_SEARCH = """
import os
import numpy as np
from openviking.vectors import RowSet, normalize
rows = normalize(np.random.default_rng(0).standard_normal((30_000, 16)).astype(np.float32))
row_set = RowSet(16)
row_set.add(np.arange(30_000), rows)
expected = row_set.search(rows[:3], 4)[0].tolist()  # starts the threads that a child lacks
child = os.fork()
if child == 0:
    os._exit(0 if row_set.search(rows[:3], 4)[0].tolist() == expected else 1)
assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_child_searches_without_the_threads_of_its_parent():
    command = [sys.executable, "-W", "ignore", "-c", FORKED_SEARCH]
    subprocess.run(command, check=True, timeout=60)  # noqa: S603 - our own code


def test_the_level_is_one_of_the_kernel_sets():
    assert vectors.cpu_level() in {"scalar", "neon", "avx2", "avx512"}


def test_a_large_set_near_a_subspace_is_arranged_by_itself_and_stays_exact():
    rng = np.random.default_rng(5)
    directions = rng.standard_normal((60, 512)) / np.arange(2, 62)[:, np.newaxis]
    sums = rng.standard_normal((3_300, 60)) @ directions
    sums += 0.02 * rng.standard_normal(sums.shape)
    rows = vectors.normalize(sums.astype(np.float32))
    held = vectors.RowSet(512)
    held.add(np.arange(3_000), rows[:3_000])
    assert held.scanned_bytes == 512

    held.add(np.arange(3_000, 3_200), rows[3_000:3_200])
    give_up = time.monotonic() + 60
    while held.scanned_bytes != 256:
        assert time.monotonic() < give_up
        threading.Event().wait(0.01)
    held.add(np.arange(3_200, 3_300), rows[3_200:])
    assert held.remove(np.arange(0, 3_300, 7)) == 472

    left = np.setdiff1d(np.arange(3_300), np.arange(0, 3_300, 7))
    queries = np.concatenate([rows[5:8], vectors.normalize(rows[9:10] + np.float32(0.1))])
    found, scores = held.search(queries, 40)
    plain, plain_scores = vectors.search(queries, np.ascontiguousarray(rows[left]), 40)
    np.testing.assert_array_equal(found, left[plain])
    np.testing.assert_array_equal(scores, plain_scores)
