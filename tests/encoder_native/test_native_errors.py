"""Wrong input and damaged graphs are refused with a reason, and nothing crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from tests.encoder_native.conftest import HIDDEN, TOKENS_MAX, VOCABULARY, random_weights

from openviking.encoder.graph_native import write_native_graph
from openviking.encoder.session import PackedSession
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.encoder_native.conftest import TinyEncoder


@pytest.fixture(scope="module")
def session(tiny: TinyEncoder) -> Any:
    return tiny.open(threads=2)._session  # noqa: SLF001 - what the session class never sends


def _run(session: Any, ids: list[int], offsets: list[int]) -> Any:
    inputs = {"input_ids": np.array(ids, np.int64), "offsets": np.array(offsets, np.int64)}
    return session.run(None, inputs)[0]


@pytest.mark.parametrize("bad", [-1, VOCABULARY, 2**40, -(2**63)])
def test_a_token_outside_the_vocabulary_is_refused(session: Any, bad: int):
    with pytest.raises(Exception, match=rf"expected 0 to {VOCABULARY - 1}, got {bad}"):
        _run(session, [0, bad, 2], [0, 3])


@pytest.mark.parametrize(
    ("offsets", "reason"),
    [
        ([], "expected shape"),
        ([1, 5], "expected 0 first and 5 last"),
        ([0, 4], "expected 0 first and 5 last"),
        ([0, 6], "expected 0 first and 5 last"),
        ([0, 3, 2, 5], "text 1 spans 3 to 2"),
        ([0, 2, 2, 5], "text 1 spans 2 to 2"),
        ([0, -3, 5], "negative"),
        ([0, 2**62, 5], "text 0 spans"),
    ],
)
def test_offsets_that_are_no_partition_are_refused(session: Any, offsets: list[int], reason: str):
    with pytest.raises(Exception, match=reason):
        _run(session, [0, 5, 6, 7, 2], offsets)


def test_text_lengths_are_accepted_up_to_the_window_and_no_further(session: Any):
    for length in (TOKENS_MAX - 1, TOKENS_MAX):
        assert _run(session, [1] * length, [0, length]).shape == (1, HIDDEN)
    with pytest.raises(Exception, match=f"expected 1 to {TOKENS_MAX} tokens"):
        _run(session, [1] * (TOKENS_MAX + 1), [0, TOKENS_MAX + 1])


def test_a_run_is_accepted_up_to_4096_tokens_and_no_further(session: Any):
    for tokens in (4095, 4096):
        offsets = [*range(0, tokens, 8), tokens]
        assert _run(session, [1] * tokens, offsets).shape == (512, HIDDEN)
    with pytest.raises(Exception, match="at most 4096 tokens"):
        _run(session, [1] * 4097, [*range(0, 4097, 8), 4097])


def test_inputs_of_another_shape_are_refused(session: Any):
    with pytest.raises(Exception, match=r"[Ii]nvalid|expected"):
        session.run(
            None, {"input_ids": np.zeros((1, 3), np.int64), "offsets": np.array([0, 3], np.int64)}
        )


def test_a_session_still_works_after_an_error(session: Any):
    before = _run(session, [0, 5, 2], [0, 3])
    with pytest.raises(Exception, match="expected"):
        _run(session, [0, -5, 2], [0, 3])
    assert _run(session, [0, 5, 2], [0, 3]).tobytes() == before.tobytes()


def _constant(model: onnx.ModelProto, name: str) -> Any:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)


def _halve_columns(model: onnx.ModelProto) -> None:
    tensor = _constant(model, "encoder.layer.0.f1.dequant")
    tensor.dims[0], tensor.dims[1] = 1, 2 * tensor.dims[1]


def _swap_inputs(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "EncoderLayer")
    node.input[5], node.input[11] = node.input[11], node.input[5]


def _make_dynamic(model: onnx.ModelProto) -> None:
    node = next(node for node in model.graph.node if node.op_type == "EncoderLayer")
    node.input[3] = "embedded"


def _flatten_norm(model: onnx.ModelProto) -> None:
    tensor = _constant(model, "encoder.layer.1.output.LayerNorm")
    del tensor.dims[:]
    tensor.dims.append(2 * HIDDEN)


def _reach_past_the_file(model: onnx.ModelProto) -> None:
    tensor = _constant(model, "encoder.layer.1.f2.codes")
    for entry in tensor.external_data:
        if entry.key == "offset":
            entry.value = str(1 << 40)


@pytest.mark.parametrize(
    "damage", [_halve_columns, _swap_inputs, _make_dynamic, _flatten_norm, _reach_past_the_file]
)
def test_a_graph_whose_weights_do_not_fit_is_refused(
    tiny: TinyEncoder, tmp_path: Path, damage: Any
):
    model = onnx.load(str(tiny.graph), load_external_data=False)
    damage(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "model.bin").write_bytes((tiny.graph.parent / "model.bin").read_bytes())
    with pytest.raises(EncoderError, match="cannot open"):
        PackedSession(tmp_path / "model.onnx", threads=1, operators=tiny.operators)


def test_weights_that_are_not_numbers_give_an_error_not_a_vector(tiny: TinyEncoder, tmp_path: Path):
    weights = random_weights(np.random.default_rng(1))
    weights["encoder.layer.1.output.LayerNorm.bias"][7] = np.nan
    graph = write_native_graph(weights, tmp_path, tokens_max=TOKENS_MAX)
    session = PackedSession(graph, threads=1, operators=tiny.operators)
    with pytest.raises(EncoderError, match="not finite"):
        session.run([np.array([0, 5, 2])])


def test_a_graph_without_its_operators_is_refused(tiny: TinyEncoder):
    with pytest.raises(EncoderError, match="cannot open"):
        PackedSession(tiny.graph, threads=1, operators=None)
