from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder import Encoder
from openviking.encoder.encoder import TEXTS_MAX
from openviking.errors import EncoderError, InputError, LimitError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

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
