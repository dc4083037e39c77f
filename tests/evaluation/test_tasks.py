from __future__ import annotations

import json
import math
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from benches.conftest import write_skill
from benches.naive import WORDS_WEIGHT, Naive
from benches.tasks import corpus_key, pooled

from openviking.encoder.fake import HashingEncoder
from openviking.evaluation import Answers, LabelledQuery, ask_stored, read_questions
from openviking.retrieval.background import SENTENCES
from openviking.skills import Skills
from openviking.store import SqliteStore
from openviking.types import Skill

SETS = sorted((Path(__file__).parents[2] / "benches" / "eval").glob("tasks-*"))


def test_plain_bm25_is_the_textbook_formula():
    naive = Naive(["pod pod deploy", "deploy"], np.eye(2, dtype=np.float32))

    found = naive.bm25("a pod")

    rarity = math.log(1 + (2 - 1 + 0.5) / (1 + 0.5))
    damping = 1.2 * (1 - 0.75 + 0.75 * 3 / 2)
    assert found.tolist() == pytest.approx([rarity * 2 * 2.2 / (2 + damping), 0.0])


def test_the_naive_way_adds_words_to_the_cosine():
    naive = Naive(["alpha", "beta", "gamma"], np.eye(3, dtype=np.float32))
    query = np.array([0.5, 0.49, 0.0], np.float32)

    assert naive.best("delta", query, 3) == [0, 1, 2]
    assert naive.bm25("beta")[1] * WORDS_WEIGHT > 0.01
    assert naive.best("beta", query, 2) == [1, 0]


@pytest.mark.parametrize("source", ["openclaw/skills", "sickn33/antigravity-awesome-skills"])
def test_a_written_skill_is_known_by_its_row_of_the_corpus(tmp_path: Path, source: str):
    row = {"source": source, "path": "skills/a-b/c/SKILL.md", "name": "c", "description": "d"}
    write_skill(tmp_path / "corpus", {**row, "body": ""})

    (written,) = tmp_path.rglob("SKILL.md")

    assert corpus_key(str(written)) == f"{source}#skills/a-b/c/SKILL.md"


def test_stored_skills_are_measured_beside_other_ways():
    queries = [
        LabelledQuery("bake bread with yeast", frozenset({"bread"}), "short"),
        LabelledQuery("bread", frozenset(), "short"),
    ]
    with closing(SqliteStore(None)) as store, closing(Skills(store, HashingEncoder())) as skills:
        skills.put(
            [
                Skill(id="bread", name="bread", description="bake bread with yeast"),
                Skill(id="soup", name="soup", description="cook a soup of roots"),
            ]
        )

        others = {"wrong": [["soup"], ["soup"]], "right": [["bread"], ["soup"]]}
        answers = ask_stored("mine", skills, queries, HashingEncoder(), others=others)

    report = answers.report()
    found = {row.method: row.estimates["recall@1"].mean for row in report.rows}
    assert found == {
        "wrong": 0.0, "right": 1.0, "words": 1.0, "vectors": 1.0, "fused": 1.0, "search": 1.0,
    }  # fmt: skip
    assert (report.skills, report.queries, report.unanswerable) == (2, 1, 1)


def test_sets_are_joined_by_kind_and_as_a_whole():
    def asked(name: str, kind: str) -> Answers:
        ways = {"fused": [["bread"]]}
        query = LabelledQuery(name, frozenset({"bread"}), kind)
        return Answers(name, 2, [query], ways, [True], [0.001])

    sets = [asked("a long", "long"), asked("a short", "short"), asked("b short", "short")]

    named = {one.name: [query.text for query in one.queries] for one in pooled(sets)}
    assert named == {
        "all short": ["a short", "b short"], "all": ["a long", "a short", "b short"],
    }  # fmt: skip
    assert pooled(sets[:1]) == []


def test_questions_that_nothing_answers_are_not_the_sentences_of_the_rule():
    found = read_questions(SETS[0].parent / "none-fits", frozenset())

    assert len(found) == 182
    assert not any(query.right for query in found)
    assert {query.text for query in found}.isdisjoint(SENTENCES)


@pytest.mark.parametrize("folder", SETS, ids=lambda folder: folder.name)
def test_a_set_of_the_project_has_its_kinds_of_tasks_and_all_are_labelled(folder: Path):
    rows = (folder / "qrels.tsv").read_text("utf-8").splitlines()[1:]
    known = {row.split("\t")[1] for row in rows}

    found = read_questions(folder, known)

    lines = (folder / "queries.jsonl").read_text("utf-8").splitlines()
    assert [query.text for query in found] == [json.loads(line)["text"] for line in lines]
    kinds = {"tasks-c": {"short"}, "tasks-d": {"long"}}.get(folder.name, {"short", "long"})
    assert {query.kind for query in found} == kinds
    assert all(query.right for query in found)
