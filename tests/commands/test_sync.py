"""Copies in an agent's folder: whole, in step, and nobody's own work is lost."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from openviking.commands import Commands, SyncReport
from openviking.commands.sync import LIST_NAME
from openviking.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Write = Callable[..., Path]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "agent" / "workflows"


def counts(report: SyncReport) -> dict[str, tuple[str, ...]]:
    kinds = ("added", "updated", "unchanged", "removed", "kept")
    return {kind: getattr(report, kind) for kind in kinds if getattr(report, kind)}


def test_files_are_copied_whole_with_their_front_matter(folder: Path, write: Write, target: Path):
    path = write("plan")

    report = Commands([folder]).sync(target)

    assert counts(report) == {"added": ("plan.md",)}
    assert report.target == str(target)
    assert (target / "plan.md").read_bytes() == path.read_bytes()
    assert sorted(path.name for path in target.iterdir()) == [LIST_NAME, "plan.md"]


def test_a_second_sync_changes_only_what_changed(folder: Path, write: Write, target: Path):
    write("plan")
    write("test")
    write("old")
    commands = Commands([folder])
    commands.sync(target)

    write("plan", "new text")
    write("more")
    (folder / "old.md").unlink()
    report = commands.sync(target)

    assert counts(report) == {
        "added": ("more.md",),
        "updated": ("plan.md",),
        "unchanged": ("test.md",),
        "removed": ("old.md",),
    }
    assert (target / "plan.md").read_text() == "new text"
    assert not (target / "old.md").exists()
    assert counts(commands.sync(target)) == {"unchanged": ("more.md", "plan.md", "test.md")}


def test_what_a_person_wrote_or_changed_is_kept_unless_forced(
    folder: Path, write: Write, target: Path
):
    write("plan")
    write("mine")
    target.mkdir(parents=True)
    (target / "mine.md").write_text("written by hand")
    (target / "own.md").write_text("not ours at all")
    commands = Commands([folder])
    commands.sync(target)
    (target / "plan.md").write_text("changed by hand")
    write("plan", "newer")

    report = commands.sync(target)

    assert counts(report) == {"kept": ("mine.md", "plan.md")}
    assert (target / "plan.md").read_text() == "changed by hand"
    forced = commands.sync(target, is_forced=True)
    assert counts(forced) == {"updated": ("mine.md", "plan.md")}
    assert (target / "own.md").read_text() == "not ours at all"


def test_a_changed_copy_of_a_command_that_is_gone_is_kept(folder: Path, write: Write, target: Path):
    path = write("plan")
    commands = Commands([folder])
    commands.sync(target)
    (target / "plan.md").write_text("changed by hand")
    path.unlink()

    assert counts(commands.sync(target)) == {"kept": ("plan.md",)}
    assert (target / "plan.md").read_text() == "changed by hand"


def test_nothing_is_removed_while_a_folder_cannot_be_read(folder: Path, write: Write, target: Path):
    write("plan")
    commands = Commands([folder])
    commands.sync(target)
    folder.rename(folder.with_name("away"))

    assert counts(commands.sync(target)) == {"kept": ("plan.md",)}
    assert (target / "plan.md").exists()
    folder.with_name("away").rename(folder)
    assert counts(commands.sync(target)) == {"unchanged": ("plan.md",)}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"plan.md": 5}', b"\xff", b"[" * 99_999])
def test_a_damaged_list_never_leads_to_a_replaced_file(
    folder: Path, write: Write, target: Path, content: bytes
):
    write("plan")
    commands = Commands([folder])
    commands.sync(target)
    (target / LIST_NAME).write_bytes(content)
    write("plan", "newer")

    assert counts(commands.sync(target)) == {"kept": ("plan.md",)}


def test_a_forged_list_reaches_no_file_outside_of_the_folder(
    folder: Path, write: Write, target: Path, tmp_path: Path
):
    write("plan")
    commands = Commands([folder])
    commands.sync(target)
    victim = tmp_path / "agent" / "victim.md"
    victim.write_text("")
    empty = "cae66941d9efbd404e4d88758ea67670"
    listed = json.loads((target / LIST_NAME).read_text()) | {"../victim.md": empty}
    (target / LIST_NAME).write_text(json.dumps(listed))

    commands.sync(target)

    assert victim.exists()


def test_a_link_in_the_target_is_not_written_through(
    folder: Path, write: Write, target: Path, tmp_path: Path
):
    write("plan", "command")
    target.mkdir(parents=True)
    (tmp_path / "precious").write_text("precious")
    (target / "plan.md").symlink_to(tmp_path / "precious")
    commands = Commands([folder])

    assert counts(commands.sync(target)) == {"kept": ("plan.md",)}
    commands.sync(target, is_forced=True)
    assert (tmp_path / "precious").read_text() == "precious"
    assert (target / "plan.md").read_text() == "command"


def test_the_folder_of_the_commands_itself_is_refused(folder: Path, write: Write):
    write("plan")

    for target in (folder, folder / "below"):
        with pytest.raises(InputError, match="outside of"):
            Commands([folder]).sync(target)


def test_a_target_that_cannot_be_written_is_a_store_error(
    folder: Path, write: Write, tmp_path: Path
):
    write("plan")
    (tmp_path / "file").write_text("")

    for target in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / "nul\0"):
        with pytest.raises(StoreError, match="cannot be copied"):
            Commands([folder]).sync(target)
    (tmp_path / "t" / "plan.md").mkdir(parents=True)
    with pytest.raises(StoreError):
        Commands([folder]).sync(tmp_path / "t", is_forced=True)
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["plan.md"]
