from __future__ import annotations

import math

import numpy as np
import pytest

from openviking.evaluation.metrics import MEASURES, Estimate, estimate, measures


def test_a_right_skill_in_second_place():
    found = dict(zip(MEASURES, measures(["x", "a", "y"], {"a"}), strict=True))

    assert found["recall@1"] == 0
    assert found["recall@5"] == 1
    assert found["ndcg@10"] == pytest.approx(1 / math.log2(3))
    assert found["mrr@10"] == 0.5


def test_two_right_skills_share_the_recall():
    found = dict(zip(MEASURES, measures(["a", "x", "b"], {"a", "b"}), strict=True))

    assert found["recall@1"] == 0.5
    assert found["recall@5"] == 1
    assert found["ndcg@10"] == pytest.approx((1 + 1 / 2) / (1 + 1 / math.log2(3)))


def test_nothing_found_is_nothing():
    assert measures([], {"a"}) == (0, 0, 0, 0, 0)
    assert measures([str(at) for at in range(10)] + ["a"], {"a"}) == (0, 0, 0, 0, 0)


def test_the_interval_holds_the_mean_and_narrows_with_more_questions():
    rng = np.random.default_rng(0)
    few = estimate((rng.random((50, 1)) < 0.6).astype(float), 1)[0]
    many = estimate((rng.random((5000, 1)) < 0.6).astype(float), 1)[0]

    assert few.low < few.mean < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    # Twice the standard error, as theory has it for a share.
    assert many.high - many.low == pytest.approx(4 * math.sqrt(0.24 / 5000), rel=0.15)


def test_the_same_seed_gives_the_same_interval():
    values = np.arange(20.0).reshape(10, 2)
    assert estimate(values, 3) == estimate(values, 3)


def test_an_interval_that_touches_another_is_not_above_it():
    high = Estimate(0.7, 0.6, 0.8)

    assert high.is_above(Estimate(0.5, 0.4, 0.59))
    assert not high.is_above(Estimate(0.5, 0.4, 0.6))
    assert not Estimate(0.5, 0.4, 0.59).is_above(high)
