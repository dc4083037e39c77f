"""The encoder as an ONNX graph of this package's own operators, weights packed for their kernels.

Fourteen nodes of the domain ``ai.openviking`` (their signatures stand in rust/ops/src/ops): Embed,
one EncoderLayer for each layer, PoolNormalize. The inputs are ``input_ids`` int64 (t,), the tokens
of all texts one after the other, and ``offsets`` int64 (n + 1,), where each text begins, the last
one being t. The output is ``embeddings`` float32 (n, hidden), of unit length.

The weights lie beside the graph in one file, each on a page of its own and in the order of use:
ONNX Runtime maps them, the kernels read them where they lie, and nothing is copied to the heap.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from openviking.encoder.graph import FIRST_POSITION, relative_bias
from openviking.encoder.quantize import quantize_rows
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from io import BufferedWriter
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from openviking.encoder.weights import Weights

NATIVE_VERSION = 1
"""Version of the graph, the packing and the kernels' arithmetic: raise it when vectors change."""

GRAPH_NAME, WEIGHTS_NAME = "model.onnx", "model.bin"

HEAD = 64
"""Columns of an attention head, the only width that the kernels know."""

LANES = 16
"""Columns of one vector: every width is a multiple of it."""

PANEL = 48
"""Output columns that the kernels compute together."""

_DOMAIN = "ai.openviking"
_PAGE = 4096
_ZERO_POINT = 128


def write_native_graph(weights: Weights, folder: Path, *, tokens_max: int) -> Path:
    """Write ``model.onnx`` and ``model.bin`` into *folder* and return the path of the former.

    Args:
        weights: the parameters.
        folder: an existing folder.
        tokens_max: longest text, markers included; sets the size of the position and bias tables.

    Raises:
        EncoderError: the kernels cannot compute a model of this size.
    """
    check_sizes(weights)
    with (folder / WEIGHTS_NAME).open("wb") as data:
        model = _GraphWriter(weights, data, tokens_max).write()
    path = folder / GRAPH_NAME
    path.write_bytes(model.SerializeToString())
    return path


def check_sizes(weights: Weights) -> None:
    """Refuse a model whose widths are no multiples of what the kernels compute together."""
    hidden, inner = weights.hidden, weights.inner
    if hidden != HEAD * weights.heads or inner % LANES:
        raise EncoderError(
            f"the native kernels need heads of {HEAD} columns and an inner width that is a "
            f"multiple of {LANES}; this model has {weights.heads} heads, hidden {hidden} and "
            f"inner {inner}"
        )


def pack_panels(codes: NDArray[np.int8]) -> NDArray[np.int8]:
    """Arrange (outputs, inputs) codes as (panels, inputs / 4, 48, 4), outputs a multiple of 48.

    Four inputs of one output are what one instruction multiplies, 48 outputs what one pass over
    the rows computes: a panel is read from its first byte to its last, and the next one follows.
    """
    outputs, inputs = codes.shape
    panels = codes.reshape(outputs // PANEL, PANEL, inputs // 4, 4)
    return np.ascontiguousarray(panels.transpose(0, 2, 1, 3))


class _GraphWriter:
    """Collects nodes; weights go straight to the data file, so memory stays small."""

    def __init__(self, weights: Weights, data: BufferedWriter, tokens_max: int) -> None:
        self._weights = weights
        self._data = data
        self._tokens_max = tokens_max
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def write(self) -> onnx.ModelProto:
        """Emit the whole forward pass."""
        hidden = self._embed()
        bias = self._constant("relative_bias", self._bias_by_offset())
        for layer in range(self._weights.layers):
            hidden = self._layer(hidden, bias, f"encoder.layer.{layer}")
        self._node("PoolNormalize", [hidden, "offsets"], "embeddings")
        graph = helper.make_graph(
            self._nodes,
            "mpnet-native",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["t"]),
                helper.make_tensor_value_info("offsets", TensorProto.INT64, ["n_plus_1"]),
            ],
            [
                helper.make_tensor_value_info(
                    "embeddings", TensorProto.FLOAT, ["n", self._weights.hidden]
                )
            ],
            self._initializers,
        )
        opsets = [helper.make_opsetid("", 20), helper.make_opsetid(_DOMAIN, 1)]
        return helper.make_model(
            graph, producer_name="openviking", opset_imports=opsets, ir_version=10
        )

    def _embed(self) -> str:
        positions = self._weights["embeddings.position_embeddings.weight"]
        codes, scales = quantize_rows(self._weights["embeddings.word_embeddings.weight"])
        kept = positions[FIRST_POSITION : FIRST_POSITION + self._tokens_max]
        inputs = [
            "input_ids",
            "offsets",
            self._constant("words.codes", codes),
            self._constant("words.scales", scales),
            self._constant("positions", kept),
            self._norm("embeddings.LayerNorm"),
        ]
        return self._node("Embed", inputs, "embedded")

    def _bias_by_offset(self) -> NDArray[np.float32]:
        """Return the bias by key position - query position: (heads, 2 * tokens_max - 1)."""
        buckets = self._weights["encoder.relative_attention_bias.weight"]
        table = relative_bias(buckets, self._tokens_max)[0]
        return np.concatenate([table[:, :0:-1, 0], table[:, 0, :]], axis=1)

    def _layer(self, hidden: str, bias: str, scope: str) -> str:
        inputs = [
            hidden,
            "offsets",
            bias,
            self._norm(f"{scope}.attention.LayerNorm"),
            self._norm(f"{scope}.output.LayerNorm"),
            *self._linear(f"{scope}.qkv", [f"{scope}.attention.attn.{part}" for part in "qkv"]),
            *self._linear(f"{scope}.o", [f"{scope}.attention.attn.o"]),
            *self._linear(f"{scope}.f1", [f"{scope}.intermediate.dense"]),
            *self._linear(f"{scope}.f2", [f"{scope}.output.dense"]),
        ]
        return self._node("EncoderLayer", inputs, scope)

    def _linear(self, name: str, parts: list[str]) -> list[str]:
        """Store linear layers side by side: codes, start values of the sums, scales and biases."""
        weight = np.concatenate([self._weights[f"{part}.weight"] for part in parts])
        bias = np.concatenate([self._weights[f"{part}.bias"] for part in parts])
        codes, scales = quantize_rows(weight)
        dequant = np.stack([scales, bias])
        if len(parts) > 1:
            # The queries' 1 / sqrt(head width) is a power of two: moving it here is exact.
            dequant[:, : self._weights.hidden] /= np.float32(np.sqrt(HEAD))
        missing = -len(codes) % PANEL  # the last panel is filled up with zeros
        codes = np.pad(codes, ((0, missing), (0, 0)))
        dequant = np.pad(dequant, ((0, 0), (0, missing)))
        start = -_ZERO_POINT * codes.sum(axis=1, dtype=np.int32)
        return [
            self._constant(f"{name}.codes", pack_panels(codes)),
            self._constant(f"{name}.start", start),
            self._constant(f"{name}.dequant", dequant),
        ]

    def _norm(self, name: str) -> str:
        weight, bias = self._weights[f"{name}.weight"], self._weights[f"{name}.bias"]
        return self._constant(name, np.stack([weight, bias]))

    def _node(self, kind: str, inputs: list[str], output: str) -> str:
        self._nodes.append(helper.make_node(kind, inputs, [output], name=output, domain=_DOMAIN))
        return output

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self._data.write(b"\0" * (-self._data.tell() % _PAGE))
        tensor = TensorProto(
            name=name,
            dims=array.shape,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": WEIGHTS_NAME, "offset": self._data.tell(), "length": array.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._data.write(np.ascontiguousarray(array).data)
        self._initializers.append(tensor)
        return name
