"""`openviking commands`: list, show, search and sync, without model or storage."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "commands"
    made.mkdir()
    (made / "plan.md").write_text("---\ndescription: Plan work\nagent: any\n---\n1. Think.\n")
    (made / "odd.md").write_text("---\ndescription: a: b\n---\n\x1b[31mRed\n")
    return made


def test_commands_are_listed_and_what_is_odd_is_told(run: Run, folder: Path):
    result = run("commands", "list", "--commands", folder)

    assert result.exit_code == 0
    assert "/plan" in result.stdout
    assert "Plan work" in result.stdout
    assert "frontmatter-yaml" in result.stderr
    listed = json.loads(run("commands", "list", "--json", OPENVIKING_COMMANDS=str(folder)).stdout)
    assert [one["name"] for one in listed["commands"]] == ["odd", "plan"]


def test_a_command_is_shown_without_moving_the_terminal(run: Run, folder: Path):
    shown = run("commands", "show", "/odd", "--commands", folder)

    assert shown.exit_code == 0
    assert "\x1b[31m" not in shown.stdout
    assert "Red" in shown.stdout
    missing = run("commands", "show", "nothing", "--commands", folder)
    assert missing.exit_code == 1
    assert "/odd, /plan" in missing.stderr


def test_commands_are_searched(run: Run, folder: Path):
    assert "/plan" in run("commands", "search", "plans", "--commands", folder).stdout
    assert "no command fits" in run("commands", "search", "zzz", "--commands", folder).stderr


def test_commands_are_synced_and_the_kept_are_named(run: Run, folder: Path, tmp_path: Path):
    target = tmp_path / "workflows"
    first = run("commands", "sync", target, "--commands", folder)
    (target / "plan.md").write_text("mine")
    (folder / "plan.md").write_text("newer")
    second = run("commands", "sync", target, "--commands", folder)
    forced = run("commands", "sync", target, "--commands", folder, "--force", "--json")

    assert first.stdout == "2 added, 0 updated, 0 unchanged, 0 removed, 0 kept\n"
    assert second.stdout == "0 added, 0 updated, 1 unchanged, 0 removed, 1 kept\n"
    assert "plan.md" in second.stderr
    assert json.loads(forced.stdout)["updated"] == ["plan.md"]


@pytest.mark.parametrize("words", [("list",), ("show", "x"), ("search", "x"), ("sync", "x")])
def test_without_a_folder_the_way_to_name_one_is_told(run: Run, words: tuple[str, ...]):
    result = run("commands", *words)

    assert result.exit_code == 2
    assert "--commands" in result.stderr


def test_a_folder_that_is_none_is_refused(run: Run, tmp_path: Path):
    result = run("commands", "list", "--commands", tmp_path / "no-such")

    assert result.exit_code == 2
    assert "expected a folder" in result.stderr
