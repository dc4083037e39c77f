from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import EncoderError, InputError
from openviking.skills import Skills
from openviking.skills.load import FILE_BYTES_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.store import SqliteStore
    from openviking.types import Embeddings


class FailingEncoder(HashingEncoder):
    """Breaks down after a number of calls, as a process that is killed does."""

    def __init__(self, calls: int) -> None:
        super().__init__()
        self._calls = calls

    def encode(self, texts: Sequence[str]) -> Embeddings:
        self._calls -= 1
        if self._calls < 0:
            raise EncoderError("out of order")
        return super().encode(texts)


def test_an_import_adds_and_the_next_one_encodes_nothing(
    skills: Skills, encoder: HashingEncoder, folder: Path, write_skill: WriteSkill
):
    for name in ("pdf", "csv", "sql"):
        write_skill(name)

    first = skills.import_paths([folder])
    encoded = encoder.texts_encoded
    second = skills.import_paths([str(folder)])

    assert first.added == ("csv", "pdf", "sql")
    assert first.passages_encoded == encoded > 0
    assert (second.added, second.updated, second.passages_encoded) == ((), (), 0)
    assert second.unchanged == ("csv", "pdf", "sql")
    assert encoder.texts_encoded == encoded


def test_a_skill_that_only_changes_its_category_keeps_its_vectors(
    skills: Skills, encoder: HashingEncoder, folder: Path, write_skill: WriteSkill
):
    write_skill("documents/pdf", text="# Tables\n\nRead tables from a PDF file.")
    skills.import_paths([folder])
    encoded = encoder.texts_encoded
    assert skills.get("pdf").category == "documents"

    # Seen from its own parent folder, the file lies in no category.
    report = skills.import_paths([folder / "documents"])

    assert (report.updated, report.passages_encoded) == (("pdf",), 0)
    assert encoder.texts_encoded == encoded
    assert skills.get("pdf").category == "general"
    assert skills.search("tables from a pdf").hits[0].skill.category == "general"


def test_a_changed_file_is_updated_under_its_id(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("pdf")
    write_skill("csv")
    skills.import_paths([folder])
    skills.count_use("pdf")

    write_skill("pdf", text="Rotate and stamp pages")
    report = skills.import_paths([folder])

    assert (report.updated, report.unchanged) == (("pdf",), ("csv",))
    changed = skills.get("pdf")
    assert (changed.description, changed.usage_count) == ("Rotate and stamp pages", 1)


def test_progress_counts_files(skills: Skills, folder: Path, write_skill: WriteSkill):
    for at in range(12):
        write_skill(f"skill-{at:02d}")
    calls: list[tuple[int, int]] = []

    skills.import_paths([folder], lambda done, total: calls.append((done, total)))

    assert calls == [(done, 12) for done in range(13)]


def test_an_interrupted_import_keeps_its_batches_and_resumes(
    store: SqliteStore, folder: Path, write_skill: WriteSkill
):
    for at in range(20):
        write_skill(f"skill-{at:02d}")
    first = Skills(store, FailingEncoder(calls=1))
    with pytest.raises(EncoderError):
        first.import_paths([folder])
    first.close()

    again = Skills(store, HashingEncoder())
    report = again.import_paths([folder])
    again.close()

    assert len(report.unchanged) == 8
    assert len(report.added) == 12


def test_equal_names_get_ids_that_do_not_depend_on_later_imports(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    for where in ("alice/pdf", "bob/pdf", "bob/skills/pdf"):
        write_skill(where)

    report = skills.import_paths([folder])
    again = skills.import_paths([folder])

    assert report.added[:2] == ("pdf", "pdf-bob")
    assert report.added[2].startswith("pdf-")
    assert len(report.added[2]) == len("pdf-") + 6
    assert [finding.code for finding in report.findings].count("id-collision") == 2
    assert again.unchanged == report.added


def test_a_hundred_identical_skills_all_get_an_id(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    for at in range(100):
        write_skill(f"owner-{at}/same", text="The very same words")

    report = skills.import_paths([folder])

    assert len(set(report.added)) == 100
    hits = skills.search("the very same words", k=100).hits
    assert len(hits) == 100
    assert [hit.skill.id for hit in hits] == sorted(hit.skill.id for hit in hits)


def test_a_moved_file_keeps_its_id_and_usage(skills: Skills, folder: Path, write_skill: WriteSkill):
    write_skill("pdf")
    skills.import_paths([folder])
    skills.count_use("pdf")

    (folder / "pdf").rename(folder / "moved")
    report = skills.import_paths([folder], prune=True)

    moved = skills.get("pdf")
    assert report.updated == ("pdf",)
    assert report.removed == ()
    assert (moved.path, moved.usage_count) == (str(folder / "moved" / "SKILL.md"), 1)


def test_a_renamed_skill_replaces_its_old_id(skills: Skills, folder: Path, write_skill: WriteSkill):
    write_skill("a", name="old-name")
    skills.import_paths([folder])

    write_skill("a", name="new-name")
    report = skills.import_paths([folder])

    assert report.updated == ("new-name",)
    assert [skill.id for skill in skills.list().skills] == ["new-name"]


def test_two_files_may_swap_their_names(skills: Skills, folder: Path, write_skill: WriteSkill):
    write_skill("a", name="one", text="first")
    write_skill("b", name="two", text="second")
    skills.import_paths([folder])

    write_skill("a", name="two", text="first")
    write_skill("b", name="one", text="second")
    skills.import_paths([folder], prune=True)
    skills.import_paths([folder], prune=True)

    described = {skill.description: skill.name for skill in skills.list().skills}
    assert described == {"first": "two", "second": "one"}


def test_vanished_files_are_removed_only_when_pruning(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    for name in ("keep", "drop"):
        write_skill(name)
    skills.import_paths([folder])
    skills.create(fields={"name": "made by hand", "description": "stays"})
    shutil.rmtree(folder / "drop")

    kept = skills.import_paths([folder])
    pruned = skills.import_paths([folder], prune=True)

    assert kept.removed == ()
    assert pruned.removed == ("drop",)
    assert [skill.id for skill in skills.list().skills] == ["keep", "made-by-hand"]


def test_a_skill_in_a_folder_below_another_is_its_sub_skill(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    for where in ("web/frontend", "web/frontend/parts/css", "web/other"):
        write_skill(where)

    skills.import_paths([folder])

    assert skills.get("css").parent_skill == "frontend"
    assert skills.get("frontend").sub_skills == ("css",)
    assert skills.get("other").parent_skill is None


def test_refused_files_are_reported_and_the_others_load(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("good")
    for name, content in {
        "binary": b"\x89PNG\0\0",
        "empty": b"",
        "huge": b"x" * (FILE_BYTES_MAX + 1),
    }.items():
        write_skill(name).write_bytes(content)
    (folder / "dangling").mkdir()
    (folder / "dangling" / "SKILL.md").symlink_to(folder / "nowhere")

    report = skills.import_paths([folder])

    assert report.added == ("good",)
    assert [finding.code for finding in report.refused] == [
        "file-binary",
        "file-unreadable",
        "file-empty",
        "file-too-large",
    ]


def test_a_huge_sparse_file_is_refused_unread(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    with write_skill("huge").open("wb") as file:
        file.truncate(1 << 40)

    report = skills.import_paths([folder])

    assert [finding.code for finding in report.refused] == ["file-too-large"]


def test_a_file_that_turned_bad_keeps_its_last_good_version(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    path = write_skill("pdf", text="Merge pages")
    skills.import_paths([folder])

    path.write_bytes(b"\0 half written")
    report = skills.import_paths([folder], prune=True)

    assert [finding.code for finding in report.refused] == ["file-binary"]
    assert skills.get("pdf").description == "Merge pages"


def test_a_path_that_is_not_utf8_is_refused_and_nothing_else(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("good")
    bad = os.fsencode(folder) + b"/b\xe4d"
    os.mkdir(bad)  # noqa: PTH102 - a path of bytes
    with open(bad + b"/SKILL.md", "wb") as file:  # noqa: PTH123 - same
        file.write(b"# Bad\n\ntext")

    report = skills.import_paths([folder])

    assert report.added == ("good",)
    assert [finding.code for finding in report.refused] == ["file-unreadable"]
    report.refused[0].path.encode("utf-8")


def test_a_missing_path_is_an_error_before_anything_is_imported(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("good")

    with pytest.raises(InputError, match="no such file"):
        skills.import_paths([folder, folder / "missing"])

    assert skills.list().skills == ()


def test_a_file_does_not_take_the_id_of_a_skill_made_by_a_client(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    skills.create(fields={"name": "pdf", "description": "by a client"})
    write_skill("pdf")

    report = skills.import_paths([folder])

    assert report.added == ("pdf-files",)
    assert skills.get("pdf").description == "by a client"


def test_after_close_an_import_stops_early_and_says_so(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("pdf")
    skills.close()

    report = skills.import_paths([folder])

    assert not report.is_complete
    assert report.added == ()


def test_folders_of_owners_do_not_become_categories(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    for at in range(20):
        write_skill(f"skills/owner-{at}/tool-{at}")
    skills.import_paths([folder])
    assert set(skills.tree().categories) == {"general"}
    assert skills.import_paths([folder]).passages_encoded == 0


def test_one_path_or_id_in_place_of_several_is_an_error_that_shows_how_to_write_it(
    skills: Skills, folder: Path
):
    for one in (folder, str(folder)):
        with pytest.raises(InputError, match=r"write \['/.*files'\]"):
            skills.import_paths(one)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"write \['csv'\]"):
        skills.disable("csv")
