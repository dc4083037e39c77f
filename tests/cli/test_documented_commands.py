"""Every `openviking ...` command that a document, a help text or a message names must exist."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from openviking.cli import main

ROOT = Path(__file__).parents[2]
# In code spans, in code blocks, or at the start of a line; the words of a command follow.
COMMAND = re.compile(
    r"(?:^|`|\$ |\(BIN\)/|bin/|    )openviking ((?:--?)?[a-z][^`\n|<>#\\&;)]*)", re.MULTILINE
)
SOURCES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "Makefile",
    ROOT / "Dockerfile",
    ROOT / "docker-compose.openviking.yml",
    *sorted((ROOT / "python").rglob("*.py")),
]


def commands(path: Path) -> list[str]:
    return [found.strip() for found in COMMAND.findall(path.read_text("utf-8"))]


def complaint(text: str) -> str:
    """Return what is wrong with the command words of *text*, '' if nothing is."""
    command: click.Command = main
    words = text.split()
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        child = command.get_command(click.Context(command), words[0])
        if child is None:
            return f"no command {words[0]!r}"
        command, words = child, words[1:]
    flags = {word.split("=")[0] for word in words if re.fullmatch(r"--?[a-z][a-z-]*(=.*)?", word)}
    known = {flag for parameter in command.params for flag in parameter.opts} | {"--help", "-h"}
    return f"no option {sorted(flags - known)}" if flags - known else ""


def test_the_search_finds_commands_and_sees_what_is_wrong_with_them():
    text = (
        "Run `openviking serve --port 1` or\n    openviking skills inport x\n`openviking --versoin`"
    )

    found = COMMAND.findall(text)

    assert found == ["serve --port 1", "skills inport x", "--versoin"]
    assert [complaint(command) for command in found] == [
        "",
        "no command 'inport'",
        "no option ['--versoin']",
    ]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_named_command_exists(path: Path):
    wrong = {text: complaint(text) for text in commands(path) if complaint(text)}

    assert not wrong


def test_the_documents_name_commands_at_all():
    assert sum(len(commands(path)) for path in SOURCES) > 30
