"""Write the reference vectors that every build of the model is judged by.

The forward pass is plain NumPy in float64, straight from the safetensors file, and shares no code
with the ONNX graphs. Run it again only if the texts change:

    python tools/reference_vectors.py FOLDER

FOLDER holds ``model.safetensors`` and ``tokenizer.json`` of all-mpnet-base-v2. The result goes to
``python/openviking/encoder/reference_vectors.npy``: (40, 768) float32, one row per text of
``reference_texts.json`` beside it. They were compared once with sentence-transformers 6.2.0 on
torch 2.15.0 (float32): no component differs by more than 1e-6, except in the text that spells out
control tokens, which sentence-transformers parses and this project reads as plain text.
"""

from __future__ import annotations

import argparse
import json
from math import erf, log
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

_WINDOW = 384
_DATA = Path(__file__).parent.parent / "python/openviking/encoder"
_erf = np.vectorize(erf, otypes=[np.float64])


def read_tensors(path: Path) -> dict[str, Array]:
    """Read every float32 tensor of a safetensors file as float64."""
    content = path.read_bytes()
    header_end = 8 + int.from_bytes(content[:8], "little")
    tensors = {}
    for name, entry in json.loads(content[8:header_end]).items():
        if entry.get("dtype") == "F32":
            start, end = (header_end + offset for offset in entry["data_offsets"])
            flat = np.frombuffer(content[start:end], dtype="<f4")
            tensors[name] = flat.reshape(entry["shape"]).astype(np.float64)
    return tensors


def token_ids(tokenizer: Tokenizer, text: str) -> list[int]:
    """Tokenise the whole text, then cut it to the window and put the two markers around it."""
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    return [0, *ids[: _WINDOW - 2], 2]


def bucket_of(offset: int) -> int:
    """Return the relative-position bucket of a key *offset* tokens after the query."""
    side = 16 if offset > 0 else 0
    distance = abs(offset)
    if distance < 8:
        return side + distance
    ratio = np.float32(log(np.float32(distance / 8))) / np.float32(log(128 / 8))
    return side + min(15, 8 + int(np.float32(ratio * np.float32(8))))


def linear(source: Array, tensors: dict[str, Array], name: str) -> Array:
    """Apply one linear layer."""
    product: Array = source @ tensors[f"{name}.weight"].T + tensors[f"{name}.bias"]
    return product


def norm(source: Array, tensors: dict[str, Array], name: str) -> Array:
    """Normalise each row, then scale and shift it."""
    centred = source - source.mean(axis=-1, keepdims=True)
    spread = np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)
    scaled: Array = centred / spread * tensors[f"{name}.weight"] + tensors[f"{name}.bias"]
    return scaled


def attend(hidden: Array, bias: Array, tensors: dict[str, Array], name: str) -> Array:
    """Attend with the relative bias added to the scaled scores."""
    count, width = hidden.shape
    heads = len(bias)
    head_width = width // heads

    def split(part: str) -> Array:
        merged = linear(hidden, tensors, f"{name}.{part}")
        return merged.reshape(count, heads, head_width).transpose(1, 0, 2)

    scores = split("q") @ split("k").transpose(0, 2, 1) / np.sqrt(head_width) + bias
    weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
    weights /= weights.sum(axis=-1, keepdims=True)
    mixed = (weights @ split("v")).transpose(1, 0, 2).reshape(count, width)
    return linear(mixed, tensors, f"{name}.o")


def embed(ids: list[int], tensors: dict[str, Array]) -> Array:
    """Return the unit vector of one text."""
    count = len(ids)
    hidden = tensors["embeddings.word_embeddings.weight"][ids]
    hidden = hidden + tensors["embeddings.position_embeddings.weight"][2 : 2 + count]
    hidden = norm(hidden, tensors, "embeddings.LayerNorm")
    table = tensors["encoder.relative_attention_bias.weight"]
    buckets = [[bucket_of(key - query) for key in range(count)] for query in range(count)]
    bias = table[np.array(buckets)].transpose(2, 0, 1)
    layer = 0
    while f"encoder.layer.{layer}.output.dense.weight" in tensors:
        name = f"encoder.layer.{layer}"
        attended = attend(hidden, bias, tensors, f"{name}.attention.attn")
        hidden = norm(hidden + attended, tensors, f"{name}.attention.LayerNorm")
        inner = linear(hidden, tensors, f"{name}.intermediate.dense")
        inner = inner * 0.5 * (1 + _erf(inner / np.sqrt(2)))
        hidden = norm(
            hidden + linear(inner, tensors, f"{name}.output.dense"),
            tensors,
            f"{name}.output.LayerNorm",
        )
        layer += 1
    mean: Array = hidden.mean(axis=0)
    mean /= np.linalg.norm(mean)
    return mean


def main() -> None:
    """Compute and write the vectors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path, help="with model.safetensors and tokenizer.json")
    folder = parser.parse_args().folder
    tensors = read_tensors(folder / "model.safetensors")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    tokenizer.encode_special_tokens = True
    texts = [entry["text"] for entry in json.loads((_DATA / "reference_texts.json").read_text())]
    vectors = np.stack([embed(token_ids(tokenizer, text), tensors) for text in texts])
    np.save(_DATA / "reference_vectors.npy", vectors.astype(np.float32))


if __name__ == "__main__":
    main()
