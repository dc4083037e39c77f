"""What weights of half a byte would cost in meaning: the figures behind ARCHITECTURE.md.

    python -m tools.int4_study FOLDER [--queries 200]

FOLDER holds ``model.safetensors`` and ``tokenizer.json`` of all-mpnet-base-v2. Every 32 weights of
a column share a grid of sixteen int8 codes, ``lowest + gain * half``, so that a kernel may unpack
them to the int8 codes that it multiplies today: 4.5 bits a weight. The float32 graph is run with
such weights in place of its own, that is without the rounding of activations. GPTQ (Frantar et al.
2022) takes its second moments from sentences of the standard library's documentation. It takes ten
minutes on two busy cores, and 3 GB.
"""

from __future__ import annotations

import argparse
import random
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
from benches.fidelity import metatool, ranking
from tools.fast_data import documentation
from tools.gptq import CODE_MAX, GROUP, Moments, by_gptq, to_bytes, to_nearest

from openviking.encoder.graph import write_graph
from openviking.encoder.layout import open_session, quiet_options
from openviking.encoder.reference import reference_texts
from openviking.encoder.spec import ALL_MPNET_BASE_V2, TOKENIZER, WEIGHTS
from openviking.encoder.tokenizer import TextTokenizer
from openviking.encoder.weights import read_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from openviking.encoder.weights import Weights
    from openviking.types import Vectors

    Array = NDArray[np.float32]
    Tensors = dict[str, Array]
    Layers = dict[str, Tensors]
    Rounding = Callable[[Array, Moments], Array]

TOOLS, SENTENCES, SEED = 199, 900, 3
GRAM_TOKENS = 1024
"""Tokens whose second moments are summed at a time."""

PARTS = {
    "attention.attn.q": [f"attention.attn.{part}" for part in "qkv"],
    "attention.attn.o": ["attention.attn.o"],
    "intermediate.dense": ["intermediate.dense"],
    "output.dense": ["output.dense"],
}
"""First of the layers that the graph computes side by side -> all of them."""

OUTPUTS = "attn.o"
LAST = tuple(f"{layer}.output.dense" for layer in (9, 10, 11))
RECIPES = (
    ("to nearest", to_bytes, ()),
    ("to nearest", to_nearest, ()),
    ("GPTQ", by_gptq, ()),
    ("the same, attention's output in 8 bits", by_gptq, (OUTPUTS,)),
    ("and the last three layers' second half in 8 bits", by_gptq, (OUTPUTS, *LAST)),
)
"""Rows of the table: how layers are rounded, and how the names of those end that keep 8 bits."""


def moments(weights: Weights, texts: Sequence[NDArray[np.int64]]) -> dict[str, Moments]:
    """Return the moments of each linear layer's inputs over the tokens of *texts*, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        path = float_graph(weights, Path(folder))
        inputs = show_inputs(path)
        session = open_session(path, quiet_options())
        widths = {name: weights[f"{name}.weight"].shape[1] for name in inputs}
        grams = {name: np.zeros((width, width), np.float32) for name, width in widths.items()}
        means = {name: np.zeros(width, np.float32) for name, width in widths.items()}
        tokens = np.float32(sum(map(len, texts)))
        for batch in batches(texts, GRAM_TOKENS):
            rows = [session.run(list(inputs.values()), {"input_ids": ids[None]}) for ids in batch]
            for name, parts in zip(inputs, zip(*rows, strict=True), strict=True):
                x = np.concatenate(parts, axis=1)[0]
                grams[name] += x.T @ x / tokens
                means[name] += x.sum(axis=0) / tokens
    return {
        name: Moments(gram - np.outer(means[name], means[name]), means[name])
        for name, gram in grams.items()
    }


def batches(texts: Sequence[NDArray[np.int64]], tokens: int) -> list[list[NDArray[np.int64]]]:
    """Cut *texts* into runs of at least so many tokens, but for the last."""
    found: list[list[NDArray[np.int64]]] = [[]]
    for text in texts:
        if sum(map(len, found[-1])) >= tokens:
            found.append([])
        found[-1].append(text)
    return found


def float_graph(weights: Weights, folder: Path) -> Path:
    """Write the float32 graph of *weights*."""
    return write_graph(
        weights,
        folder,
        quantized=False,
        tokens_max=ALL_MPNET_BASE_V2.tokens_max,
        advance=lambda _done, _total: None,
    )


def show_inputs(path: Path) -> dict[str, str]:
    """Make the linear layers' inputs outputs of the graph; return their names by layer."""
    model = onnx.load(str(path), load_external_data=False)
    shown = {
        node.input[1].removesuffix(".weight"): node.input[0]
        for node in model.graph.node
        if node.op_type == "MatMul"
    }
    for name in shown.values():
        kind = onnx.TensorProto.FLOAT
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
    path.write_bytes(model.SerializeToString())
    return shown


def encode(weights: Weights, texts: Sequence[NDArray[np.int64]]) -> Vectors:
    """Embed *texts* with the float32 graph of *weights*."""
    with tempfile.TemporaryDirectory() as folder:
        session = open_session(float_graph(weights, Path(folder)), quiet_options())
        return np.concatenate([session.run(None, {"input_ids": ids[None]})[0] for ids in texts])


def round_layers(weights: Weights, rounding: Rounding, seen: Mapping[str, Moments]) -> Layers:
    """Round every linear layer; its bias takes up what that moves on average, but see below."""
    layers: Layers = {}
    for name, inputs in seen.items():
        names = [
            name.removesuffix(first) + part
            for first in PARTS
            for part in PARTS[first]
            if name.endswith(first)
        ]
        weight = np.concatenate([weights[f"{part}.weight"] for part in names])
        scales = np.abs(weight).max(axis=1) / np.float32(CODE_MAX)
        kept = (
            rounding(np.ascontiguousarray((weight / scales[:, None]).T), inputs).T * scales[:, None]
        )
        # What four bits to nearest miss is decided by the few tokens with giant channels, and must
        # not move all the others: cosine 0.960 where it is 0.972 without.
        moved = (weight - kept) @ inputs.mean * (rounding is not to_nearest)
        for part, rows, shift in zip(
            names, np.split(kept, len(names)), np.split(moved, len(names)), strict=True
        ):
            layers.setdefault(name, {}).update(
                {f"{part}.weight": rows, f"{part}.bias": weights[f"{part}.bias"] + shift}
            )
    return layers


def with_layers(weights: Weights, layers: Layers) -> Weights:
    """Return *weights* with the tensors of *layers* in place of its own."""
    tensors = dict(weights.tensors)
    for layer in layers.values():
        tensors.update(layer)
    return replace(weights, tensors=tensors)


def mean_bits(weights: Weights, layers: Layers, chosen: Mapping[str, Rounding]) -> float:
    """Return the mean bits of a weight, grids included."""
    sizes = {
        name: sum(weights[key].size for key in layer if key.endswith(".weight"))
        for name, layer in layers.items()
    }
    bits = {name: 8 if kind is to_bytes else 4 + 16 / GROUP for name, kind in chosen.items()}
    return sum(size * bits[name] for name, size in sizes.items()) / sum(sizes.values())


def report(name: str, exact: Vectors, ours: Vectors) -> None:
    """Print one line of the table; the first texts are the tools, all others count as queries."""
    cosines = np.einsum("nd,nd->n", exact.astype(np.float64), ours)
    both = list(zip(ranking(exact, TOOLS, 5), ranking(ours, TOOLS, 5), strict=True))
    top_1 = np.mean([a[0] == b[0] for a, b in both])
    top_5 = np.mean([len(set(a) & set(b)) / 5 for a, b in both])
    print(
        f"{name:60} cosine mean {cosines.mean():.4f} p1 {np.quantile(cosines, 0.01):.4f} "
        f"min {cosines.min():.4f}  top-1 equal {top_1:.3f}  top-5 overlap {top_5:.3f}",
        flush=True,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=200, help="of MetaTool, to sample")
    options = parser.parse_args()
    weights = read_weights(options.folder / WEIGHTS)
    tokenizer = TextTokenizer(options.folder / TOKENIZER, tokens_max=ALL_MPNET_BASE_V2.tokens_max)
    tools, queries = metatool(options.queries)
    others = reference_texts(ALL_MPNET_BASE_V2.reference)
    texts = [text.ids for text in tokenizer.tokenize([*tools, *queries, *others])]
    exact = encode(weights, texts)
    sample = random.Random(SEED).sample  # noqa: S311 - the same every time
    sentences = sample(documentation(), SENTENCES)
    seen = moments(weights, [text.ids for text in tokenizer.tokenize(sentences)])
    rounded = {kind: round_layers(weights, kind, seen) for kind in (to_bytes, to_nearest, by_gptq)}
    for name, kind, kept in RECIPES:
        chosen = {part: to_bytes if part.endswith(kept) else kind for part in seen}
        layers = {part: rounded[kind][part] for part, kind in chosen.items()}
        bits = mean_bits(weights, layers, chosen)
        report(f"{bits:.2f} bits: {name}", exact, encode(with_layers(weights, layers), texts))


if __name__ == "__main__":
    main()
