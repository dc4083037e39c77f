"""The ranking over arrays against the same rules written out one skill at a time."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.retrieval.background import LIKE_SENTENCES, SENTENCES, Background
from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.skills import Skills, Why, scoring
from openviking.skills.parts import query_parts
from openviking.skills.passages import PASSAGES_VERSION
from openviking.skills.ranking import best_signals
from openviking.store.bags import word_bag, word_hash
from openviking.store.sqlite.stems import query_words, skill_stems
from openviking.types import Skill
from openviking.vectors import FoundGroups, search

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.skills import SkillHit
    from openviking.store import SqliteStore
    from openviking.types import Vectors, WordMatch

WORDS = [f"topic{at}" for at in range(40)]
QUERIES = [
    *(" ".join(random.Random(at).choices(WORDS, k=4)) for at in range(20)),
    *(
        ". ".join(" ".join(random.Random(at * part).choices(WORDS, k=9)) for part in (3, 5, 7))
        for at in range(1, 6)
    ),
]


@pytest.fixture
def stocked(skills: Skills) -> Skills:
    """Skills of random words, some hidden, some with bodies, some equal but for their id."""
    rng = random.Random(3)
    texts = [" ".join(rng.choices(WORDS, k=6)) for _ in range(70)]
    made: list[Skill] = []
    for at, text in enumerate([*texts, *texts[:5]]):
        body = "\n\n".join(f"## Part {n}\n{' '.join(rng.choices(WORDS, k=60))}" for n in range(4))
        made.append(
            Skill(
                id=f"s-{at * 37 % 100:03}-{at}",
                name="same name",
                description=text,
                body=body if at % 3 and at < 70 else "",
                category="even" if at % 2 == 0 else "odd",
                disable_model_invocation=at % 11 == 0,
            )
        )
    skills.put(made)
    # Rows of older versions leave gaps, and words move from the oldest part to the newest.
    for at in range(0, 70, 9):
        skill_id = f"s-{at * 37 % 100:03}-{at}"
        skills.replace(skill_id, fields={"name": "same name", "description": texts[at]})
    skills.delete(f"s-{3 * 37 % 100:03}-3")
    return skills


def plain_words(whole: list[WordMatch], of_parts: list[list[WordMatch]]) -> dict[str, float]:
    """Pool the bm25 of a request and of its parts."""
    best: dict[str, float] = {}
    for match in (match for of_part in of_parts for match in of_part):
        best[match.id] = max(best.get(match.id, 0.0), match.score)
    return {
        m.id: m.score + scoring.PART_WORDS_SHARE * min(best.get(m.id, 0.0), m.score) for m in whole
    }


def plain_search(
    skills: Skills, store: SqliteStore, encoder: HashingEncoder, query: str, category: str
) -> list[tuple[str, float, Why]]:
    """Say what a search must return, from what the store holds."""
    visible = {
        skill.id
        for skill in skills.list(category=category, limit=1000).skills
        if not skill.disable_model_invocation
    }
    everyone = {s.id for s in store.iter_skills() if not s.disable_model_invocation}
    bags = [set(word_bag(skill_stems(store.get_skill(i))).hashes.tolist()) for i in everyone]
    asked = {word_hash(word.stem) for word in query_words(query)}
    told = asked & set().union(*bags)
    parts = query_parts(query)
    vectors = encoder.encode([query, *parts]).vectors
    held = store.passage_vectors(f"{encoder.build_id}/passages-{PASSAGES_VERSION}")
    rows_of: dict[str, list[int]] = {}
    for row, i in enumerate(held.skill_ids):
        if i in visible:
            rows_of.setdefault(i, []).append(row)
    matches = [m for m in store.match_skills(query, 10_000) if m.id in visible]
    matches = [replace(match, rank=rank) for rank, match in enumerate(matches, 1)]
    of_parts = [list(store.match_skills(part, 10_000)) for part in parts]
    bm25 = plain_words(matches, of_parts)
    meaning: dict[str, float] = {}
    nearest: dict[str, int] = {}
    for i, rows in rows_of.items():
        # Every cosine as the native search gives it: of one row at a time.
        cosines = [
            [
                float(search(vector[np.newaxis], held.vectors[row : row + 1], 1)[1][0, 0])
                for row in rows
            ]
            for vector in vectors
        ]
        pooled = [c[0] + scoring.PASSAGE_SHARE * (max(c) - c[0]) for c in cosines]
        meaning[i] = pooled[0]
        if len(pooled) > 1:
            meaning[i] += scoring.PART_SHARE * (max(pooled[1:]) - pooled[0])
        _, nearest[i] = min(
            (-cosine, row) for c in cosines for cosine, row in zip(c, rows, strict=True)
        )
    weight = scoring.words_weight(sum(map(len, bags)) / len(bags), len(told))
    prior = {i: weight * bm25.get(i, 0.0) for i in sorted(visible)}
    sizes = {
        i: len(set(word_bag(skill_stems(store.get_skill(i))).hashes.tolist())) for i in visible
    }
    taken = scoring.chance_share(len(told)) * float(np.array(list(prior.values())).sum())
    score = {i: meaning[i] + (prior[i] - taken / sum(sizes.values()) * sizes[i]) for i in meaning}
    ranked = sorted(meaning, key=lambda i: (-meaning[i], i))
    usual = encoder.encode(SENTENCES).vectors
    top = min(score, key=lambda i: (-score[i], i))
    shown = [row for row, i in enumerate(held.skill_ids) if i in everyone]
    evidence = scoring.fit_evidence(
        meaning[top],
        bm25.get(top, 0.0),
        float((usual @ held.vectors[shown].T).max(axis=1).mean()),
        float(np.mean(sorted(usual @ vectors[0])[-LIKE_SENTENCES:])),
    )
    if evidence < scoring.FIT_MIN:
        return []
    found = []
    for i in sorted(meaning, key=lambda i: (-score[i], i)):
        if score[i] < scoring.SCORE_MIN:
            continue
        match = next((match for match in matches if match.id == i), None)
        row, by_meaning = nearest[i], ranked.index(i) + 1
        why = Why(
            meaning=meaning[i],
            words=bm25.get(i, 0.0),
            semantic_rank=by_meaning,
            lexical_rank=match.rank if match else None,
            fields=match.fields if match else (),
            terms=match.terms if match else (),
            passage=(held.parts[row], *held.spans[row].tolist()),
        )
        found.append((i, score[i], why))
    return found


def plain(hits: tuple[SkillHit, ...]) -> list[tuple[str, float, Why]]:
    return [(hit.skill.id, hit.score, hit.why) for hit in hits]


@pytest.mark.parametrize("category", ["", "even"])
def test_search_returns_what_the_rules_say_bit_for_bit(
    stocked: Skills, store: SqliteStore, encoder: HashingEncoder, category: str
):
    found = 0
    for query in QUERIES:
        expected = plain_search(stocked, store, encoder, query, category)
        for k in (1, 10):
            hits = stocked.search(query, k=k, category=category).hits
            assert plain(hits) == expected[:k], query
            found += len(hits)

    assert found > 10 * len(QUERIES)


def test_rankings_and_hits_agree(stocked: Skills):
    for query in QUERIES:
        hits = stocked.search(query, k=20).hits
        rankings = stocked.rankings(query, k=20)
        assert [hit.skill.id for hit in hits] == list(rankings.fused if rankings.is_fit else ())
        by_meaning = [hit for hit in hits if hit.why.semantic_rank == 1]
        assert not by_meaning or by_meaning[0].skill.id == rankings.vectors[0]
        by_words = [hit for hit in hits if hit.why.lexical_rank == 1]
        assert not by_words or by_words[0].skill.id == rankings.words[0]


def test_fitness_looks_at_meaning_and_words_of_one_skill():
    groups, words = [2, 0, 1], [0.0, 30.0, 20.0]
    meanings = [0.2, 0.3, 0.1]
    scores = [
        meaning + WORDS_WEIGHT * words[at] for meaning, at in zip(meanings, groups, strict=True)
    ]
    by_score = sorted(range(3), key=lambda at: -scores[at])

    found = FoundGroups(groups, meanings, scores, [0, 0, 0], [2, 1, 3], by_score, [1, 0, 2])
    assert best_signals(found, words.__getitem__) == (0.2, 20.0)
    assert best_signals(FoundGroups([], [], [], [], [], [], []), words.__getitem__) == (-1.0, 0.0)


def test_what_no_task_gets_is_the_highest_cosine_of_any_passage():
    encoder = HashingEncoder()
    background = Background(encoder)
    said = encoder.encode(SENTENCES).vectors

    def nearest(queries: Vectors) -> NDArray[np.float32]:
        cosines: NDArray[np.float32] = (queries @ said[:2].T).max(axis=1)
        return cosines

    assert background.usual_best(nearest) == pytest.approx(nearest(said).mean())
    assert background.usual_best(lambda _: np.zeros(0, np.float32)) == 0.0


@pytest.mark.parametrize(
    ("words_per_skill", "request_words", "times"),
    [(16, 10, 1), (0, 0, 1), (5, 3, 1), (128, 10, 2), (432, 1, 3), (16, 40, 0.5), (128, 40, 1)],
)
def test_words_weigh_more_where_they_see_more_and_less_where_they_are_many(
    words_per_skill: float, request_words: int, times: float
):
    assert scoring.words_weight(words_per_skill, request_words) == pytest.approx(
        times * WORDS_WEIGHT
    )


def test_a_long_request_takes_a_share_for_chance_and_a_short_one_none():
    assert [scoring.chance_share(words) for words in (0, 1, 10)] == [0.0, 0.0, 0.0]
    assert scoring.chance_share(40) == pytest.approx(0.5)
    assert scoring.chance_share(90) == pytest.approx(2 / 3)


def test_of_two_skills_with_the_same_words_of_a_long_request_the_shorter_one_is_first(
    skills: Skills,
):
    asked = [f"asked{at}" for at in range(40)]
    other = [f"other{at}" for at in range(2000)]
    skills.put(
        [
            # The body's length is the same, and so is every count: only its words are fewer.
            Skill(
                id="b-short", name="one", description="x", body=" ".join([*asked, *["y"] * 2000])
            ),
            Skill(id="a-long", name="one", description="x", body=" ".join([*asked, *other])),
            *(Skill(id=f"c-{at}", name="two", description=f"z{at}") for at in range(8)),
        ]
    )

    few = skills.rankings(" ".join(asked[:9]), k=2).fused
    many = skills.rankings(" ".join(asked), k=2).fused

    assert sorted(few) == sorted(many) == ["a-long", "b-short"]
    assert many == ("b-short", "a-long")
