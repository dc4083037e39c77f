from __future__ import annotations

import numpy as np
import pytest

from openviking.errors import InputError
from openviking.evaluation import Answers, LabelledQuery
from openviking.evaluation.metrics import estimate


def answers(
    name: str, words: list[str], fused: list[str], *, skills: int = 9, right: str = "a"
) -> Answers:
    """Make a set in which each ranking holds one skill."""
    ways = {"words": [[one] for one in words], "fused": [[one] for one in fused]}
    queries = [LabelledQuery(f"question {at}", frozenset(right)) for at in range(len(words))]
    return Answers(name, skills, queries, ways, [True] * len(words), [0.001] * len(words))


def test_the_lead_is_the_mean_difference_with_an_interval_of_its_own():
    # Nine in ten are found by both or by neither: alone, each varies more than their difference.
    both = ["a", "b"] * 18
    (lead,) = answers("mine", [*both, *"bbbb"], [*both, *"aaaa"]).report().leads

    differences = np.array([[0.0]] * 36 + [[1.0]] * 4)
    assert lead.over == "words"
    assert lead.estimates["recall@1"] == estimate(differences, 7)[0]
    assert lead.estimates["recall@1"].low > 0
    assert lead.apart == ()


def test_intervals_that_do_not_overlap_are_told():
    (ahead,) = answers("mine", ["b"] * 40, ["a"] * 39 + ["b"]).report().leads
    (behind,) = answers("mine", ["a"] * 39 + ["b"], ["b"] * 40).report().leads

    assert set(ahead.apart) == set(ahead.estimates)
    assert behind.apart == ()
    assert behind.estimates["ndcg@10"].high < 0


def test_in_joined_sets_every_question_counts_once():
    few, many = answers("few", ["a"], ["a"]), answers("many", ["b"] * 3, ["a", "a", "b"])

    report = Answers.joined("all", [few, many]).report()

    assert (report.name, report.queries, report.skills) == ("all", 4, 9)
    means = {row.method: row.estimates["recall@1"].mean for row in report.rows}
    assert means == {"words": 0.25, "fused": 0.75}
    assert report.latency_ms == pytest.approx((1.0, 1.0))


def test_what_nothing_answers_is_in_no_average():
    asked = answers("mine", ["a", "b"], ["a", "b"])
    refused = answers("none", ["a"], ["a"], right="")

    assert Answers.joined("both", [asked, refused]).report().queries == 2
    with pytest.raises(InputError, match="no labelled question"):
        refused.report()
