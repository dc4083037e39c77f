from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from openviking.errors import InputError, LimitError
from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.retrieval.query import HITS_MAX, QUERY_CHARS_MAX, QUERY_CHARS_REFUSED
from openviking.skills import scoring

if TYPE_CHECKING:
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.encoder.fake import HashingEncoder
    from openviking.skills import Skills, SkillSearch

TEXTS = {
    "documents/pdf/merge-pdf": "Merge several pdf files into one document",
    "documents/pdf/split-pdf": "Split a pdf document into single pages",
    "documents/office/slides": "Make slides and presentations",
    "data/csv": "Clean csv tables with broken columns",
    "data/sql": "Tune slow sql database queries",
}


@pytest.fixture
def stocked(skills: Skills, folder: Path, write_skill: WriteSkill) -> Skills:
    for where, text in TEXTS.items():
        write_skill(where, text=text)
    skills.import_paths([folder])
    return skills


def ids(found: SkillSearch) -> list[str]:
    return [hit.skill.id for hit in found.hits]


def test_the_fitting_skill_comes_first_with_its_reasons(stocked: Skills):
    found = stocked.search("split a pdf into pages")

    best = found.hits[0]
    assert best.skill.id == "split-pdf"
    assert (best.why.semantic_rank, best.why.lexical_rank) == (1, 1)
    assert "description" in best.why.fields
    assert {"split", "pages"} <= set(best.why.terms)
    assert best.why.passage is not None
    assert best.why.passage[0] == "summary"
    assert found.found_count == len(found.hits)
    assert [hit.score for hit in found.hits] == sorted(
        (hit.score for hit in found.hits), reverse=True
    )


def test_a_question_asked_again_is_answered_from_memory_until_a_skill_changes(
    stocked: Skills, encoder: HashingEncoder
):
    first = stocked.search("split a pdf into pages")
    encoded = encoder.texts_encoded
    stocked.count_use("split-pdf")

    again = stocked.search("split a pdf into pages")
    assert (ids(again), encoder.texts_encoded) == (ids(first), encoded)
    assert [hit.score for hit in again.hits] == [hit.score for hit in first.hits]
    assert (first.hits[0].skill.usage_count, again.hits[0].skill.usage_count) == (0, 1)

    stocked.create(fields={"name": "pdf pages", "description": "split a pdf into pages"})
    assert ids(stocked.search("split a pdf into pages"))[0] == "pdf-pages"
    assert ids(stocked.search("split a pdf into pages", category="data")) == []


def test_the_score_is_the_documented_sum(stocked: Skills):
    hits = stocked.search("merge pdf documents").hits

    assert len({hit.why.words for hit in hits}) > 1
    for hit in hits:
        words = WORDS_WEIGHT * hit.why.words
        assert hit.score == pytest.approx(hit.why.meaning + words)


def test_a_body_passage_lifts_a_skill_and_is_named(skills: Skills):
    body = "# Tools\n\nIntroduction to all of this.\n\n## Rust\n\nUse cargo clippy for lints."
    skills.create(fields={"name": "tools", "description": "General hints", "body": body})
    skills.create(fields={"name": "other", "description": "Something else entirely"})

    hit = skills.search("cargo clippy lints").hits[0]

    assert hit.skill.id == "tools"
    assert hit.why.passage is not None
    part, start, end = hit.why.passage
    assert part == "body"
    assert "cargo clippy" in skills.get("tools").body[start:end]


@pytest.mark.parametrize(("passage", "pooled"), [(0.6, 0.5), (0.4, 0.4), (-1.0, 0.4)])
def test_pooling_counts_half_of_a_passages_lead(passage: float, pooled: float):
    assert scoring.meaning_score(0.4, passage) == pytest.approx(pooled)


@pytest.mark.parametrize("query", ["zebra unicorn", "?!... ;;", "xqzt"])
def test_a_query_that_no_skill_fits_returns_none(stocked: Skills, query: str):
    assert stocked.search(query).hits == ()


@pytest.mark.parametrize(
    ("category", "expected"),
    [
        ("data", {"csv", "sql"}),
        ("Data", {"csv", "sql"}),
        ("pdf", {"merge-pdf", "split-pdf"}),
        ("documents/pdf", {"merge-pdf", "split-pdf"}),
        ("documents/office", {"slides"}),
        ("nothing-like-it", set()),
    ],
)
def test_a_category_filters_and_may_be_a_subcategory(
    stocked: Skills, category: str, expected: set[str]
):
    queries = {"data": "clean csv tables, tune sql queries", "documents/office": "make slides"}
    query = queries.get(category.lower(), "split and merge pdf documents")

    assert set(ids(stocked.search(query, category=category))) == expected


@pytest.mark.parametrize("category", [None, "general", "General", ""])
def test_no_category_and_general_mean_all(stocked: Skills, category: str | None):
    query = "pdf document slides csv tables sql queries"

    assert len(ids(stocked.search(query, category=category))) == len(TEXTS)


def test_k_limits_the_hits_and_keeps_the_best(stocked: Skills):
    query = "pdf document slides csv tables sql queries"

    assert ids(stocked.search(query, k=2)) == ids(stocked.search(query))[:2]


def test_hierarchical_lets_parents_and_sub_skills_follow(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("web", text="Umbrella of frontend work")
    write_skill("web/parts/grid", text="Lay out css grid columns")
    write_skill("web/parts/flex", text="Something quite different")
    write_skill("cook", text="Boil rice columns")
    skills.import_paths([folder])

    plain = skills.search("lay out css grid columns", k=3)
    families = skills.search("lay out css grid columns", k=3, hierarchical=True)

    assert ids(plain)[0] == "grid"
    assert "web" not in ids(plain)
    assert ids(families)[:2] == ["grid", "web"]
    assert families.hits[1].why.relation == "parent of grid"
    assert families.hits[1].score == pytest.approx(families.hits[0].score / 2)


def test_hierarchical_brings_the_sub_skills_of_a_parent(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("web", text="Umbrella of frontend work")
    write_skill("web/parts/flex", text="Something quite different")
    skills.import_paths([folder])

    found = skills.search("umbrella of frontend work", hierarchical=True)

    assert ids(found) == ["web", "flex"]
    assert found.hits[1].why.relation == "sub-skill of web"


def test_hidden_skills_are_listed_and_never_found(skills: Skills):
    for name, is_hidden in (("shown", False), ("hidden", True)):
        skills.create(
            fields={
                "name": name,
                "description": "Reset the flux capacitor",
                "disable_model_invocation": is_hidden,
            }
        )

    assert ids(skills.search("reset the flux capacitor")) == ["shown"]
    assert ids(skills.search("reset the flux capacitor", hierarchical=True)) == ["shown"]
    assert [skill.id for skill in skills.list().skills] == ["hidden", "shown"]


def test_a_skill_whose_words_match_alone_carries_its_lexical_rank_only(stocked: Skills):
    hits = {hit.skill.id: hit for hit in stocked.search("tune sql queries").hits}

    assert hits["sql"].why.lexical_rank == 1
    assert all(hit.why.lexical_rank or hit.why.terms == () for hit in hits.values())


@pytest.mark.parametrize("query", ["", "   \n\t", "\0", None, 5, b"pdf"])
def test_a_query_without_text_is_an_error(stocked: Skills, query: Any):
    with pytest.raises(InputError) as caught:
        stocked.search(query)

    assert caught.value.loc == ("query",)


@pytest.mark.parametrize(
    ("length", "is_cut"), [(QUERY_CHARS_MAX - 1, False), (QUERY_CHARS_MAX, False), (100_000, True)]
)
def test_a_long_query_is_cut_and_says_so(stocked: Skills, length: int, is_cut: bool):  # noqa: FBT001 - a case
    query = ("split pdf pages " + "x" * length)[:length]

    found = stocked.search(query)

    assert found.truncated is is_cut
    assert found.query == query


def test_a_query_beyond_the_limit_is_an_error(stocked: Skills):
    with pytest.raises(LimitError):
        stocked.search("x" * (QUERY_CHARS_REFUSED + 1))


@pytest.mark.parametrize(
    ("k", "kind"),
    [
        (0, InputError),
        (-1, InputError),
        (True, InputError),
        (2.5, InputError),
        ("3", InputError),
        (10**9, LimitError),
    ],
)
def test_an_impossible_k_is_an_error(stocked: Skills, k: Any, kind: type[InputError]):
    with pytest.raises(kind) as caught:
        stocked.search("pdf", k=k)

    assert caught.value.loc == ("max_results",)


def test_a_category_that_is_no_text_is_an_error(stocked: Skills):
    no_text: Any = 5

    with pytest.raises(InputError, match="expected text, got int") as caught:
        stocked.search("pdf", category=no_text)

    assert caught.value.loc == ("category",)


def test_the_largest_k_is_accepted(stocked: Skills):
    assert "csv" in ids(stocked.search("clean csv tables", k=HITS_MAX))


@pytest.mark.parametrize(
    "query",
    [
        'merge "pdf" OR NOT (files*',
        "merge pdf NEAR/3 files ^ -x",
        "merge pdf '; DROP TABLE skills; --",
        "merge pdf \ud800 files",
        "merge pdf \u202e files \0 x",
    ],
)
def test_operators_quotes_and_broken_text_are_only_words(stocked: Skills, query: str):
    assert ids(stocked.search(query))[0] == "merge-pdf"


def test_equal_skills_stand_in_the_order_of_their_ids(skills: Skills):
    for name in ("c", "a", "b"):
        fields = {"id": name, "name": "same", "description": "Water the plants"}
        skills.create(fields=fields)

    assert ids(skills.search("water the plants")) == ["a", "b", "c"]


def test_search_sees_a_skill_as_it_was_or_as_it_is(skills: Skills):
    texts = ("Paint the fence green", "Paint the fence yellow")
    skills.create(fields={"name": "fence", "description": texts[0]})
    skills.create(fields={"name": "other", "description": "Paint the door"})
    stop = threading.Event()
    seen: set[str] = set()
    missed = 0

    def look() -> None:
        nonlocal missed
        while not stop.is_set():
            hits = skills.search("paint the fence", k=1).hits
            missed += not hits or hits[0].skill.id != "fence"
            seen.update(hit.skill.description for hit in hits)

    threads = [threading.Thread(target=look) for _ in range(3)]
    for thread in threads:
        thread.start()
    for at in range(40):
        skills.replace("fence", fields={"name": "fence", "description": texts[(at + 1) % 2]})
    stop.set()
    for thread in threads:
        thread.join()

    assert missed == 0
    assert seen == set(texts)
