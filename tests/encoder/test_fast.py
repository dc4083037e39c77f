"""The table of the fast tier: how it is made, what it computes, and what happens without it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.encoder import Encoder, distill, fast, models
from openviking.encoder.manifest import STATIC
from openviking.encoder.quantize import quantize_rows
from openviking.encoder.reference import reference_texts, reference_vectors
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.encoder.static import CODES, SCALES
from openviking.errors import ConflictError, EncoderError, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.encoder.conftest import TinyModel

    from openviking.encoder.spec import ModelSpec
    from openviking.encoder.static import StaticEncoder

VOCABULARY = 18


@pytest.fixture(scope="module")
def folder(tiny: TinyModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("models")
    models.pull(made, origin=tiny.source, spec=tiny.spec)
    return made


@pytest.fixture(scope="module")
def spec(tiny: TinyModel, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelSpec:
    """The tiny model with counts of its tokens, and a map fitted to its reference texts."""
    reference = tmp_path_factory.mktemp("reference")
    for name in ("reference_texts.json", "reference_vectors.npy"):
        (reference / name).write_bytes((tiny.source / name).read_bytes())
    packed = distill.pack_counts(np.random.default_rng(5).integers(0, 1000, VOCABULARY))
    np.save(reference / distill.COUNTS, packed)
    with Encoder.open(model_dir=folder, spec=tiny.spec, threads=1) as encoder:
        rows = fast.token_vectors(encoder, lambda _done, _total: None)
        weighed = distill.weigh(rows, distill.token_shares(packed))
        texts = encoder.tokenizer.tokenize(reference_texts(reference))
    means = np.array([weighed[text.ids[1:-1]].mean(axis=0) for text in texts])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    gain, turn = distill.fit_map(means, reference_vectors(reference))
    codes, scales = quantize_rows(turn.astype(np.float32))
    np.savez(reference / distill.MAP, gain=np.float64(gain), codes=codes, scales=scales)
    return replace(tiny.spec, reference=reference)


@pytest.fixture(scope="module")
def teacher(spec: ModelSpec, folder: Path) -> Iterator[Encoder]:
    with Encoder.open(model_dir=folder, spec=spec, threads=1) as opened:
        yield opened


@pytest.fixture
def table(spec: ModelSpec, folder: Path, teacher: Encoder) -> StaticEncoder:
    fast.build_fast(teacher, folder)
    return fast.open_fast(teacher.tokenizer, folder, spec=spec)


def test_a_text_is_the_mean_of_its_tokens_rows(table: StaticEncoder, teacher: Encoder):
    text = "the cat sat on the mat."
    ids = teacher.tokenizer.tokenize([text])[0].ids
    codes, scales = np.load(table.folder / CODES), np.load(table.folder / SCALES)
    mean = (codes * scales[:, None].astype(np.float64))[ids[1:-1]].mean(axis=0)

    found = table.encode([text])

    assert codes.dtype == np.int8
    assert np.allclose(found.vectors[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert found.token_counts.tolist() == [len(ids)]


def test_the_same_text_has_the_same_vector_in_any_company(table: StaticEncoder):
    texts = ["the cat sat", "rain", "a b a b codes query", "the " * 40]
    together = table.encode(texts)

    with ThreadPoolExecutor(4) as pool:
        alone = list(pool.map(lambda text: table.encode([text]).vectors[0], texts * 5))

    assert (np.stack(alone) == np.tile(together.vectors, (5, 1))).all()
    assert together.truncated.tolist() == [False, False, False, True]


def test_what_the_model_refuses_is_refused_here_too(table: StaticEncoder):
    with pytest.raises(InputError, match="empty"):
        table.encode(["cat", " "])
    with pytest.raises(InputError, match="vocabulary"):
        table.encode_tokens([[VOCABULARY]])
    assert table.encode([]).vectors.shape == (0, table.dim)


def test_frequent_tokens_count_less(teacher: Encoder, spec: ModelSpec):
    rows = fast.token_vectors(teacher, lambda _done, _total: None)
    even = np.full(VOCABULARY, 1 / VOCABULARY)
    skewed = even * 0.1
    skewed[5] = 1 - skewed[:5].sum() - skewed[6:].sum()

    weighed = np.linalg.norm(distill.weigh(rows, skewed), axis=1)

    assert weighed[5] < weighed[np.arange(VOCABULARY) != 5].min()
    assert spec.dim == rows.shape[1]


def test_counts_survive_their_packing_within_four_percent():
    counts = np.array([0, 1, 5, 100, 12_345, 40_000_000])
    restored = np.exp2(distill.pack_counts(counts) / 10) - 1
    assert (np.abs(restored - counts) <= 0.04 * (counts + 1)).all()


def test_the_map_is_recovered_from_sentences_that_it_made():
    random = np.random.default_rng(2)
    means = random.normal(size=(400, 8))
    true = 0.5 * np.eye(8) + random.normal(0, 0.1, (8, 8))

    gain, turn = distill.fit_map(means, (means @ true).astype(np.float32), strength=1e-9)

    assert np.allclose(gain * np.eye(8) + turn, true, atol=1e-5)


def test_without_a_table_the_command_is_named(tmp_path: Path, teacher: Encoder):
    with pytest.raises(ConflictError, match="openviking model build-fast"):
        fast.open_fast(teacher.tokenizer, tmp_path, spec=teacher.spec)


def test_a_damaged_table_is_refused_and_made_anew(
    folder: Path, teacher: Encoder, table: StaticEncoder
):
    before = table.encode(["rain on the mat"]).vectors
    (table.folder / CODES).write_bytes(b"short")

    with pytest.raises(EncoderError, match="build-fast"):
        fast.open_fast(teacher.tokenizer, folder, spec=teacher.spec)
    assert [info.state for info in models.list_models(folder, spec=teacher.spec)] == [
        "ready",
        "damaged",
    ]

    fast.build_fast(teacher, folder)
    mended = fast.open_fast(teacher.tokenizer, folder, spec=teacher.spec)
    assert (mended.encode(["rain on the mat"]).vectors == before).all()
    models.verify(STATIC, folder, spec=teacher.spec)


def test_two_that_build_at_once_make_one_table(folder: Path, teacher: Encoder):
    reports: list[str] = []
    lock = threading.Lock()

    def report(stage: str, done: int, total: int) -> None:
        with lock:
            reports.append(stage.partition(" ")[0] if done == total else "")

    fast.build_fast(teacher, folder)
    models.remove(STATIC, folder, spec=teacher.spec)
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(lambda _: fast.build_fast(teacher, folder, report), range(2))

    assert first == second
    assert reports.count("distil") == 1


def test_a_table_that_points_elsewhere_is_refused(tmp_path: Path, folder: Path, spec: ModelSpec):
    for name in ("reference_texts.json", distill.COUNTS, distill.MAP):
        (tmp_path / name).write_bytes((spec.reference / name).read_bytes())
    np.save(tmp_path / "reference_vectors.npy", -reference_vectors(spec.reference))
    foreign = replace(spec, reference=tmp_path)

    with (
        Encoder.open(model_dir=folder, spec=foreign, threads=1) as encoder,
        pytest.raises(EncoderError, match="cosine"),
    ):
        fast.build_fast(encoder, tmp_path / "models")

    assert not (tmp_path / "models" / spec.name / str(STATIC)).exists()


def test_the_shipped_data_fit_the_published_vocabulary():
    shares = distill.token_shares(np.load(ALL_MPNET_BASE_V2.reference / distill.COUNTS))
    assert shares.shape == (30527,)
    assert shares.sum() == pytest.approx(1)
    with np.load(ALL_MPNET_BASE_V2.reference / distill.MAP) as kept:
        assert kept["codes"].shape == (768, 768)
        assert kept["scales"].shape == (768,)
        assert 0 < float(kept["gain"]) < 1
