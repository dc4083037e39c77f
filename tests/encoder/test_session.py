from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from openviking.encoder.session import PackedSession, SingleTextSession
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def packed_graph(tmp_path: Path) -> Path:
    """A graph of the packed convention: each text's vector is (first id, number of tokens)."""
    zero = onnx.numpy_helper.from_array(np.array([0]), "zero")
    one = onnx.numpy_helper.from_array(np.array([1]), "one")
    last = onnx.numpy_helper.from_array(np.array([-1]), "last")
    end = onnx.numpy_helper.from_array(np.array([1 << 40]), "end")
    nodes = [
        helper.make_node("Slice", ["offsets", "zero", "last"], ["starts"]),
        helper.make_node("Slice", ["offsets", "one", "end"], ["ends"]),
        helper.make_node("Sub", ["ends", "starts"], ["lengths"]),
        helper.make_node("Gather", ["input_ids", "starts"], ["first"]),
        helper.make_node("Unsqueeze", ["first", "one"], ["first_column"]),
        helper.make_node("Unsqueeze", ["lengths", "one"], ["length_column"]),
        helper.make_node("Concat", ["first_column", "length_column"], ["both"], axis=1),
        helper.make_node("Cast", ["both"], ["embeddings"], to=TensorProto.FLOAT),
    ]
    graph = helper.make_graph(
        nodes,
        "packed",
        [
            helper.make_tensor_value_info(n, TensorProto.INT64, [None])
            for n in ("input_ids", "offsets")
        ],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, [None, 2])],
        [zero, one, last, end],
    )
    path = tmp_path / "packed.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.write_bytes(model.SerializeToString())
    return path


def test_packed_texts_arrive_one_after_the_other_with_their_offsets(packed_graph: Path):
    session = PackedSession(packed_graph, threads=1, operators=None)
    texts = [np.array(ids, dtype=np.int64) for ids in ([7, 8, 9], [4], [5, 6])]

    assert session.run(texts).tolist() == [[7, 3], [4, 1], [5, 2]]


def test_a_library_that_has_no_operators_is_refused(packed_graph: Path):
    with pytest.raises(EncoderError, match="operators"):
        PackedSession(packed_graph, threads=1, operators=packed_graph)


def test_a_graph_of_another_convention_fails_as_an_encoder_error(packed_graph: Path):
    session = SingleTextSession(packed_graph, threads=1)

    with pytest.raises(EncoderError, match="while encoding"):
        session.run([np.array([0, 2], dtype=np.int64)])


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"not a protobuf"])
@pytest.mark.parametrize("laid_out", [True, False])
def test_a_damaged_graph_is_refused(tmp_path: Path, content: bytes, *, laid_out: bool):
    path = tmp_path / "model.onnx"
    path.write_bytes(content)

    with pytest.raises(EncoderError):
        SingleTextSession(path, threads=1, laid_out=laid_out)
