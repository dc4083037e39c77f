"""A tiny encoder with random weights, written as a native graph, and its float64 twin."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder.graph_native import write_native_graph
from openviking.encoder.session import PackedSession
from openviking.encoder.weights import Weights, expected_shapes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.types import Vectors

# Widths that fill neither the last panel of 48 columns nor whole tiles of rows.
HEADS, HIDDEN, INNER, LAYERS, VOCABULARY, TOKENS_MAX = 2, 128, 208, 2, 60, 40
OUTLIERS = (5, 63, 100)
"""Channels that normalisation makes large, as in the real model."""


@dataclass(frozen=True)
class TinyEncoder:
    """A native graph on disk, its operators, and the same model in float64."""

    weights: Weights
    graph: Path
    operators: Path
    reference: Any

    def open(self, threads: int = 1) -> PackedSession:
        return PackedSession(self.graph, threads=threads, operators=self.operators)

    def expected(self, ids: NDArray[np.int64]) -> Vectors:
        tensors = {name: tensor.astype(np.float64) for name, tensor in self.weights.tensors.items()}
        vector: Vectors = self.reference.embed(ids.tolist(), tensors)
        return vector


@pytest.fixture(scope="session")
def operators() -> Path:
    found = importlib.util.find_spec("openviking._native")
    assert found
    assert found.origin
    return Path(found.origin)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, operators: Path) -> TinyEncoder:
    weights = random_weights(np.random.default_rng(11))
    graph = write_native_graph(weights, tmp_path_factory.mktemp("native"), tokens_max=TOKENS_MAX)
    return TinyEncoder(weights, graph, operators, _reference_tool())


@pytest.fixture(scope="session")
def texts() -> list[NDArray[np.int64]]:
    """Token ids of 24 texts of every sort of length, markers included."""
    rng = np.random.default_rng(12)
    lengths = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40, *rng.integers(2, 40, 9)]
    return [rng.integers(0, VOCABULARY, length) for length in lengths]


def random_weights(rng: np.random.Generator) -> Weights:
    sizes = Weights(
        tensors={},
        layers=LAYERS,
        hidden=HIDDEN,
        heads=HEADS,
        inner=INNER,
        vocabulary=VOCABULARY,
        positions=TOKENS_MAX + 2,
    )
    tensors = {
        name: rng.normal(0, 0.08, shape).astype(np.float32)
        for name, shape in expected_shapes(sizes).items()
    }
    for gain in [tensors[name] for name in tensors if name.endswith("LayerNorm.weight")]:
        np.add(gain, 1, out=gain)
        gain[list(OUTLIERS)] = 40
    return Weights(
        tensors=tensors,
        layers=LAYERS,
        hidden=HIDDEN,
        heads=HEADS,
        inner=INNER,
        vocabulary=VOCABULARY,
        positions=TOKENS_MAX + 2,
    )


def _reference_tool() -> Any:
    path = Path(__file__).parents[2] / "tools/reference_vectors.py"
    spec = importlib.util.spec_from_file_location("reference_vectors", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
