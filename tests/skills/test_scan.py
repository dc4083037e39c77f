from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError
from openviking.skills import validate_paths
from openviking.skills.scan import DEPTH_MAX, check_paths, scan_paths

if TYPE_CHECKING:
    from pathlib import Path

    from tests.skills.conftest import WriteSkill


def names(folder: Path) -> list[str]:
    return [str(file.path.relative_to(folder)) for file in scan_paths([folder]).files]


def test_files_are_found_in_order_with_parents_before_children(
    folder: Path, write_skill: WriteSkill
):
    for where in ("b", "a/inner", "a", "a-z"):
        write_skill(where)
    (folder / "a" / "notes.md").write_text("no skill")

    assert names(folder) == ["a/SKILL.md", "a/inner/SKILL.md", "a-z/SKILL.md", "b/SKILL.md"]


def test_the_case_of_the_file_name_does_not_matter(folder: Path, write_skill: WriteSkill):
    write_skill("x").rename(folder / "x" / "skill.md")

    assert names(folder) == ["x/skill.md"]


def test_a_loop_of_links_ends_and_is_reported(folder: Path, write_skill: WriteSkill):
    write_skill("a/b")
    (folder / "a" / "b" / "up").symlink_to(folder / "a")
    (folder / "self").symlink_to("self")

    scan = scan_paths([folder])

    assert [file.path.parent.name for file in scan.files] == ["b"]
    assert [finding.code for finding in scan.findings] == ["folder-loop"]


def test_linked_folders_are_followed(folder: Path, write_skill: WriteSkill, tmp_path: Path):
    write_skill("real")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "link").symlink_to(folder / "real")

    assert [file.path for file in scan_paths([elsewhere]).files] == [
        elsewhere / "link" / "SKILL.md"
    ]


def test_a_folder_called_skill_md_is_no_skill(folder: Path):
    (folder / "x" / "SKILL.md").mkdir(parents=True)

    assert names(folder) == []


def test_tool_folders_are_skipped_and_hidden_ones_are_not(folder: Path, write_skill: WriteSkill):
    for where in (".agent/skills/x", "node_modules/y", ".git/z"):
        write_skill(where)

    assert names(folder) == [".agent/skills/x/SKILL.md"]


def test_a_very_deep_tree_is_entered_to_the_limit_and_reported(
    folder: Path, write_skill: WriteSkill
):
    write_skill("/".join("d" for _ in range(DEPTH_MAX)))
    write_skill("/".join("d" for _ in range(DEPTH_MAX + 1)))

    scan = scan_paths([folder])

    assert len(scan.files) == 1
    assert [finding.code for finding in scan.findings] == ["file-unreadable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_folder_is_reported_and_remembered(folder: Path, write_skill: WriteSkill):
    write_skill("closed")
    (folder / "closed").chmod(0)

    scan = scan_paths([folder])

    assert [finding.code for finding in scan.findings] == ["file-unreadable"]
    assert scan.unread == [folder / "closed"]


def test_a_file_given_by_name_is_a_skill_whatever_it_is_called(folder: Path):
    path = folder / "notes.md"
    path.write_text("# Notes\n\nOn things.")

    (report,) = validate_paths([path])

    assert report.skill_id == "notes"


@pytest.mark.parametrize("path", ["missing", "nul\0byte", "x" * 5000])
def test_a_path_that_does_not_exist_is_an_error(folder: Path, path: str):
    with pytest.raises(InputError) as caught:
        check_paths([folder, folder / path])

    assert caught.value.loc == ("paths", 1)


def test_validation_reports_every_file_and_collisions(folder: Path, write_skill: WriteSkill):
    write_skill("a/pdf")
    write_skill("b/pdf")
    (folder / "c").mkdir()
    (folder / "c" / "SKILL.md").write_bytes(b"\0\1\2")

    reports = validate_paths([folder])

    assert [(report.skill_id, report.is_valid) for report in reports] == [
        ("pdf", True),
        ("pdf-b", False),
        (None, False),
    ]
    assert [report.findings[0].code for report in reports[1:]] == ["id-collision", "file-binary"]
