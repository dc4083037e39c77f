"""Reading a safetensors file: named float32 arrays, mapped from disk and checked before use.

The format is an 8-byte little-endian header length, a JSON header and one block of bytes. The whole
header is validated against the size of the file before an array is handed out, so a file that was
cut, padded or made for another model is refused here and never reaches a kernel.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

HEADER_BYTES_MAX = 1 << 20
"""The real header has 22 KB; a larger one is not an MPNet."""

# Only what an MPNet checkpoint holds: parameters, and the position numbers of older exports.
_DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "I64": np.dtype("<i8")}
_LAYER = re.compile(r"encoder\.layer\.(\d{1,3})\.")


@dataclass(frozen=True, slots=True)
class Weights:
    """The parameters of one MPNet encoder and the sizes that follow from their shapes.

    Attributes:
        tensors: parameter name -> float32 array, read-only, mapped from the file.
        layers: number of transformer layers.
        hidden: width of a token vector (768 for all-mpnet-base-v2).
        heads: attention heads per layer.
        inner: width of the feed-forward layer.
        vocabulary: number of token ids.
        positions: rows of the position table, the two reserved rows included.
    """

    tensors: Mapping[str, NDArray[Any]]
    layers: int
    hidden: int
    heads: int
    inner: int
    vocabulary: int
    positions: int

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        """Return one parameter as float32; raises EncoderError if the file lacks it."""
        return _parameter(self.tensors, name)


def read_weights(path: Path) -> Weights:
    """Map the safetensors file *path* and check that it holds a complete MPNet encoder.

    Raises:
        EncoderError: the file is not there, cut, malformed, or of another architecture.
    """
    tensors = _read_tensors(path)
    words = _parameter(tensors, "embeddings.word_embeddings.weight")
    buckets = _parameter(tensors, "encoder.relative_attention_bias.weight")
    inner = _parameter(tensors, "encoder.layer.0.intermediate.dense.weight")
    positions = _parameter(tensors, "embeddings.position_embeddings.weight")
    # From the highest number: counting to the first gap would take a damaged model for a small one.
    numbers = [int(found[1]) for name in tensors if (found := _LAYER.match(name))]
    weights = Weights(
        tensors=tensors,
        layers=max(numbers) + 1,
        hidden=words.shape[1],
        heads=buckets.shape[1],
        inner=inner.shape[0],
        vocabulary=words.shape[0],
        positions=positions.shape[0],
    )
    _check_shapes(weights, path)
    return weights


def _parameter(tensors: Mapping[str, NDArray[Any]], name: str) -> NDArray[np.float32]:
    array = tensors.get(name)
    if array is None or array.dtype != np.float32:
        found = "is missing" if array is None else f"has dtype {array.dtype}"
        raise EncoderError(f"not an MPNet encoder: parameter {name!r} {found}; expected float32")
    return array


def _read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    header, body_start, file_bytes = _read_header(path)
    body = np.memmap(path, dtype=np.uint8, mode="r", offset=0)[body_start:]
    tensors: dict[str, NDArray[Any]] = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        try:
            dtype = _DTYPES[entry["dtype"]]
            shape = tuple(int(size) for size in entry["shape"])
            start, end = (int(offset) for offset in entry["data_offsets"])
        except (KeyError, TypeError, ValueError) as error:
            raise EncoderError(f"{path.name}: header entry {name!r} is malformed") from error
        fits = 0 <= start <= end <= file_bytes - body_start and min(shape, default=0) >= 0
        if not fits or end - start != prod(shape) * dtype.itemsize:
            raise EncoderError(
                f"{path.name}: {name!r} with shape {shape} should lie at bytes {start} to {end} of "
                f"{file_bytes - body_start} bytes of data; the file is cut or damaged"
            )
        tensors[name] = body[start:end].view(dtype).reshape(shape)
    return tensors


def _read_header(path: Path) -> tuple[dict[str, Any], int, int]:
    """Return the header, where the data starts, and the size of the file in bytes."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= HEADER_BYTES_MAX:
                raise EncoderError(
                    f"{path.name} is not a safetensors file: header length {length}, expected 2 to "
                    f"{HEADER_BYTES_MAX}"
                )
            header = json.loads(file.read(length))
        file_bytes = path.stat().st_size
    except (OSError, ValueError, RecursionError) as error:
        raise EncoderError(f"cannot read the header of {path.name}: {error}") from error
    if not isinstance(header, dict):
        raise EncoderError(f"{path.name}: the safetensors header is not a JSON object")
    return header, 8 + length, file_bytes


def _check_shapes(weights: Weights, path: Path) -> None:
    for name, shape in expected_shapes(weights).items():
        if weights[name].shape != shape:
            raise EncoderError(
                f"{path.name}: {name!r} has shape {weights[name].shape}, expected {shape}"
            )


def expected_shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    """Return the name and shape of every parameter that the forward pass reads."""
    hidden, inner = weights.hidden, weights.inner
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (weights.vocabulary, hidden),
        "embeddings.position_embeddings.weight": (weights.positions, hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
        "encoder.relative_attention_bias.weight": (32, weights.heads),
    }
    for layer in range(weights.layers):
        prefix = f"encoder.layer.{layer}."
        for name in (
            "attention.attn.q",
            "attention.attn.k",
            "attention.attn.v",
            "attention.attn.o",
        ):
            shapes[f"{prefix}{name}.weight"] = (hidden, hidden)
            shapes[f"{prefix}{name}.bias"] = (hidden,)
        for name in ("attention.LayerNorm", "output.LayerNorm"):
            shapes[f"{prefix}{name}.weight"] = (hidden,)
            shapes[f"{prefix}{name}.bias"] = (hidden,)
        shapes[f"{prefix}intermediate.dense.weight"] = (inner, hidden)
        shapes[f"{prefix}intermediate.dense.bias"] = (inner,)
        shapes[f"{prefix}output.dense.weight"] = (hidden, inner)
        shapes[f"{prefix}output.dense.bias"] = (hidden,)
    return shapes
