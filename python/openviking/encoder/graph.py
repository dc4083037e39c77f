"""The MPNet forward pass as an ONNX graph of stock operators, float32 or 8-bit weights.

One graph for both precisions; only the linear layers and the embedding table differ. The input is
``input_ids`` int64 (n, s): n texts of exactly s tokens each, so there is no padding and no mask.
The output is ``embeddings`` float32 (n, hidden), mean-pooled and of unit length.

Traps of this model: positions start at row 2; the relative bias is one table for all layers and is
added after the 1/sqrt(head width) scaling; normalisation follows the residual; epsilon is 1e-5.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from openviking.encoder.quantize import BLOCK, quantize_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedWriter
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.encoder.weights import Weights
    from openviking.types import Progress

EPSILON = 1e-5
FIRST_POSITION = 2
"""Row of the position table for the first token: 0 and 1 are reserved, as in RoBERTa."""

_OPSET = 20  # the first with Gelu
_IR_VERSION = 10
_ALIGNMENT = 4096  # a page, so that every initialiser can be mapped
_MICROSOFT = "com.microsoft"


def write_graph(
    weights: Weights, folder: Path, *, quantized: bool, tokens_max: int, advance: Progress
) -> Path:
    """Write ``graph.onnx`` and ``graph.bin`` into *folder* and return the path of the former.

    Args:
        weights: the parameters.
        folder: an existing folder.
        quantized: True for 8-bit blocks of 128 (MatMulNBits), False for float32.
        tokens_max: longest text, markers included; sets the size of the relative bias table.
        advance: is told after each layer.
    """
    with (folder / "graph.bin").open("wb") as data:
        writer = _GraphWriter(weights, data, quantized=quantized, tokens_max=tokens_max)
        model = writer.write(advance)
    path = folder / "graph.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def relative_bias(buckets: NDArray[np.float32], tokens_max: int) -> NDArray[np.float32]:
    """Spread the (32, heads) bucket table over all pairs: (1, heads, tokens_max, tokens_max).

    Half of the buckets are for keys after the query. Distances below 8 have a bucket each, larger
    ones share buckets on a log scale up to 128. The logarithm must be taken in float32: float64
    puts some distances into the next bucket, unlike the model that was trained.
    """
    half, exact, distance_max = 16, 8, 128
    offset = np.arange(tokens_max)[None, :] - np.arange(tokens_max)[:, None]
    distance = np.abs(offset)
    ratio = np.log(np.maximum(distance, 1).astype(np.float32) / np.float32(exact))
    scaled = ratio / np.float32(np.log(distance_max / exact)) * np.float32(half - exact)
    far = np.minimum(exact + scaled.astype(np.int64), half - 1)
    bucket = np.where(distance < exact, distance, far) + np.where(offset > 0, half, 0)
    return np.ascontiguousarray(buckets[bucket].transpose(2, 0, 1)[None])


class _GraphWriter:
    """Collects nodes; initialisers go straight to the data file, so memory stays small."""

    def __init__(
        self, weights: Weights, data: BufferedWriter, *, quantized: bool, tokens_max: int
    ) -> None:
        self._weights = weights
        self._data = data
        self._quantized = quantized
        self._tokens_max = tokens_max
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._scope = ""

    def write(self, advance: Progress) -> onnx.ModelProto:
        """Emit the whole forward pass."""
        hidden = self._embed()
        bias = self._sliced_bias()
        for layer in range(self._weights.layers):
            with self._scoped(f"encoder.layer.{layer}."):
                hidden = self._layer(hidden, bias)
            advance(layer + 1, self._weights.layers)
        self._pool(hidden)
        graph = helper.make_graph(
            self._nodes,
            "mpnet",
            [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["n", "s"])],
            [
                helper.make_tensor_value_info(
                    "embeddings", TensorProto.FLOAT, ["n", self._weights.hidden]
                )
            ],
            self._initializers,
        )
        opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, 1)]
        return helper.make_model(
            graph, producer_name="openviking", opset_imports=opsets, ir_version=_IR_VERSION
        )

    def _embed(self) -> str:
        words = self._weights["embeddings.word_embeddings.weight"]
        positions = self._weights["embeddings.position_embeddings.weight"]
        if self._quantized:
            codes, scales = quantize_blocks(words)
            token = self._node(
                "GatherBlockQuantized",
                [
                    self._constant("words.codes", codes.reshape(words.shape)),
                    "input_ids",
                    self._constant("words.scales", scales),
                ],
                domain=_MICROSOFT,
                bits=8,
                block_size=BLOCK,
                gather_axis=0,
                quantize_axis=1,
            )
        else:
            token = self._node("Gather", [self._constant("words", words), "input_ids"])
        kept = positions[FIRST_POSITION : FIRST_POSITION + self._tokens_max]
        place = self._sliced(self._constant("positions", kept), axes=[0])
        return self._norm(self._node("Add", [token, place]), "embeddings.LayerNorm")

    def _sliced_bias(self) -> str:
        buckets = self._weights["encoder.relative_attention_bias.weight"]
        table = self._constant("relative_bias", relative_bias(buckets, self._tokens_max))
        return self._sliced(table, axes=[2, 3])

    def _sliced(self, table: str, axes: list[int]) -> str:
        """Cut *table* to the number of tokens along *axes*."""
        length = self._node("Shape", ["input_ids"], start=1, end=2)
        ends = length if len(axes) == 1 else self._node("Concat", [length] * len(axes), axis=0)
        starts = self._constant(f"{table}.starts", np.zeros(len(axes), np.int64))
        along = self._constant(f"{table}.axes", np.array(axes, np.int64))
        return self._node("Slice", [table, starts, ends, along])

    def _layer(self, hidden: str, bias: str) -> str:
        merged = [f"attention.attn.{part}" for part in "qkv"]
        qkv = self._node("Split", [self._linear(hidden, merged)], outputs=3, axis=-1, num_outputs=3)
        attended = self._node(
            "MultiHeadAttention",
            [*qkv.split(), "", "", bias],
            domain=_MICROSOFT,
            num_heads=self._weights.heads,
        )
        projected = self._linear(attended, ["attention.attn.o"])
        middle = self._norm(
            self._node("Add", [projected, hidden]), f"{self._scope}attention.LayerNorm"
        )
        active = self._node("Gelu", [self._linear(middle, ["intermediate.dense"])])
        out = self._linear(active, ["output.dense"])
        return self._norm(self._node("Add", [out, middle]), f"{self._scope}output.LayerNorm")

    def _pool(self, hidden: str) -> None:
        axes = self._constant("pool.axes", np.array([1], np.int64))
        mean = self._node("ReduceMean", [hidden, axes], keepdims=0)
        self._nodes.append(
            helper.make_node("LpNormalization", [mean], ["embeddings"], axis=-1, p=2)
        )

    def _linear(self, source: str, names: list[str]) -> str:
        """Apply the named linear layers side by side; their outputs are concatenated."""
        full = [f"{self._scope}{name}" for name in names]
        weight = np.concatenate([self._weights[f"{name}.weight"] for name in full])
        bias = self._constant(
            f"{full[0]}.bias", np.concatenate([self._weights[f"{name}.bias"] for name in full])
        )
        if not self._quantized:
            turned = self._constant(f"{full[0]}.weight", np.ascontiguousarray(weight.T))
            return self._node("Add", [self._node("MatMul", [source, turned]), bias])
        codes, scales = quantize_blocks(weight)
        return self._node(
            "MatMulNBits",
            [
                source,
                self._constant(f"{full[0]}.codes", codes),
                self._constant(f"{full[0]}.scales", scales.reshape(-1)),
                "",
                "",
                bias,
            ],
            domain=_MICROSOFT,
            K=weight.shape[1],
            N=weight.shape[0],
            bits=8,
            block_size=BLOCK,
            accuracy_level=4,  # 8-bit activations; every other level is several times slower
        )

    def _norm(self, source: str, name: str) -> str:
        scale = self._constant(f"{name}.weight", self._weights[f"{name}.weight"])
        shift = self._constant(f"{name}.bias", self._weights[f"{name}.bias"])
        return self._node("LayerNormalization", [source, scale, shift], axis=-1, epsilon=EPSILON)

    def _node(
        self, kind: str, inputs: list[str], *, domain: str = "", outputs: int = 1, **attributes: Any
    ) -> str:
        """Append one node; several output names come back separated by spaces."""
        base = f"{self._scope}{kind}_{len(self._nodes)}"
        names = [base] if outputs == 1 else [f"{base}.{part}" for part in range(outputs)]
        self._nodes.append(
            helper.make_node(kind, inputs, names, name=base, domain=domain, **attributes)
        )
        return " ".join(names)

    def _constant(self, name: str, array: NDArray[Any]) -> str:
        """Store *array* under *name*: small ones in the graph, large ones in the data file."""
        if array.nbytes < _ALIGNMENT:
            self._initializers.append(onnx.numpy_helper.from_array(array, name))
            return name
        self._data.write(b"\0" * (-self._data.tell() % _ALIGNMENT))
        tensor = TensorProto(
            name=name,
            dims=array.shape,
            data_type=helper.np_dtype_to_tensor_dtype(array.dtype),
            data_location=TensorProto.EXTERNAL,
        )
        place = {"location": "graph.bin", "offset": self._data.tell(), "length": array.nbytes}
        for key, value in place.items():
            tensor.external_data.add(key=key, value=str(value))
        self._data.write(np.ascontiguousarray(array).data)
        self._initializers.append(tensor)
        return name

    @contextmanager
    def _scoped(self, prefix: str) -> Iterator[None]:
        self._scope = prefix
        yield
        self._scope = ""
