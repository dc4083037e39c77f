"""The model as peers are given it: a float32 ONNX file of standard operators.

Peers pad the texts of a batch to one length, so this graph has an attention mask; none of them
knows our own operators, so it has only those of the ONNX standard. It is kinder than the usual
export: the relative bias is cut from a table instead of computed, and added to the mask once for
all layers. Inputs ``input_ids`` and ``attention_mask``, both int64 (n, s); output
``last_hidden_state`` float32 (n, s, hidden), which the peer pools and normalises itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from openviking.encoder.graph import EPSILON, FIRST_POSITION, relative_bias

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.encoder.weights import Weights

TOKENS_MAX = 384
_OPSET = 17  # the first with LayerNormalization
_IR_VERSION = 8
_MASKED = -1e9
"""Added to the score of a padded key: large enough to vanish in the softmax, finite in bfloat16."""


def plain_graph(weights: Weights) -> onnx.ModelProto:
    """Return the forward pass over *weights* as one ONNX model, initialisers included."""
    return _PlainGraph(weights).model()


class _PlainGraph:
    """Collects nodes and initialisers; every method returns the name of its result."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []

    def model(self) -> onnx.ModelProto:
        hidden = self._embeddings()
        mask = self._mask()
        for layer in range(self._weights.layers):
            hidden = self._layer(f"encoder.layer.{layer}.", hidden, mask)
        self._nodes.append(helper.make_node("Identity", [hidden], ["last_hidden_state"]))
        inputs = [
            helper.make_tensor_value_info(name, TensorProto.INT64, ["n", "s"])
            for name in ("input_ids", "attention_mask")
        ]
        output = helper.make_tensor_value_info(
            "last_hidden_state", TensorProto.FLOAT, ["n", "s", self._weights.hidden]
        )
        graph = helper.make_graph(self._nodes, "mpnet", inputs, [output], self._initializers)
        return helper.make_model(
            graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION
        )

    def _embeddings(self) -> str:
        words = self._parameter("embeddings.word_embeddings.weight")
        positions = self._weights["embeddings.position_embeddings.weight"]
        kept = positions[FIRST_POSITION : FIRST_POSITION + TOKENS_MAX]
        place = self._cut(self._constant("positions", kept), axes=[0])
        token = self._node("Gather", words, "input_ids")
        return self._norm("embeddings.LayerNorm", self._node("Add", token, place))

    def _mask(self) -> str:
        """Relative bias and padding in one array: (n, heads, s, s), added to the scores."""
        buckets = self._weights["encoder.relative_attention_bias.weight"]
        bias = self._cut(
            self._constant("relative_bias", relative_bias(buckets, TOKENS_MAX)), axes=[2, 3]
        )
        real = self._node("Cast", "attention_mask", to=TensorProto.FLOAT)
        padded = self._node("Sub", self._scalar(1.0), real)
        penalty = self._node("Mul", padded, self._scalar(_MASKED))
        rows = self._node("Unsqueeze", penalty, self._integers([1, 2]))
        return self._node("Add", bias, rows)

    def _cut(self, table: str, axes: list[int]) -> str:
        """Cut *table* to the number of tokens along *axes*."""
        length = self._node("Shape", "input_ids", start=1, end=2)
        ends = length if len(axes) == 1 else self._node("Concat", *[length] * len(axes), axis=0)
        starts = self._integers([0] * len(axes))
        return self._node("Slice", table, starts, ends, self._integers(axes))

    def _layer(self, scope: str, hidden: str, mask: str) -> str:
        attention = f"{scope}attention."
        query, key, value = (self._heads(f"{attention}attn.{part}", hidden) for part in "qkv")
        scale = self._scalar((self._weights.hidden / self._weights.heads) ** -0.5)
        turned = self._node("Transpose", key, perm=[0, 1, 3, 2])
        scores = self._node("Mul", self._node("MatMul", query, turned), scale)
        shares = self._node("Softmax", self._node("Add", scores, mask), axis=-1)
        mixed = self._node("Transpose", self._node("MatMul", shares, value), perm=[0, 2, 1, 3])
        joined = self._node("Reshape", mixed, self._integers([0, 0, self._weights.hidden]))
        attended = self._linear(f"{attention}attn.o", joined)
        middle = self._norm(f"{attention}LayerNorm", self._node("Add", attended, hidden))
        inner = self._gelu(self._linear(f"{scope}intermediate.dense", middle))
        out = self._linear(f"{scope}output.dense", inner)
        return self._norm(f"{scope}output.LayerNorm", self._node("Add", out, middle))

    def _heads(self, name: str, hidden: str) -> str:
        """Project and split into heads: (n, heads, s, head width)."""
        width = self._weights.hidden // self._weights.heads
        shape = self._integers([0, 0, self._weights.heads, width])
        split = self._node("Reshape", self._linear(name, hidden), shape)
        return self._node("Transpose", split, perm=[0, 2, 1, 3])

    def _gelu(self, source: str) -> str:
        """x/2 (1 + erf(x / sqrt 2)), spelled as exporters spell it: runtimes fuse that pattern."""
        erf = self._node("Erf", self._node("Div", source, self._scalar(2.0**0.5)))
        gate = self._node("Add", erf, self._scalar(1.0))
        return self._node("Mul", self._node("Mul", source, gate), self._scalar(0.5))

    def _linear(self, name: str, source: str) -> str:
        turned = np.ascontiguousarray(self._weights[f"{name}.weight"].T)
        product = self._node("MatMul", source, self._constant(f"{name}.weight", turned))
        return self._node("Add", product, self._parameter(f"{name}.bias"))

    def _norm(self, name: str, source: str) -> str:
        scale, shift = (self._parameter(f"{name}.{part}") for part in ("weight", "bias"))
        return self._node("LayerNormalization", source, scale, shift, axis=-1, epsilon=EPSILON)

    def _node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"{kind}_{len(self._nodes)}"
        self._nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def _parameter(self, name: str) -> str:
        return self._constant(name, self._weights[name])

    def _scalar(self, value: float) -> str:
        return self._constant(f"scalar_{len(self._initializers)}", np.array(value, np.float32))

    def _integers(self, values: list[int]) -> str:
        return self._constant(f"integers_{len(self._initializers)}", np.array(values, np.int64))

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        self._initializers.append(onnx.numpy_helper.from_array(array, name))
        return name
