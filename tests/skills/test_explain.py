from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.skills import scoring

if TYPE_CHECKING:
    from openviking.skills import Explanation, Skills

LONG = (
    "please merge many scanned pdf files into one document for me. "
    "afterwards clean the broken columns of a large csv table."
)


@pytest.fixture
def stocked(skills: Skills) -> Skills:
    body = "# Tools\n\nIntroduction.\n\n## Merge\n\nMerge scanned pdf files into one document."
    skills.create(fields={"name": "pdf", "description": "Documents of any kind", "body": body})
    examples = ["clean broken csv columns of a table"]
    skills.create(fields={"name": "csv", "description": "Tables", "examples": examples})
    skills.create(fields={"name": "poet", "description": "write a poem in a given metre"})
    return skills


def explained(skills: Skills, query: str) -> Explanation:
    found = skills.search(query, explain=True)
    assert found.explanation is not None
    assert found.hits == skills.search(query).hits
    return found.explanation


def test_every_number_of_a_score_adds_up(stocked: Skills):
    explanation = explained(stocked, LONG)

    assert [reasons.id for reasons in explanation.hits][:2] == ["csv", "pdf"]
    for reasons in explanation.hits:
        whole, *parts = reasons.parts
        assert len(parts) == 2
        assert reasons.score == reasons.meaning + WORDS_WEIGHT * reasons.words
        pooled = (whole.meaning + max(part.meaning for part in parts)) / 2
        assert reasons.meaning == pytest.approx(pooled)
        for part in reasons.parts:
            lead = max(0.0, (part.passage or -1.0) - part.summary)
            assert part.meaning == pytest.approx(part.summary + lead / 2)
        for number in (reasons.score, reasons.meaning, reasons.words, whole.summary):
            assert f"{number:.3f}"[:4] in reasons.sum
    pdf = next(reasons for reasons in explanation.hits if reasons.id == "pdf")
    first = explained(stocked, LONG.partition(". ")[0]).hits
    (only,) = (reasons for reasons in first if reasons.id == "pdf")
    # All its words stand in the first sentence.
    assert pdf.words == pytest.approx((1 + scoring.PART_WORDS_SHARE) * only.words)
    assert f"bm25 {pdf.words:.2f} = whole {only.words:.2f} + 0.2 x part 1" in pdf.sum


def test_the_weight_of_words_is_told_and_follows_what_the_words_see(stocked: Skills):
    before = explained(stocked, "merge pdf").hits[0]
    rare = " ".join(f"word{at}" for at in range(1000))
    stocked.create(fields={"name": "atlas", "description": "Maps", "body": rare})
    after = explained(stocked, "merge pdf").hits[0]

    assert (before.id, after.id) == ("pdf", "pdf")
    assert f"+ {WORDS_WEIGHT:.4f} x bm25 {before.words:.2f}" in before.sum
    # Some 255 different words a skill, by the body of one of the four.
    weight = (after.score - after.meaning) / after.words
    assert 2.4 * WORDS_WEIGHT < weight < 2.6 * WORDS_WEIGHT
    assert f"+ {weight:.4f} x bm25 {after.words:.2f}" in after.sum


def test_what_a_long_request_gives_by_chance_is_told(stocked: Skills):
    asked = " ".join(f"asked{at}" for at in range(40))
    stocked.create(fields={"name": "atlas", "description": "Maps", "body": asked})
    hit = explained(stocked, f"merge pdf {asked}").hits[0]

    found = re.search(
        r"meaning (.+) \+ (.+) x bm25 (.+) - (.+) by chance for its (\d+) words", hit.sum
    )
    assert found is not None
    meaning, weight, bm25, taken, words = map(float, found.groups())
    assert hit.score == pytest.approx(meaning + weight * bm25 - taken, abs=0.01)
    assert taken > 0.02
    assert (hit.id, words) == ("atlas", 43)
    assert "by chance" not in explained(stocked, "merge pdf").hits[0].sum


def test_the_passage_is_the_one_that_was_nearest(stocked: Skills):
    passages = {reasons.id: reasons.passage for reasons in explained(stocked, LONG).hits}

    assert passages["csv"] == "clean broken csv columns of a table"
    assert "Merge scanned pdf files into one document." in passages["pdf"]


def test_a_query_that_is_turned_away_names_what_was_nearest(stocked: Skills):
    explanation = explained(stocked, "hello there, how is it going?")

    fitness = explanation.fitness
    assert not fitness.is_fit
    assert explanation.hits == ()
    assert fitness.evidence < fitness.threshold
    assert f"< {fitness.threshold}" in fitness.sum
    words = WORDS_WEIGHT * fitness.best_words
    counted = fitness.best - fitness.usual_best + words
    assert fitness.evidence == pytest.approx(
        counted - scoring.RESEMBLANCE_SHARE * fitness.resemblance
    )


def test_what_is_held_back_has_its_reasons(stocked: Skills):
    explanation = explained(stocked, "thank you very much, good evening, yes please go on, given")

    assert not explanation.fitness.is_fit
    assert explanation.held_back[0].id == "poet"
    assert {reasons.id for reasons in explanation.held_back} == {"csv", "pdf", "poet"}
    assert explanation.held_back[0].terms == ("given",)
    assert explanation.words == {"given": 1}


def test_an_empty_store_explains_that_it_is_empty(skills: Skills):
    explanation = explained(skills, "merge pdf files")

    assert not explanation.fitness.is_fit
    assert (explanation.hits, explanation.held_back, explanation.words) == ((), (), {})
