"""Skills that are switched off are nowhere to be seen, and stay off until they are switched on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.skills.test_watch import wait_until

from openviking.encoder.fake import HashingEncoder
from openviking.errors import NotFoundError
from openviking.skills import Skills

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.store import SqliteStore
    from openviking.types import Embeddings


@pytest.fixture
def stocked(skills: Skills, folder: Path, write_skill: WriteSkill) -> Skills:
    write_skill("pdf", text="Merge documents and split their pages")
    write_skill("pdf/parts/forms", text="Fill in forms of documents")
    write_skill("csv", text="Clean tables and their columns")
    skills.import_paths([folder])
    return skills


def found(skills: Skills, query: str, *, hierarchical: bool = False) -> list[str]:
    hits = skills.search(query, hierarchical=hierarchical).hits
    return [hit.skill.id for hit in hits]


def listed(skills: Skills, *, include_disabled: bool = False) -> list[str]:
    return [skill.id for skill in skills.list(include_disabled=include_disabled).skills]


def names(skills: Skills) -> list[str]:
    tree = skills.tree()
    shown = [n for area in tree.categories.values() for names in area.values() for n in names]
    assert tree.total_skills == len(shown)
    return sorted(shown)


def test_what_is_disabled_is_hidden_everywhere_and_comes_back_whole(stocked: Skills):
    before = stocked.search("merge documents and split their pages").hits

    (switched,) = stocked.disable(["pdf"])

    assert (switched.id, switched.is_disabled, switched.is_searched) == ("pdf", True, False)
    assert "pdf" not in found(stocked, "merge documents and split their pages")
    assert "pdf" not in found(stocked, "fill in forms of documents", hierarchical=True)
    assert listed(stocked) == ["csv", "forms"]
    assert listed(stocked, include_disabled=True) == ["csv", "forms", "pdf"]
    assert names(stocked) == ["csv", "forms"]
    assert stocked.get("forms").parent_skill is None
    with pytest.raises(NotFoundError, match="disabled"):
        stocked.get("pdf")
    with pytest.raises(NotFoundError, match="disabled"):
        stocked.files("pdf")
    assert stocked.get("pdf", include_disabled=True).is_disabled
    assert stocked.stats()["disabled"] == stocked.stats()["hidden"] == 1

    (switched,) = stocked.enable(["pdf"])

    assert (switched.is_disabled, switched.is_searched) == (False, True)
    after = stocked.search("merge documents and split their pages").hits
    assert [(hit.skill.id, hit.score) for hit in after] == [
        (hit.skill.id, hit.score) for hit in before
    ]
    assert stocked.get("forms").parent_skill == "pdf"
    assert names(stocked) == ["csv", "forms", "pdf"]


def test_a_disabled_sub_skill_follows_no_parent(stocked: Skills):
    assert stocked.get("pdf").sub_skills == ("forms",)

    stocked.disable(["forms"])

    assert stocked.get("pdf").sub_skills == ()
    query = "merge documents and split their pages"
    assert "forms" not in found(stocked, query, hierarchical=True)


def test_nothing_is_encoded_for_a_switch(stocked: Skills, encoder: HashingEncoder):
    encoded = encoder.texts_encoded

    stocked.disable(["pdf", "csv"])
    stocked.enable(["csv", "pdf"])

    assert encoder.texts_encoded == encoded


def test_an_edit_an_import_and_a_restart_leave_it_disabled(
    stocked: Skills, store: SqliteStore, folder: Path, write_skill: WriteSkill
):
    stocked.disable(["pdf"])

    write_skill("pdf", text="Merge documents quickly")
    stocked.import_paths([folder])
    stocked.close()
    again = Skills(store, HashingEncoder())

    assert "quickly" in again.get("pdf", include_disabled=True).description
    assert "pdf" not in found(again, "merge documents quickly")
    assert listed(again) == ["csv", "forms"]
    again.enable(["pdf"])
    assert found(again, "merge documents quickly")[0] == "pdf"
    again.close()


def test_a_file_that_is_gone_for_a_moment_comes_back_disabled(
    stocked: Skills, folder: Path, write_skill: WriteSkill
):
    stocked.disable(["csv"])
    (folder / "csv" / "SKILL.md").unlink()
    stocked.import_paths([folder], prune=True)
    assert "csv" not in listed(stocked, include_disabled=True)

    write_skill("csv", text="Clean tables and their columns")
    stocked.import_paths([folder], prune=True)

    assert stocked.get("csv", include_disabled=True).is_disabled
    assert "csv" not in found(stocked, "clean tables and their columns")


def test_a_watched_file_that_is_edited_and_renamed_stays_disabled(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("csv", text="Clean tables and their columns")
    skills.watch([folder])
    assert wait_until(lambda: listed(skills) == ["csv"])
    skills.disable(["csv"])

    write_skill("csv", name="tables", text="Clean tables and their rows")

    assert wait_until(lambda: listed(skills, include_disabled=True) == ["tables"])
    assert listed(skills) == []
    assert skills.get("tables", include_disabled=True).is_disabled
    assert found(skills, "clean tables and their rows") == []


@pytest.mark.parametrize("goes", ["nobody", "the winner"])
def test_the_overridden_skill_does_not_come_up_in_place_of_the_disabled_one(
    skills: Skills, folder: Path, write_skill: WriteSkill, goes: str
):
    mine = write_skill("mine/pdf", text="Merge documents as I like it")
    project = write_skill("project/pdf", text="Merge documents by the rules")
    roots = [folder / "mine", folder / "project"]
    skills.import_paths(roots)

    (switched,) = skills.disable(["pdf"])
    if goes == "the winner":
        project.unlink()
    skills.import_paths(roots, prune=True)

    assert str(mine) in switched.message
    assert found(skills, "merge documents as I like it") == []
    assert listed(skills) == []
    held = skills.get("pdf", include_disabled=True)
    assert held.path == str(mine if goes == "the winner" else project)


def test_a_skill_that_disables_itself_says_so_when_it_is_enabled(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    path = write_skill("pdf")
    text = path.read_text("utf-8")
    path.write_text(text.replace("---\n#", "disable-model-invocation: true\n---\n#"), "utf-8")
    skills.import_paths([folder])

    (switched,) = skills.enable(["pdf"])

    assert (switched.is_disabled, switched.is_searched) == (False, False)
    assert f"{path} itself says disable-model-invocation" in switched.message
    assert listed(skills) == ["pdf"]


class HookedEncoder(HashingEncoder):
    """Calls ``hook`` once, in the middle of the next encoding."""

    hook: Callable[[], object] | None = None

    def encode(self, texts: Sequence[str]) -> Embeddings:
        hook, self.hook = self.hook, None
        if hook is not None:
            hook()
        return super().encode(texts)


@pytest.mark.parametrize("is_disabled", [False, True])
def test_a_switch_that_is_turned_while_an_edit_is_encoded_holds(
    store: SqliteStore, folder: Path, write_skill: WriteSkill, *, is_disabled: bool
):
    encoder = HookedEncoder()
    skills = Skills(store, encoder)
    write_skill("pdf", text="Merge documents")
    skills.import_paths([folder])
    if not is_disabled:
        skills.disable(["pdf"])
    write_skill("pdf", text="Merge documents quickly")

    turn = skills.disable if is_disabled else skills.enable
    encoder.hook = lambda: turn(["pdf"])
    skills.import_paths([folder])

    whole = skills.get("pdf", include_disabled=True)
    assert "quickly" in whole.description
    assert whole.is_disabled is is_disabled
    assert found(skills, "merge documents quickly") == ([] if is_disabled else ["pdf"])
    skills.close()


def test_a_deleted_skill_forgets_its_switch(stocked: Skills):
    stocked.disable(["csv"])
    stocked.delete("csv")

    stocked.create(fields={"name": "csv", "description": "Clean tables and their columns"})

    assert found(stocked, "clean tables and their columns")[0] == "csv"


def test_a_replaced_skill_stays_disabled(skills: Skills):
    skills.create(fields={"name": "poet", "description": "Writes poems"})
    skills.disable(["poet"])

    replaced = skills.replace("poet", fields={"name": "poet", "description": "Writes rhymes"})

    assert replaced.is_disabled
    assert found(skills, "writes rhymes") == []


def test_all_are_switched_or_none(stocked: Skills):
    with pytest.raises(NotFoundError, match="'nobody'"):
        stocked.disable(["pdf", "nobody"])
    with pytest.raises(NotFoundError, match="'nobody'"):
        stocked.enable(["nobody"])

    assert listed(stocked) == ["csv", "forms", "pdf"]


def test_an_id_without_a_skill_can_be_enabled(
    stocked: Skills, folder: Path, write_skill: WriteSkill
):
    stocked.disable(["csv"])
    (folder / "csv" / "SKILL.md").unlink()
    stocked.import_paths([folder], prune=True)

    (switched,) = stocked.enable(["csv"])
    write_skill("csv", text="Clean tables and their columns")
    stocked.import_paths([folder])

    assert "no skill has this id now" in switched.message
    assert found(stocked, "clean tables and their columns")[0] == "csv"


def test_twice_is_once(stocked: Skills):
    stocked.disable(["pdf"])
    (again,) = stocked.disable(["pdf", "pdf"])
    assert again.message == "was disabled already"
    stocked.enable(["pdf"])
    (again,) = stocked.enable(["pdf"])
    assert again.message == "was enabled already"
