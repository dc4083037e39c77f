from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.encoder.fake import HashingEncoder
from openviking.skills.passages import (
    BODY_PASSAGES_MAX,
    BODY_TOKENS,
    cut_passages,
    summary_text,
)
from openviking.types import Skill

ENCODER = HashingEncoder()


def skill(body: str, **fields: object) -> Skill:
    return Skill(id="s", name="log-search", description="Search logs", body=body, **fields)  # type: ignore[arg-type] # any field


def words(count: int, stem: str = "w") -> str:
    return " ".join(f"{stem}{at}" for at in range(count))


def test_summary_and_examples_come_first():
    passages = cut_passages(skill("# T\n\nText.", examples=("find errors", "count hits")), ENCODER)

    assert [(passage.part, passage.text) for passage in passages[:3]] == [
        ("summary", "log search: Search logs"),
        ("example", "find errors"),
        ("example", "count hits"),
    ]
    assert summary_text(skill("")) == "log search: Search logs"


def test_a_skill_without_a_body_has_a_summary_only():
    assert [passage.part for passage in cut_passages(skill("\n# Title\n"), ENCODER)] == ["summary"]


def test_a_body_is_cut_at_headings_with_their_path_in_front():
    body = (
        f"# Title\n\n{words(150, 'a')}\n\n## Setup\n\n{words(150, 'b')}\n\n### Deep\n\n{words(9)}"
    )

    passages = [passage for passage in cut_passages(skill(body), ENCODER) if passage.part == "body"]

    assert [passage.text.split("\n")[0] for passage in passages] == [
        "log search",
        "log search",
        "log search > Setup",
    ]
    assert passages[1].text.split("\n")[1] == "Setup"
    assert body[passages[1].start : passages[1].end].startswith("## Setup")
    assert body[passages[2].start : passages[2].end].endswith("w8")


def test_every_passage_fits_into_the_budget_and_its_place_points_at_its_text():
    body = "\n\n".join(f"## Part {at}\n\n{words(70, f'p{at}x')}" for at in range(20))

    passages = cut_passages(skill(body), ENCODER)

    counts = ENCODER.token_counts([passage.text for passage in passages])
    assert counts.max() <= BODY_TOKENS + 2
    for passage in passages[1 : BODY_PASSAGES_MAX + 1]:
        last_word = passage.text.split()[-1]
        assert last_word in body[passage.start : passage.end]


def test_beyond_the_limit_one_outline_names_the_remaining_headings():
    body = "\n\n".join(f"## Part{at}\n\n{words(200)}" for at in range(40))

    passages = [passage for passage in cut_passages(skill(body), ENCODER) if passage.part == "body"]

    assert len(passages) == BODY_PASSAGES_MAX + 1
    assert passages[-1].text.startswith("log search also covers: Part12; Part13; ")
    assert passages[-1].end == len(body)


@pytest.mark.parametrize(
    "body",
    [
        words(5000),
        "x" * 50_000,
        "\n".join(words(3) for _ in range(3000)),
        "```\n" + words(4000) + "\n```",
        "漢字" * 5000,
        "| a | b |\n|---|---|\n" * 500,
    ],
)
def test_a_body_of_any_shape_is_cut_into_a_bounded_number(body: str):
    passages = cut_passages(skill(body), ENCODER)

    assert len(passages) <= BODY_PASSAGES_MAX + 2
    assert ENCODER.token_counts([passage.text for passage in passages]).max() <= BODY_TOKENS + 2


def test_marks_that_only_draw_are_not_encoded():
    body = (
        "# T\n\n| **Name** | Use |\n|------|-----|\n| `jq` | JSON |\n\n---\n\n```bash\njq .\n```\n"
    )

    (passage,) = cut_passages(skill(body), ENCODER)[1:]

    assert passage.text == "log search\nT\nName Use\njq JSON\nbash\njq ."


def test_a_small_window_is_respected():
    encoder = HashingEncoder(tokens_max=48)

    passages = cut_passages(skill(words(400)), encoder)

    assert not encoder.encode([passage.text for passage in passages]).truncated.any()


@given(st.text(alphabet="# \n`-|ab*<>~", max_size=300))
def test_any_body_is_cut_the_same_way_twice_into_texts_that_can_be_encoded(body: str):
    passages = cut_passages(skill(body), ENCODER)

    assert passages == cut_passages(skill(body), ENCODER)
    assert all(passage.text.strip() for passage in passages)
    assert all(0 <= passage.start <= passage.end <= len(body) for passage in passages)
