from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import ConflictError, InputError, LimitError, NotFoundError
from openviking.skills import Skills
from openviking.skills.views import PAGE_MAX

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.store import SqliteStore

CONTENT = """---
name: Pie Chart
description: Draw pie charts
category: Data Science
subcategory: plots
examples: [draw a pie chart]
---
# Pie chart

Slices.
"""


def wait_until(is_true: Callable[[], bool], seconds: float = 10.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_a_skill_given_as_content_is_stored_and_found(skills: Skills):
    made = skills.create(content=CONTENT)

    assert (made.id, made.category, made.subcategory) == ("pie-chart", "data-science", "plots")
    assert (made.origin, made.path, made.examples) == ("api", None, ("draw a pie chart",))
    assert made.updated_at is not None
    assert skills.get("pie-chart") == made
    assert skills.search("draw pie charts").hits[0].skill.id == "pie-chart"


def test_a_skill_given_as_fields_is_stored_with_derived_values(skills: Skills):
    made = skills.create(
        fields={
            "name": "  Pie   Chart ",
            "description": "Draw\n pies",
            "body": "# P\n\n## Examples\n- draw me a pie please\n",
            "category": "Plots",
            "metadata": {"level": 3},
            "allowed_tools": ["Read"],
            "unknown": "ignored",
        }
    )

    assert (made.id, made.name, made.description) == ("pie-chart", "Pie Chart", "Draw pies")
    assert (made.category, made.examples) == ("plots", ("draw me a pie please",))
    assert (made.metadata, made.allowed_tools) == ({"level": 3}, ("Read",))


@pytest.mark.parametrize(
    ("fields", "loc", "kind"),
    [
        ({"description": "d"}, ("name",), InputError),
        ({"name": "n"}, ("description",), InputError),
        ({"name": "n", "description": " "}, ("description",), InputError),
        ({"name": 3, "description": "d"}, ("name",), InputError),
        ({"name": "n", "description": "d", "id": "Not Kebab"}, ("id",), InputError),
        ({"name": "n", "description": "d", "examples": "one"}, ("examples",), InputError),
        ({"name": "n", "description": "d", "examples": ["a", 2]}, ("examples", 1), InputError),
        ({"name": "n", "description": "d", "complexity": 6}, ("complexity",), InputError),
        ({"name": "n", "description": "d", "complexity": True}, ("complexity",), InputError),
        ({"name": "n", "description": "d", "metadata": []}, ("metadata",), InputError),
        (
            {"name": "n", "description": "d", "metadata": {"x": float("nan")}},
            ("metadata",),
            InputError,
        ),
        ({"name": "n", "description": "lone \ud800"}, ("description",), InputError),
        ({"name": "n\0", "description": "d"}, ("name",), InputError),
        ({"name": "n" * 201, "description": "d"}, ("name",), LimitError),
        ({"name": "n", "description": "d", "body": "x" * (1 << 21)}, ("body",), LimitError),
        (
            {"name": "n", "description": "d", "disable_model_invocation": "yes"},
            ("disable_model_invocation",),
            InputError,
        ),
    ],
)
def test_a_field_that_cannot_be_used_is_named(
    skills: Skills, fields: dict[str, Any], loc: tuple[str | int, ...], kind: type[InputError]
):
    with pytest.raises(kind) as caught:
        skills.create(fields=fields)

    assert caught.value.loc == loc
    assert skills.list().skills == ()


@pytest.mark.parametrize("content", ["", "a\0b", "lone \ud800 surrogate"])
def test_content_that_cannot_be_used_is_an_error(skills: Skills, content: str):
    with pytest.raises(InputError) as caught:
        skills.create(content=content)

    assert caught.value.loc == ("content",)


def test_either_content_or_fields_must_be_given(skills: Skills):
    with pytest.raises(InputError, match="neither"):
        skills.create()
    with pytest.raises(InputError, match="both"):
        skills.create(content=CONTENT, fields={})


def test_a_taken_id_is_a_conflict_and_nothing_changes(skills: Skills):
    skills.create(content=CONTENT)

    with pytest.raises(ConflictError, match="pie-chart"):
        skills.create(fields={"name": "pie chart", "description": "another"})

    assert skills.get("pie-chart").description == "Draw pie charts"


def test_replacing_keeps_id_and_usage_and_changes_the_rest(skills: Skills):
    skills.create(content=CONTENT)
    skills.count_use("pie-chart")

    replaced = skills.replace(
        "pie-chart", fields={"name": "Bar chart", "description": "Draw bar diagrams"}
    )

    assert (replaced.id, replaced.name, replaced.usage_count) == ("pie-chart", "Bar chart", 1)
    assert skills.search("bar diagrams").hits[0].skill.name == "Bar chart"
    assert skills.search("slices").hits == ()


def test_a_deleted_skill_is_gone_everywhere(skills: Skills):
    skills.create(content=CONTENT)

    skills.delete("pie-chart")

    assert skills.search("draw pie charts").hits == ()
    with pytest.raises(NotFoundError):
        skills.get("pie-chart")


@pytest.mark.parametrize("call", ["get", "delete", "count_use", "files", "replace"])
def test_an_unknown_id_is_not_found(skills: Skills, call: str):
    arguments = {"fields": {"name": "n", "description": "d"}} if call == "replace" else {}

    with pytest.raises(NotFoundError, match="missing"):
        getattr(skills, call)("missing", **arguments)


def test_usage_is_counted_in_listings_and_hits(skills: Skills):
    skills.create(content=CONTENT)

    assert [skills.count_use("pie-chart") for _ in range(3)] == [1, 2, 3]

    assert skills.list().skills[0].usage_count == 3
    assert skills.search("draw pie charts").hits[0].skill.usage_count == 3


def test_pages_cover_all_skills_once_and_in_order(skills: Skills):
    for name in "cabed":
        skills.create(fields={"name": name, "description": "d", "category": "x"})

    first = skills.list(limit=2)
    second = skills.list(limit=2, after=first.next)
    third = skills.list(limit=2, after=second.next)

    pages = [[skill.id for skill in page.skills] for page in (first, second, third)]
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert third.next is None
    assert len(skills.list(category="x").skills) == 5
    assert skills.list(category="y").skills == ()
    assert skills.list(limit=5).next is None


@pytest.mark.parametrize(("limit", "kind"), [(0, InputError), (PAGE_MAX + 1, LimitError)])
def test_an_impossible_page_is_an_error(skills: Skills, limit: int, kind: type[InputError]):
    with pytest.raises(kind):
        skills.list(limit=limit)


def test_the_tree_groups_names_by_area(skills: Skills):
    skills.create(content=CONTENT)
    last = skills.create(fields={"name": "Alone", "description": "d"})

    tree = skills.tree()

    assert tree.categories == {
        "data-science": {"plots": ("Pie Chart",)},
        "general": {"general": ("Alone",)},
    }
    assert (tree.total_skills, tree.last_updated) == (2, last.updated_at)


def test_similar_skills_are_related_and_others_are_not(skills: Skills):
    for name, text in {
        "merge": "merge many pdf files into one pdf",
        "join": "join many pdf files into one pdf",
        "cook": "boil rice with salt",
    }.items():
        skills.create(fields={"name": name, "description": text})

    assert skills.get("merge").related_skills == ("join",)
    assert skills.get("cook").related_skills == ()
    skills.delete("join")
    assert skills.get("merge").related_skills == ()


def test_what_is_usual_is_known_before_the_first_search(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("pies", text="Draw pie charts")
    skills.import_paths([folder])
    assert skills._relating.wait_until_idle(10.0)  # noqa: SLF001 - the thread is the claim
    before = skills._catalog.snapshot  # noqa: SLF001
    unasked = dict(before._usual_best)  # noqa: SLF001
    skills.warm()
    assert skills._relating.wait_until_idle(10.0)  # noqa: SLF001
    write_skill("maps", text="Draw maps")
    skills.import_paths([folder])
    assert skills._relating.wait_until_idle(10.0)  # noqa: SLF001
    after = skills._catalog.snapshot  # noqa: SLF001

    # Nobody has asked for the sentences that it takes to be encoded.
    assert unasked == {}
    for snapshot in (before, after):
        known = dict(snapshot._usual_best)  # noqa: SLF001
        assert list(known) == [skills.background]
    assert after.nearest is not None
    assert known[skills.background] == skills.background.usual_best(after.nearest)


def test_files_beside_a_skill_are_listed_without_links_and_hidden_ones(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("pdf")
    (folder / "pdf" / "scripts").mkdir()
    (folder / "pdf" / "scripts" / "merge.py").write_text("x")
    (folder / "pdf" / "README.txt").write_text("x")
    (folder / "pdf" / ".git").mkdir()
    (folder / "pdf" / ".git" / "config").write_text("x")
    (folder / "pdf" / "secret").symlink_to("/etc/hostname")
    write_skill("pdf/inner")
    skills.import_paths([folder])

    assert skills.files("pdf") == ("README.txt", "scripts/merge.py")
    assert skills.get("pdf").complexity == 2


def test_everything_is_there_after_a_restart_and_nothing_is_encoded(
    store: SqliteStore, skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("tools/pdf", text="Merge pages of documents")
    skills.import_paths([folder])
    skills.create(content=CONTENT)
    before = skills.search("merge pages of documents")
    skills.close()

    encoder = HashingEncoder()
    again = Skills(store, encoder)

    assert encoder.texts_encoded == 0
    assert again.search("merge pages of documents") == before
    assert again.get("pie-chart") == skills.get("pie-chart")
    assert again.import_paths([folder]).passages_encoded == 0
    again.close()


def test_another_model_encodes_the_stored_skills_anew(store: SqliteStore, skills: Skills):
    for at in range(20):
        skills.create(fields={"name": f"skill {at}", "description": f"Handles topic{at} well"})
    skills.count_use("skill-7")
    skills.close()

    other = HashingEncoder()
    other.build_id = "another-model"
    again = Skills(store, other)

    assert wait_until(lambda: again.stats()["to_encode"] == 0)
    hit = again.search("handles topic7 well").hits[0]
    assert (hit.skill.id, hit.why.semantic_rank, hit.skill.usage_count) == ("skill-7", 1, 1)
    assert other.texts_encoded >= 20
    again.close()


def test_stats_count_what_is_there(skills: Skills):
    skills.create(content=CONTENT)
    skills.create(
        fields={"name": "h", "description": "d", "disable_model_invocation": True, "body": "# B"}
    )

    stats = skills.stats()

    assert (stats["skills"], stats["hidden"], stats["to_encode"]) == (2, 1, 0)
    assert stats["passages"] == 3


def test_closing_twice_is_harmless(skills: Skills):
    skills.close()
    skills.close()
