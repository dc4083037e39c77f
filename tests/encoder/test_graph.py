from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder.builds import BUILDERS
from openviking.encoder.graph import relative_bias, write_graph
from openviking.encoder.graph_native import NATIVE_VERSION
from openviking.encoder.layout import lay_out, lay_out_again
from openviking.encoder.quantize import BLOCK, quantize_blocks
from openviking.encoder.reference import reference_texts, reference_vectors
from openviking.encoder.session import SingleTextSession
from openviking.encoder.spec import TOKENIZER, WEIGHTS
from openviking.encoder.tokenizer import TextTokenizer
from openviking.encoder.weights import read_weights
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.encoder.conftest import TinyModel

    from openviking.types import Vectors


def _written(tiny: TinyModel, folder: Path, *, quantized: bool) -> Path:
    weights = read_weights(tiny.source / WEIGHTS)
    return write_graph(
        weights,
        folder,
        quantized=quantized,
        tokens_max=tiny.spec.tokens_max,
        advance=lambda _done, _total: None,
    )


def _embed(tiny: TinyModel, session: SingleTextSession) -> Vectors:
    tokenizer = TextTokenizer(tiny.source / TOKENIZER, tokens_max=tiny.spec.tokens_max)
    tokens = tokenizer.tokenize(reference_texts(tiny.spec.reference))
    return session.run([text.ids for text in tokens])


@pytest.mark.parametrize(("quantized", "difference_max"), [(False, 2e-6), (True, 0.02)])
def test_the_graph_computes_the_numpy_forward_pass(
    tiny: TinyModel, tmp_path: Path, *, quantized: bool, difference_max: float
):
    path = _written(tiny, tmp_path, quantized=quantized)

    found = _embed(tiny, SingleTextSession(path, threads=1))

    assert np.abs(found - reference_vectors(tiny.spec.reference)).max() <= difference_max


@pytest.mark.parametrize("quantized", [False, True])
def test_every_layout_gives_the_same_bits(tiny: TinyModel, tmp_path: Path, *, quantized: bool):
    plain, first, second = (tmp_path / name for name in ("plain", "first", "second"))
    for folder in (plain, first, second):
        folder.mkdir()
    files = lay_out(_written(tiny, plain, quantized=quantized), first)
    again = lay_out_again(first, second)

    sessions = [
        SingleTextSession(first / files[0], threads=1),
        SingleTextSession(first / files[0], threads=2),
        SingleTextSession(first / files[0], threads=1, laid_out=False),
        SingleTextSession(second / again[0], threads=1),
    ]

    assert len({_embed(tiny, session).tobytes() for session in sessions}) == 1
    assert sorted(path.name for path in second.iterdir()) == sorted(again)


def test_the_bias_table_follows_the_buckets_of_the_reference(reference_tool: Any):
    tokens = 384
    buckets = np.arange(32, dtype=np.float32)[:, None]

    table = relative_bias(buckets, tokens)

    assert table.shape == (1, 1, tokens, tokens)
    for query in (0, 1, 200, 383):
        expected = [reference_tool.bucket_of(key - query) for key in range(tokens)]
        assert table[0, 0, query].tolist() == expected


def test_quantised_weights_are_within_half_a_step():
    weight = np.random.default_rng(3).normal(size=(5, 3 * BLOCK)).astype(np.float32)
    weight[2, :BLOCK] = 0.0

    codes, scales = quantize_blocks(weight)

    restored = (codes.astype(np.float32) - 128) * scales[:, :, None]
    steps = np.abs(restored - weight.reshape(codes.shape)) / np.maximum(scales, 1e-30)[:, :, None]
    assert steps.max() <= 0.5 + 1e-4
    assert codes.min() >= 1
    assert scales[2, 0] == 0.0
    assert (codes[2, 0] == 128).all()


def test_rows_that_are_no_whole_blocks_are_refused():
    with pytest.raises(EncoderError, match="130"):
        quantize_blocks(np.ones((2, 130), dtype=np.float32))


@pytest.mark.parametrize("value", [0.0, 1e-45, 1e-38, 1e-33])
def test_a_block_whose_scale_has_no_inverse_counts_as_zeros(value: float):
    codes, scales = quantize_blocks(np.full((1, BLOCK), value, dtype=np.float32))
    assert scales.tolist() == [[0.0]]
    assert (codes == 128).all()


def test_native_builds_carry_the_version_of_their_arithmetic():
    assert BUILDERS["native"] == NATIVE_VERSION
