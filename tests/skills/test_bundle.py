from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from openviking.errors import LimitError, NotFoundError
from openviking.skills import bundle

if TYPE_CHECKING:
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.skills import Skills


@pytest.fixture
def bundled(write_skill: WriteSkill) -> Path:
    path = write_skill("tools/pdf")
    (path.parent / "scripts").mkdir()
    (path.parent / "scripts" / "run.py").write_bytes(b"print(1)\r\n")
    (path.parent.parent / "secret.txt").write_text("secret")
    return path


@pytest.mark.usefixtures("bundled")
def test_a_listed_file_is_read_byte_for_byte(skills: Skills, folder: Path):
    skills.import_paths([folder])
    assert skills.files("pdf") == ("scripts/run.py",)
    assert skills.file("pdf", "scripts/run.py") == b"print(1)\r\n"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.txt",
        "scripts/../../secret.txt",
        "/etc/passwd",
        "scripts",
        "scripts/",
        "./scripts/run.py",
        "scripts//run.py",
        "SKILL.md",
        ".",
        "..",
        "",
        "\0",
        "a" * 5000,
        "\ud800",
    ],
)
@pytest.mark.usefixtures("bundled")
def test_no_other_name_is_read(skills: Skills, folder: Path, name: str):
    skills.import_paths([folder])
    with pytest.raises(NotFoundError):
        skills.file("pdf", name)


def test_links_lead_nowhere(bundled: Path, monkeypatch: pytest.MonkeyPatch):
    home = bundled.parent
    (home / "out.txt").symlink_to(home.parent / "secret.txt")
    (home / "up").symlink_to(home.parent)
    for name in ("out.txt", "up/secret.txt"):
        with pytest.raises(NotFoundError):
            bundle.read_bundled(bundled, name)
        # Also if the link takes the place of a file after the listing was made.
        with monkeypatch.context() as patch:
            patch.setattr(bundle, "bundled_files", lambda _, name=name: (name,))
            with pytest.raises(NotFoundError):
                bundle.read_bundled(bundled, name)


def test_a_pipe_does_not_hold_the_reader(bundled: Path):
    os.mkfifo(bundled.parent / "pipe")
    assert bundle.bundled_files(bundled) == ("scripts/run.py",)
    with pytest.raises(NotFoundError):
        bundle.read_bundled(bundled, "pipe")


def test_a_file_over_the_limit_is_refused(bundled: Path):
    with (bundled.parent / "big.bin").open("wb") as stream:
        stream.truncate(bundle.FILE_BYTES_MAX + 1)
    with pytest.raises(LimitError):
        bundle.read_bundled(bundled, "big.bin")


def test_a_skill_without_a_folder_has_no_files(skills: Skills):
    skills.create(fields={"name": "bare", "description": "From a client"})
    with pytest.raises(NotFoundError):
        skills.file("bare", "SKILL.md")
