"""Packing and rounding of the weights, and where they lie in the file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from tests.encoder_native.conftest import TOKENS_MAX, random_weights

from openviking.encoder.graph_native import PANEL, pack_panels, write_native_graph
from openviking.encoder.quantize import quantize_rows
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tests.encoder_native.conftest import TinyEncoder

_FLOATS = st.floats(-(2.0**40), 2.0**40, width=32)


@given(arrays(np.float32, st.tuples(st.integers(1, 6), st.integers(1, 40)), elements=_FLOATS))
def test_quantised_rows_are_within_half_a_step(weight: NDArray[np.float32]):
    codes, scales = quantize_rows(weight)
    assert codes.min() >= -127
    error = np.abs(codes * scales[:, None].astype(np.float64) - weight)
    assert (error <= 0.5001 * scales[:, None] + 1e-30).all()


def test_panels_hold_four_inputs_of_each_output_side_by_side():
    codes = np.arange(2 * PANEL * 8, dtype=np.int64).astype(np.int8).reshape(2 * PANEL, 8)
    panels = pack_panels(codes)
    assert panels.shape == (2, 2, PANEL, 4)
    for output, entry in ((0, 0), (47, 3), (48, 4), (95, 7)):
        packed = panels[output // PANEL, entry // 4, output % PANEL, entry % 4]
        assert packed == codes[output, entry]


def test_every_weight_begins_on_a_page_of_the_one_file(tiny: TinyEncoder):
    model = onnx.load(str(tiny.graph), load_external_data=False)
    assert len(model.graph.initializer) > 20
    for tensor in model.graph.initializer:
        place = {entry.key: entry.value for entry in tensor.external_data}
        assert place["location"] == "model.bin"
        assert int(place["offset"]) % 4096 == 0


def test_the_same_weights_give_the_same_files(tiny: TinyEncoder, tmp_path: Path):
    again = write_native_graph(tiny.weights, tmp_path, tokens_max=TOKENS_MAX)
    for name in ("model.onnx", "model.bin"):
        assert (again.parent / name).read_bytes() == (tiny.graph.parent / name).read_bytes()


@pytest.mark.parametrize("change", [{"heads": 3}, {"inner": 200}])
def test_sizes_that_the_kernels_cannot_compute_are_refused(tmp_path: Path, change: dict[str, int]):
    weights = replace(random_weights(np.random.default_rng(0)), **change)  # type: ignore[arg-type]
    with pytest.raises(EncoderError, match="native kernels need"):
        write_native_graph(weights, tmp_path, tokens_max=TOKENS_MAX)
    assert not list(tmp_path.iterdir())
