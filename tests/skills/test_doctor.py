from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError
from openviking.skills import Skills
from openviking.skills.doctor import Diagnosis, diagnose

if TYPE_CHECKING:
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.encoder.fake import HashingEncoder
    from openviking.store import SqliteStore

GOOD = "Merge, split and rotate pdf documents, also scanned ones, with qpdf from a terminal"


def problems(found: list[Diagnosis], name: str) -> list[str]:
    (one,) = (diagnosis for diagnosis in found if diagnosis.name == name)
    return [complaint.problem for complaint in one.complaints]


def test_a_good_skill_has_no_complaints(
    folder: Path, write_skill: WriteSkill, encoder: HashingEncoder
):
    write_skill("pdf", text=GOOD)
    write_skill("sql", text="Tune slow sql database queries with indexes after reading plans")
    assert problems(diagnose([folder], encoder), "pdf") == []


def test_a_vague_a_missing_and_a_hidden_description_are_told(
    folder: Path, write_skill: WriteSkill, encoder: HashingEncoder
):
    write_skill("vague", text="Helps you with things that you need to get done")
    (folder / "bare").mkdir()
    (folder / "bare" / "SKILL.md").write_text("---\nname: bare\n---\n# Bare\n\nText.\n")
    (folder / "shy").mkdir()
    (folder / "shy" / "SKILL.md").write_text(
        f"---\nname: shy\ndescription: {GOOD}\ndisable-model-invocation: true\n---\n# Shy\n\nX.\n"
    )
    found = diagnose([folder], encoder)
    assert problems(found, "vague") == ["description-vague"]
    assert problems(found, "bare") == ["description-missing"]
    assert problems(found, "shy") == ["hidden"]


def test_twins_are_told_and_each_names_the_other(
    folder: Path, write_skill: WriteSkill, encoder: HashingEncoder
):
    write_skill("one/pdf", name="pdf", text=GOOD)
    write_skill("two/pdf", name="pdf", text=GOOD)
    write_skill("sql", text="Tune slow sql database queries with indexes after reading plans")

    first, second, _ = sorted(diagnose([folder], encoder), key=lambda found: found.name)

    assert [c.problem for c in first.complaints] == ["description-duplicate"]
    assert [c.problem for c in second.complaints] == ["name-taken", "description-duplicate"]
    assert first.path in second.complaints[0].advice
    assert "'pdf-two'" in second.complaints[0].advice
    assert first.neighbours[0].path == second.path
    assert first.neighbours[0].cosine == pytest.approx(1.0)


def test_a_body_beyond_what_is_read_is_told(
    folder: Path, write_skill: WriteSkill, encoder: HashingEncoder
):
    path = write_skill("long", text=GOOD)
    sections = "\n\n".join(f"## Part {at}\n\n" + f"word{at} " * 200 for at in range(40))
    path.write_text(path.read_text() + sections)
    assert problems(diagnose([folder], encoder), "long") == ["body-over-window"]


def test_an_empty_folder_gives_nothing_and_a_missing_one_an_error(
    folder: Path, encoder: HashingEncoder
):
    assert diagnose([folder], encoder) == []
    with pytest.raises(InputError, match="no such file"):
        diagnose([folder / "gone"], encoder)


def test_stored_skills_get_the_same_diagnoses_and_nothing_is_encoded(
    skills: Skills, folder: Path, write_skill: WriteSkill, encoder: HashingEncoder
):
    write_skill("one/pdf", name="pdf", text=GOOD)
    write_skill("two/pdf", name="pdf", text=GOOD)
    write_skill("vague", text="Helps you with things that you need to get done")
    (folder / "bare").mkdir()
    (folder / "bare" / "SKILL.md").write_text("---\nname: bare\n---\n# Bare\n\nSome text.\n")
    long = write_skill("long", text="Tune slow sql database queries with indexes after plans")
    sections = "\n\n".join(f"## Part {at}\n\n" + f"word{at} " * 200 for at in range(40))
    long.write_text(long.read_text() + sections)
    skills.import_paths([folder])
    of_files = {one.path: one for one in diagnose([folder], encoder)}
    encoded = encoder.texts_encoded

    of_stored = {one.path: one for one in skills.diagnose()}

    assert of_stored == of_files
    assert sum(bool(one.complaints) for one in of_stored.values()) == 5
    assert encoder.texts_encoded == encoded


def test_a_skill_of_a_client_is_named_by_its_id_and_a_hidden_one_takes_nothing(skills: Skills):
    for name, is_hidden in (("pdf", False), ("shy", True)):
        fields = {"name": name, "description": GOOD, "disable_model_invocation": is_hidden}
        skills.create(fields=fields)

    pdf, shy = skills.diagnose()

    assert (pdf.path, pdf.complaints) == ("stored as pdf", ())
    assert [complaint.problem for complaint in shy.complaints] == ["hidden"]


def test_an_empty_store_has_no_diagnoses(skills: Skills):
    assert not skills.diagnose()


@pytest.fixture
def three(folder: Path, write_skill: WriteSkill) -> list[Path]:
    write_skill("mine/pdf", text=GOOD)
    write_skill("mine/sql", text="Tune slow sql database queries with indexes after reading plans")
    write_skill("team/pdf", text=GOOD + " of the team")
    write_skill("project/pdf", text=GOOD + " of the project")
    return [folder / "mine", folder / "team", folder / "project"]


def test_what_is_overridden_is_told_as_an_import_of_the_same_folders_does_it(
    skills: Skills, three: list[Path], encoder: HashingEncoder
):
    found = diagnose(three, encoder)

    told = {
        one.path: one.complaints[0].advice
        for one in found
        if "overridden" in [complaint.problem for complaint in one.complaints]
    }
    report = skills.import_paths(three)
    assert set(told) == {override.path for override in report.overridden}
    winner = str(three[2] / "pdf" / "SKILL.md")
    assert all(winner in advice for advice in told.values())
    assert {override.by for override in report.overridden} == {winner}
    # What is not used takes no request away from what is.
    (used,) = (one for one in found if one.path == winner)
    assert used.complaints == ()
    assert all(near.path not in told for near in used.neighbours)


def test_the_stored_skills_tell_which_file_each_hides_in_every_process(
    skills: Skills, store: SqliteStore, three: list[Path], encoder: HashingEncoder
):
    skills.import_paths(three)
    skills.close()
    other = Skills(store, encoder)

    of_files = {one.path: one.complaints for one in diagnose(three, encoder)}
    of_stored = {one.path: one.complaints for one in other.diagnose()}

    assert {path: [c.problem for c in found] for path, found in of_stored.items()} == {
        path: [c.problem for c in found] for path, found in of_files.items()
    }
    other.close()


def test_files_are_told_what_they_collide_with_among_the_stored(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    skills.create(fields={"name": "pdf", "description": GOOD})
    skills.create(fields={"name": "shy", "description": GOOD, "disable_model_invocation": True})
    write_skill("new/pdf", text=GOOD)
    write_skill("new/sql", text="Tune slow sql database queries with indexes after reading plans")

    pdf, sql = skills.diagnose([folder])

    assert [c.problem for c in pdf.complaints] == ["name-taken", "description-duplicate"]
    assert "stored as pdf" in pdf.complaints[0].advice
    assert "'pdf-new'" in pdf.complaints[0].advice
    assert pdf.neighbours[0].path == "stored as pdf"
    assert all(near.path != "stored as shy" for near in pdf.neighbours)
    assert sql.complaints == ()
    report = skills.import_paths([folder])
    assert sorted(report.added) == ["pdf-new", "sql"]


def test_a_stored_file_collides_neither_with_itself_nor_after_the_first_has_gone(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    first = write_skill("one/pdf", name="pdf", text=GOOD)
    write_skill("two/pdf", name="pdf", text="Tune slow sql queries with indexes after their plans")
    skills.import_paths([folder])
    first.unlink()
    skills.import_paths([folder], prune=True)

    (only,) = skills.diagnose([folder])

    assert only.complaints == ()
    assert skills.list().skills[0].id == "pdf-two"


def test_a_disabled_skill_is_told_and_takes_nothing_from_others(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("pdf", text=GOOD)
    write_skill("documents", text=GOOD)
    skills.import_paths([folder])
    skills.disable(["pdf"])

    for found in (skills.diagnose(), skills.diagnose([folder])):
        documents, pdf = found
        assert documents.complaints == ()
        assert [complaint.problem for complaint in pdf.complaints] == ["disabled"]
        assert "enable pdf" in pdf.complaints[0].advice
