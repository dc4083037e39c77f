"""Search over parts of rows that lie elsewhere, and what is refused there."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openviking.errors import InputError, ShapeError
from openviking.vectors import normalize, search
from openviking.vectors.mapped import MappedRows, Signs, encode

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.types import Vectors

COUNT, DIM = 700, 100


def unit_rows(count: int, dim: int = DIM, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, dim))
    return normalize(rows.astype(np.float32))


def mapped(rows: Vectors) -> MappedRows:
    with NamedTemporaryFile() as file:
        file.write(rows.tobytes())
        file.flush()
        # An open file outlives its name.
        return MappedRows(Path(file.name), DIM, np.arange(len(rows)) * 2, *aligned(rows))


def aligned(rows: Vectors) -> tuple[Any, Any, Any]:
    """NumPy aligns to 16 bytes only; a mapped file lies at a multiple of a page."""
    codes, steps, residuals = encode(rows)
    memory = np.empty(codes.size + 64, np.uint8)
    start = -memory.ctypes.data % 64
    moved = memory[start : start + codes.size].reshape(codes.shape)
    moved[:] = codes
    return moved, steps, residuals


@given(
    st.lists(st.tuples(st.integers(0, COUNT), st.integers(0, COUNT)), max_size=9),
    st.integers(0, 2**32 - 1),
    st.integers(1, 30),
)
@settings(max_examples=40, deadline=None)
def test_parts_are_searched_exactly(cuts: list[tuple[int, int]], seed: int, k: int):
    rows = unit_rows(COUNT)
    ranges = np.array([sorted(cut) for cut in cuts], np.int64).reshape(-1, 2)
    words = np.random.default_rng(seed).integers(0, 2**64, -(-COUNT // 64), np.uint64)
    is_alive = np.unpackbits(words.view(np.uint8), bitorder="little")[:COUNT].astype(bool)
    is_inside = np.zeros(COUNT, bool)
    for start, end in ranges:
        is_inside[start:end] = True
    queries = unit_rows(3, seed=seed)
    expected, scores = search(queries, rows, k, allow=is_alive & is_inside)
    found, found_scores = mapped(rows).search(queries, k, ranges=ranges, alive=words)
    np.testing.assert_array_equal(found, expected * 2)
    np.testing.assert_array_equal(found_scores, scores)


def test_signs_find_most_of_the_nearest():
    rows = unit_rows(2_000)
    rotation = np.linalg.qr(np.random.default_rng(1).standard_normal((DIM, DIM)))[0]
    turned = rows @ rotation.T
    bits = np.zeros((2_000, 16), np.uint8)
    bits[:, :13] = np.packbits(turned > 0, axis=1, bitorder="little")
    factors = (np.square(turned).sum(1) / np.abs(turned).sum(1)).astype(np.float32)
    signs = Signs(bits.view(np.uint64), factors, rotation.astype(np.float32))
    alive = np.full(32, 2**64 - 1, np.uint64)
    hits = 0
    for query in unit_rows(50, seed=2):
        near = search(query[np.newaxis], rows, 10)[0][0]
        found = signs.nearest(
            query[np.newaxis],
            200,
            ranges=np.array([[0, 2_000]]),
            bases=np.zeros(1, np.float32),
            alive=alive,
        )
        assert (found[:, 1] == found[:, 0] + 1).all()
        hits += len(np.intersect1d(found[:, 0], near))
    assert hits / 500 >= 0.9


def test_rows_are_copied_as_they_were_written():
    rows = unit_rows(COUNT)
    wanted = np.array([COUNT - 1, 0, 3, 3])
    np.testing.assert_array_equal(mapped(rows).rows(wanted), rows[wanted])
    assert mapped(rows).rows(wanted[:0]).shape == (0, DIM)


def test_a_file_that_is_cut_short_fails_the_search_and_not_the_process(tmp_path: Path):
    rows = unit_rows(COUNT)
    path = tmp_path / "rows"
    path.write_bytes(rows.tobytes())
    cut = MappedRows(path, DIM, np.arange(COUNT), *aligned(rows))
    os.truncate(path, rows.nbytes // 2)
    whole, alive = np.array([[0, COUNT]]), np.full(11, 2**64 - 1, np.uint64)
    # The scan over codes reads the last row only, which is its own nearest; that over rows, all.
    for k in (1, COUNT):
        with pytest.raises(OSError, match="cannot be read"):
            cut.search(rows[-1:].copy(), k, ranges=whole, alive=alive)
    with pytest.raises(OSError, match="row 699 cannot be read"):
        cut.rows(np.array([0, COUNT - 1]))
    np.testing.assert_array_equal(cut.rows(np.array([0])), rows[:1])


def test_parts_that_do_not_fit_are_refused_by_name(tmp_path: Path):
    rows = unit_rows(5)
    path = tmp_path / "rows"
    path.write_bytes(rows.tobytes())
    ids = np.arange(5)
    codes, steps, residuals = aligned(rows)
    whole, alive = np.array([[0, 5]]), np.array([31], np.uint64)
    words, base = np.zeros((5, 2), np.uint64), np.zeros(1, np.float32)
    good, signs = mapped(rows), Signs(words, steps, np.eye(DIM, dtype=np.float32))
    refused: list[tuple[str, type[Exception], Callable[[], object]]] = [
        ("ids", ShapeError, lambda: MappedRows(path, DIM, ids[1:], codes, steps, residuals)),
        ("codes", ShapeError, lambda: MappedRows(path, DIM, ids, codes[1:], steps, residuals)),
        ("residuals", ShapeError, lambda: MappedRows(path, DIM, ids, codes, steps, residuals[1:])),
        ("rows", ShapeError, lambda: MappedRows(path, 0, ids, codes, steps, residuals)),
        ("ranges", InputError, lambda: good.rows(np.array([5]))),
        ("ranges", InputError, lambda: good.rows(np.array([-1]))),
        ("rows", ShapeError, lambda: good.rows(np.zeros(1, np.int32))),
        ("queries", ShapeError, lambda: good.search(rows[:, :9], 1, ranges=whole, alive=alive)),
        ("ranges", ShapeError, lambda: good.search(rows, 1, ranges=whole.T, alive=alive)),
        ("ranges", InputError, lambda: good.search(rows, 1, ranges=whole + 1, alive=alive)),
        ("alive", ShapeError, lambda: good.search(rows, 1, ranges=whole, alive=alive[1:])),
        ("k", InputError, lambda: good.search(rows, 0, ranges=whole, alive=alive)),
        ("words", ShapeError, lambda: Signs(words[1:], steps, rows)),
        (
            "query",
            ShapeError,
            lambda: signs.nearest(rows, 1, ranges=whole, bases=base, alive=alive),
        ),
        ("count", InputError, lambda: nearest(signs, rows, 0, whole, base)),
        ("ranges", InputError, lambda: nearest(signs, rows, 1, whole + 1, base)),
        ("bases", ShapeError, lambda: nearest(signs, rows, 1, whole, steps)),
    ]
    for argument, error, attempt in refused:
        with pytest.raises(error) as refusal:
            attempt()
        assert str(refusal.value).startswith(argument)


def nearest(signs: Signs, rows: Vectors, count: int, ranges: Any, bases: Any) -> object:
    alive = np.array([31], np.uint64)
    return signs.nearest(rows[:1].copy(), count, ranges=ranges, bases=bases, alive=alive)
