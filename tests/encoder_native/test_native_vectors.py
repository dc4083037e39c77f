"""A text's vector: close to float64, and the same bits wherever and with whomever it runs."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.config import load_settings
from openviking.encoder.spec import ALL_MPNET_BASE_V2

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from tests.encoder_native.conftest import TinyEncoder

    from openviking.types import Vectors

_PACKINGS = 300


@pytest.fixture(scope="module")
def alone(tiny: TinyEncoder, texts: list[NDArray[np.int64]]) -> Vectors:
    """Each text's vector from a run of its own, on one thread."""
    session = tiny.open()
    return np.concatenate([session.run([ids]) for ids in texts])


def test_vectors_agree_with_float64_although_some_channels_are_forty_times_larger(
    tiny: TinyEncoder, texts: list[NDArray[np.int64]], alone: Vectors
):
    cosines = [float(row @ tiny.expected(ids)) for row, ids in zip(alone, texts, strict=True)]
    assert min(cosines) > 0.999
    assert np.mean(cosines) > 0.9995


def test_vectors_have_unit_length(alone: Vectors):
    np.testing.assert_allclose(np.linalg.norm(alone, axis=1), 1, rtol=1e-6)


def test_a_text_is_bit_identical_in_hundreds_of_packings(
    tiny: TinyEncoder, texts: list[NDArray[np.int64]], alone: Vectors
):
    session, rng = tiny.open(threads=2), np.random.default_rng(13)
    for _ in range(_PACKINGS):
        chosen = rng.integers(0, len(texts), rng.integers(1, 30))
        found = session.run([texts[position] for position in chosen])
        assert found.tobytes() == alone[chosen].tobytes()


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
def test_the_number_of_threads_changes_no_bit(
    tiny: TinyEncoder, texts: list[NDArray[np.int64]], alone: Vectors, threads: int
):
    session = tiny.open(threads)
    assert session.run(texts).tobytes() == alone.tobytes()
    assert session.run(texts[::-1]).tobytes() == alone[::-1].tobytes()


def test_runs_at_the_same_time_share_a_session_and_nothing_else(
    tiny: TinyEncoder, texts: list[NDArray[np.int64]], alone: Vectors
):
    session = tiny.open(threads=2)
    with ThreadPoolExecutor(4) as pool:
        for vectors in pool.map(session.run, [texts] * 40):
            assert vectors.tobytes() == alone.tobytes()


def test_no_texts_give_no_vectors(tiny: TinyEncoder):
    empty = np.zeros(0, dtype=np.int64)
    vectors = tiny.open()._session.run(  # noqa: SLF001 - below the text level
        None, {"input_ids": empty, "offsets": np.zeros(1, dtype=np.int64)}
    )[0]
    assert vectors.shape == (0, 128)


_MEASURE = """
import sys
from pathlib import Path
import numpy as np
from openviking.encoder.session import PackedSession

def anonymous_mb():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024

before = anonymous_mb()
session = PackedSession(Path(sys.argv[1]), threads=2, operators=Path(sys.argv[2]))
for length in (8, 128, 384):
    session.run([np.full(length, 7)])
print(anonymous_mb() - before)
"""


def test_the_real_models_weights_are_mapped_not_copied(operators: Path):
    graph = load_settings().model.dir / ALL_MPNET_BASE_V2.name / "int8-native" / "model.onnx"
    if not graph.exists() or sys.platform != "linux":
        pytest.skip("needs Linux and `openviking model pull --precision int8 --kernels native`")
    grown = subprocess.run(  # noqa: S603 - our own script
        [sys.executable, "-c", _MEASURE, str(graph), str(operators)],
        capture_output=True,
        check=True,
        text=True,
    )
    # 110 MB of weights were read; working memory for 384 tokens is some 12 MB.
    assert float(grown.stdout) < 30
