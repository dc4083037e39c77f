"""The real builds against float64 reference vectors, and their promise of one vector per text."""

from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer

from openviking.encoder import models
from openviking.encoder.builds import build_key
from openviking.encoder.reference import reference_texts, reference_vectors
from openviking.encoder.spec import ALL_MPNET_BASE_V2, TOKENIZER
from openviking.encoder.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.encoder import Encoder
    from openviking.encoder.manifest import BuildKey

REFERENCE = ALL_MPNET_BASE_V2.reference
QUERIES = [text for text in reference_texts(REFERENCE) if len(text) < 36]


def test_vectors_agree_with_the_reference(each_encoder: Encoder, each_build: BuildKey):
    expected = reference_vectors(REFERENCE)

    found = each_encoder.encode(reference_texts(REFERENCE))

    cosines = (found.vectors.astype(np.float64) * expected).sum(axis=1)
    assert cosines.mean() >= 0.998
    assert cosines.min() >= 0.99
    if each_build.precision == "fp32":
        assert np.abs(found.vectors - expected).max() <= 1e-5
    np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, atol=1e-6)
    assert found.truncated.tolist() == [False] * 37 + [True] * 3
    assert set(found.token_counts[found.truncated]) == {384}


def test_token_ids_are_those_of_the_reference(model_dir: Path, reference_tool: Any):
    path = models.path(build_key(), model_dir) / TOKENIZER
    published = Tokenizer.from_file(str(path))
    published.no_padding()
    published.no_truncation()
    published.encode_special_tokens = True
    texts = reference_texts(REFERENCE)

    found = TextTokenizer(path, tokens_max=384).tokenize(texts)

    expected = [reference_tool.token_ids(published, text) for text in texts]
    assert [tokens.ids.tolist() for tokens in found] == expected


def test_a_text_has_one_vector_in_any_batch_order_and_thread(
    each_encoder: Encoder, each_build: BuildKey
):
    alone = {text: each_encoder.encode([text]).vectors[0].tobytes() for text in QUERIES}
    chance = random.Random(5)
    count = 20 if each_build.precision == "fp32" else 110  # float32 is slow
    batches = [chance.choices(QUERIES, k=chance.randint(1, 3)) for _ in range(count)]

    with ThreadPoolExecutor(8) as pool:
        for batch, found in zip(batches, pool.map(each_encoder.encode, batches), strict=True):
            assert [row.tobytes() for row in found.vectors] == [alone[text] for text in batch]


@pytest.mark.parametrize("threads", [1, 2])
def test_a_text_has_the_same_vector_after_a_restart(
    each_encoder: Encoder, each_build: BuildKey, model_dir: Path, threads: int
):
    script = f"""
import sys
from pathlib import Path
from openviking.encoder import Encoder
folder, precision, kernels, *texts = sys.argv[1:]
with Encoder.open(
    model_dir=Path(folder), precision=precision, kernels=kernels, threads={threads}
) as encoder:
    sys.stdout.buffer.write(encoder.encode(texts).vectors.tobytes())
"""
    choices = [str(model_dir), each_build.precision, each_build.kernels]

    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", script, *choices, *QUERIES[:6]],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    ).stdout

    assert found == each_encoder.encode(QUERIES[:6]).vectors.tobytes()


def test_token_ids_and_text_give_the_same_vector(encoder: Encoder, model_dir: Path):
    path = models.path(build_key(), model_dir) / TOKENIZER
    ids = TextTokenizer(path, tokens_max=384).tokenize(QUERIES[:3])

    found = encoder.encode_tokens([tokens.ids[1:-1].tolist() for tokens in ids])

    assert found.vectors.tobytes() == encoder.encode(QUERIES[:3]).vectors.tobytes()
