from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder.spec import WEIGHTS
from openviking.encoder.weights import HEADER_BYTES_MAX, read_weights
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.encoder.conftest import TinyModel

NAME = "encoder.layer.0.output.dense.weight"


def _edit(header: dict[str, Any], change: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    change(header)
    return header


def _rewritten(source: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    length = int.from_bytes(source[:8], "little")
    header = json.dumps(_edit(json.loads(source[8 : 8 + length]), change)).encode()
    return len(header).to_bytes(8, "little") + header + source[8 + length :]


def test_sizes_follow_from_the_shapes(tiny: TinyModel):
    weights = read_weights(tiny.source / WEIGHTS)

    assert (weights.layers, weights.hidden, weights.heads, weights.inner) == (2, 128, 2, 256)
    assert (weights.vocabulary, weights.positions) == (18, 26)
    assert weights[NAME].dtype == np.float32
    assert not weights[NAME].flags.writeable


@pytest.mark.parametrize("kept", [0, 4, 8, 500, -1])
def test_a_cut_file_is_refused(tiny: TinyModel, tmp_path: Path, kept: int):
    path = tmp_path / WEIGHTS
    path.write_bytes((tiny.source / WEIGHTS).read_bytes()[:kept])

    with pytest.raises(EncoderError, match=WEIGHTS):
        read_weights(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.pop(NAME),
        lambda header: header[NAME].pop("shape"),
        lambda header: header[NAME].update(dtype="BF16"),
        lambda header: header[NAME].update(dtype="I64"),
        lambda header: header[NAME].update(shape=[256, 128]),
        lambda header: header[NAME].update(shape=[-128, -256]),
        lambda header: header[NAME].update(shape=[1 << 40, 1 << 40]),
        lambda header: header[NAME].update(data_offsets=[0, 1 << 60]),
        lambda header: header[NAME].update(data_offsets=[-8, 131064]),
        lambda header: header[NAME].update(data_offsets="ab"),
        lambda header: header.update({NAME: None}),
    ],
)
def test_a_header_that_does_not_fit_is_refused(
    tiny: TinyModel, tmp_path: Path, change: Callable[[dict[str, Any]], None]
):
    path = tmp_path / WEIGHTS
    path.write_bytes(_rewritten((tiny.source / WEIGHTS).read_bytes(), change))

    with pytest.raises(EncoderError):
        read_weights(path)


@pytest.mark.parametrize(
    "content",
    [
        (HEADER_BYTES_MAX + 1).to_bytes(8, "little") + b"{}",
        (2).to_bytes(8, "little") + b"[]",
        (9).to_bytes(8, "little") + b"\xff" * 9,
        (100_000).to_bytes(8, "little") + b"[" * 100_000,
        b"PK\x03\x04 this is a zip file",
    ],
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes):
    path = tmp_path / WEIGHTS
    path.write_bytes(content)

    with pytest.raises(EncoderError):
        read_weights(path)


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(EncoderError, match=WEIGHTS):
        read_weights(tmp_path / WEIGHTS)
