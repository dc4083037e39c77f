"""A project's skills take the place of the user's of the same name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.skills import Override, Skills, validate_paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.store import SqliteStore


@pytest.fixture
def mine(folder: Path) -> Path:
    return folder / "mine"


@pytest.fixture
def project(folder: Path) -> Path:
    return folder / "project"


@pytest.fixture
def both(write_skill: WriteSkill) -> None:
    write_skill("mine/pdf", text="Merge documents as I like it")
    write_skill("mine/csv", text="Clean tables")
    write_skill("project/pdf", text="Merge documents by the rules of this project")


def description(skills: Skills, skill_id: str) -> str:
    return skills.get(skill_id).description


@pytest.mark.usefixtures("both")
def test_the_later_folder_wins_and_the_collision_is_reported(
    skills: Skills, encoder: HashingEncoder, mine: Path, project: Path
):
    report = skills.import_paths([mine, project])

    paths = {name: str(where / "pdf" / "SKILL.md") for name, where in
             (("mine", mine), ("project", project))}  # fmt: skip
    assert sorted(report.added) == ["csv", "pdf"]
    assert report.overridden == (Override("pdf", paths["mine"], paths["project"]),)
    assert [f.path for f in report.findings if f.code == "overridden"] == [paths["mine"]]
    assert description(skills, "pdf").endswith("this project")
    assert skills.overrides("pdf") == (paths["mine"],)
    assert skills.overrides("csv") == ()
    assert len(skills.search("merge documents").hits) == 1
    encoded = encoder.texts_encoded
    again = skills.import_paths([mine, project])
    assert (again.unchanged, again.overridden) == (("pdf", "csv"), report.overridden)
    assert encoder.texts_encoded == encoded


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("first", [["mine"], ["project"], ["mine", "project"], ["project", "mine"]])
def test_the_order_counts_and_not_what_came_first(
    store: SqliteStore, folder: Path, mine: Path, project: Path, first: list[str]
):
    skills = Skills(store, HashingEncoder())
    skills.import_paths([folder / name for name in first])
    skills.count_use("pdf")

    skills.import_paths([mine, project])

    assert [skill.id for skill in skills.list().skills] == ["csv", "pdf"]
    assert description(skills, "pdf").endswith("this project")
    assert skills.get("pdf").usage_count == 1
    skills.import_paths([project, mine])
    assert description(skills, "pdf").endswith("I like it")
    assert [skill.id for skill in skills.list().skills] == ["csv", "pdf"]
    skills.close()


@pytest.mark.usefixtures("both")
def test_records_of_both_from_separate_imports_become_one(
    skills: Skills, mine: Path, project: Path
):
    skills.import_paths([mine])
    skills.import_paths([project])
    assert [skill.id for skill in skills.list().skills] == ["csv", "pdf", "pdf-project"]

    skills.import_paths([mine, project])

    assert [skill.id for skill in skills.list().skills] == ["csv", "pdf"]
    assert description(skills, "pdf").endswith("this project")


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize("how", ["deleted", "renamed"])
def test_the_other_one_comes_back_when_the_winner_goes(
    skills: Skills, mine: Path, project: Path, write_skill: WriteSkill, how: str
):
    skills.import_paths([mine, project])

    if how == "deleted":
        (project / "pdf" / "SKILL.md").unlink()
    else:
        write_skill("project/pdf", name="something-else")
    skills.import_paths([mine, project], prune=True)

    assert description(skills, "pdf").endswith("I like it")
    assert skills.overrides("pdf") == ()
    assert skills.search("merge documents as i like it").hits[0].skill.id == "pdf"


@pytest.mark.usefixtures("both")
def test_a_hidden_skill_of_the_project_hides_that_of_the_user(
    skills: Skills, mine: Path, project: Path
):
    path = project / "pdf" / "SKILL.md"
    path.write_text(
        path.read_text("utf-8").replace("---\n#", "disable-model-invocation: true\n---\n#"), "utf-8"
    )

    skills.import_paths([mine, project])

    assert skills.get("pdf").disable_model_invocation
    assert all(hit.skill.id != "pdf" for hit in skills.search("merge documents").hits)


def test_sub_skills_of_an_overridden_skill_get_the_winner_as_parent(
    skills: Skills, mine: Path, project: Path, write_skill: WriteSkill
):
    write_skill("mine/web")
    write_skill("mine/web/parts/grid")
    write_skill("project/web")

    skills.import_paths([mine, project])

    assert skills.get("grid").parent_skill == "web"


def test_within_one_folder_and_beside_clients_nothing_is_overridden(
    skills: Skills, mine: Path, project: Path, write_skill: WriteSkill
):
    skills.create(fields={"name": "poet", "description": "Writes poems"})
    write_skill("mine/poet")
    write_skill("project/alice/pdf", name="pdf")
    write_skill("project/bob/pdf", name="pdf")

    report = skills.import_paths([mine, project])

    assert report.overridden == ()
    ids = [skill.id for skill in skills.list().skills]
    assert ids == ["pdf", "pdf-bob", "poet", "poet-mine"]


@pytest.mark.usefixtures("both")
def test_validation_says_which_file_is_not_used(mine: Path, project: Path):
    found = {
        report.path: [finding.code for finding in report.findings]
        for report in validate_paths([mine, project])
    }

    assert found[str(mine / "pdf" / "SKILL.md")] == ["overridden"]
    assert found[str(project / "pdf" / "SKILL.md")] == []


@pytest.mark.usefixtures("both")
def test_another_process_knows_which_skill_hides_which(
    skills: Skills, store: SqliteStore, mine: Path, project: Path
):
    skills.import_paths([mine, project])
    skills.close()

    other = Skills(store, HashingEncoder())

    hidden = str(mine / "pdf" / "SKILL.md")
    assert other.overrides("pdf") == (hidden,)
    assert other.all_overrides() == {"pdf": (hidden,)}
    # The order of folders is known to an import only: by itself, the file gets an id of its own.
    other.import_paths([mine])
    assert other.all_overrides() == {}
    assert description(other, "pdf-mine").endswith("I like it")
    other.close()


@pytest.mark.usefixtures("both")
def test_a_file_that_waits_comes_back_in_another_process(
    skills: Skills, store: SqliteStore, mine: Path, project: Path
):
    skills.import_paths([mine, project])
    skills.close()
    (project / "pdf" / "SKILL.md").unlink()
    other = Skills(store, HashingEncoder())

    other.import_paths([mine, project], prune=True)

    assert description(other, "pdf").endswith("I like it")
    assert store.waiting_skills() == {}
    other.close()


@pytest.mark.usefixtures("both")
def test_a_skill_whose_file_is_gone_is_pruned_though_a_file_elsewhere_waits_for_its_id(
    skills: Skills, mine: Path, project: Path
):
    skills.import_paths([mine, project])
    (project / "pdf" / "SKILL.md").unlink()

    report = skills.import_paths([project], prune=True)

    assert report.removed == ("pdf",)
    assert [skill.id for skill in skills.list().skills] == ["csv"]
    skills.import_paths([mine, project])
    assert description(skills, "pdf").endswith("I like it")
