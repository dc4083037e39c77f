"""The study's rounding: what it rounds to can be packed, and it does what GPTQ is for."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]


def load_tool() -> Any:
    """Import the tool from its file, since the tools are no package."""
    spec = importlib.util.spec_from_file_location(
        "gptq", Path(__file__).parents[2] / "tools/gptq.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gptq = load_tool()
INPUTS, OUTPUTS = 4 * gptq.GROUP, 24


@pytest.fixture
def codes() -> Array:
    rng = np.random.default_rng(5)
    codes = rng.normal(0, 30, (INPUTS, OUTPUTS)).astype(np.float32)
    codes *= gptq.CODE_MAX / np.abs(codes).max(axis=0)
    return codes


@pytest.fixture
def inputs() -> Any:
    """Inputs that go together, as those of a real layer do."""
    rng = np.random.default_rng(6)
    mixed = rng.normal(0, 1, (2000, 20)) @ rng.normal(0, 1, (20, INPUTS))
    rows = (mixed + rng.normal(0, 0.5, mixed.shape)).astype(np.float32)
    return gptq.Moments(np.cov(rows.T, bias=True).astype(np.float32), rows.mean(axis=0))


def error(codes: Array, rounded: Array, inputs: Any) -> float:
    missed = rounded - codes
    return float(np.einsum("in,ij,jn->", missed, inputs.gram, missed))


@pytest.mark.parametrize("rounding", ["to_nearest", "by_gptq"])
def test_a_group_has_at_most_sixteen_codes_at_equal_distances(
    rounding: str, codes: Array, inputs: Any
):
    rounded = getattr(gptq, rounding)(codes, inputs)

    assert np.array_equal(rounded, np.rint(rounded))
    assert np.abs(rounded).max() <= gptq.CODE_MAX
    for group in rounded.reshape(-1, gptq.GROUP, OUTPUTS):
        for column in group.T.astype(int):
            gain = np.gcd.reduce(np.diff(np.unique(column)))
            assert np.ptp(column) // gain <= gptq.HALF_MAX


def test_gptq_moves_the_outputs_less_than_rounding_to_nearest(codes: Array, inputs: Any):
    nearest = error(codes, gptq.to_nearest(codes, inputs), inputs)

    assert error(codes, gptq.by_gptq(codes, inputs), inputs) < 0.5 * nearest


def test_rounding_to_nearest_moves_a_code_by_half_a_gain_at_most(codes: Array, inputs: Any):
    codes *= 0.8  # across all codes, the widest grid of sixteen points lacks one
    gain, _ = gptq.grids(codes, np.ones(INPUTS, np.float32), shrink=0)

    missed = np.abs(gptq.to_nearest(codes, inputs) - codes).reshape(-1, gptq.GROUP, OUTPUTS)

    assert (missed <= gain[:, None] / 2 + 0.5).all()  # a grid begins at a whole code
