"""The quality of search on the set that the project carries, with the real model: the floors."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.errors import EncoderError
from openviking.evaluation import Report, evaluate, read_set

OWN = Path(__file__).parents[2] / "benches" / "eval" / "requests"

# Some two standard errors below what was measured when these were set.
FLOORS = {"recall@1": 0.71, "recall@5": 0.92, "recall@10": 0.96, "ndcg@10": 0.84, "mrr@10": 0.80}
KEPT_MIN, TURNED_AWAY_MIN = 0.96, 0.70


@pytest.fixture(scope="module")
def report() -> Report:
    try:
        model = Encoder.open(model_dir=load_settings().model.dir)
    except EncoderError as error:
        pytest.skip(f"the model is not here: {error}")
    with closing(CachedEncoder(model, EmbeddingCache(64 << 20))) as encoder:
        return evaluate(read_set(OWN), encoder)


def means(report: Report, method: str) -> dict[str, float]:
    (row,) = (row for row in report.rows if row.method == method)
    return {name: found.mean for name, found in row.estimates.items()}


@pytest.mark.parametrize("measure", FLOORS)
def test_the_fused_ranking_reaches_its_floor(report: Report, measure: str):
    assert means(report, "fused")[measure] >= FLOORS[measure]


@pytest.mark.parametrize("measure", FLOORS)
def test_fusion_is_no_worse_than_the_better_signal_alone(report: Report, measure: str):
    alone = max(means(report, "words")[measure], means(report, "vectors")[measure])
    assert means(report, "fused")[measure] >= alone


def test_real_requests_are_answered_and_others_turned_away(report: Report):
    assert report.unanswerable == 40
    assert report.kept >= KEPT_MIN
    assert report.turned_away is not None
    assert report.turned_away >= TURNED_AWAY_MIN
