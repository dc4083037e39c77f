"""Skill search in one process, over the real skills: what it adds to encoding the query."""

from __future__ import annotations

import json
import shutil
import statistics
import time
from contextlib import closing
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.skills import Skills
from openviking.store import SqliteStore

from .conftest import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture

    from openviking.skills import SkillSearch

QUESTIONS = ROOT / "benches/eval/requests/queries.jsonl"


@pytest.fixture(scope="module")
def encoder() -> Iterator[CachedEncoder]:
    model = Encoder.open(model_dir=load_settings().model.dir)
    with closing(CachedEncoder(model, EmbeddingCache(64 << 20))) as encoder:
        yield encoder


@pytest.fixture(scope="module")
def skills(
    storage: Path, encoder: CachedEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Skills]:
    """The real skills, from a copy: the storage itself may be in use by the server."""
    copy = shutil.copytree(storage, tmp_path_factory.mktemp("real") / "storage")
    with closing(SqliteStore(copy)) as store, closing(Skills(store, encoder)) as skills:
        yield skills


def test_a_question_whose_vector_is_known(
    benchmark: BenchmarkFixture,
    skills: Skills,
    encoder: CachedEncoder,
):
    lines = QUESTIONS.read_text("utf-8").splitlines()
    questions = [str(json.loads(line)["text"]) for line in lines]
    vectors = encoder.encode(questions).vectors
    passages = int(skills.stats()["passages"])
    matrix = np.random.default_rng(1).standard_normal((passages, encoder.dim), dtype=np.float32)
    yardstick: list[float] = []
    asked = iter(range(len(questions)))

    def next_question() -> tuple[tuple[str], dict[str, str]]:
        at = next(asked)
        started = time.perf_counter()
        matrix @ vectors[at]
        yardstick.append(time.perf_counter() - started)
        return (questions[at],), {}

    found: list[SkillSearch] = []
    # Each is asked once: a question asked again is answered from memory.
    benchmark.pedantic(
        lambda question: found.append(skills.search(question)),
        setup=next_question,
        rounds=len(questions) - 20,
        warmup_rounds=20,
    )

    assert sum(len(one.hits) == 10 for one in found) > len(found) / 2
    assert benchmark.stats is not None
    share = benchmark.stats["median"] / statistics.median(yardstick)
    benchmark.extra_info.update(passages=passages, of_numpy_product=round(share, 2))
    benchmark.extra_info["target"] = "skill_search_added"
    # NumPy's product with the passages alone runs at the speed of memory on all processors. All of
    # a search, reasons included, takes about as long; twice as long is a regression, not noise.
    assert share < 2.0
