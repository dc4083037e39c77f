"""One command file: Markdown to a record, leniently; what is odd is reported."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.findings import FileFindings
from openviking.frontmatter import decode_text, read_bytes, read_document

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openviking.findings import Finding, Severity
    from openviking.frontmatter import Document

FILE_BYTES_MAX = 256 << 10
"""A larger file is refused unread: instructions go into an agent's context as a whole."""

DESCRIPTION_CHARS_MAX = 1024
"""A longer description is cut, and reported."""

FIELD_CHARS_MAX = 256
"""A longer ``agent`` or ``model`` is cut, and reported."""

CODES: Mapping[str, Severity] = {
    "file-unreadable": "error",
    "file-too-large": "error",
    "file-binary": "error",
    "file-empty": "error",
    "name-format": "error",
    "name-taken": "error",
    "folder-full": "error",
    "folder-loop": "info",
    "encoding-not-utf8": "warning",
    "encoding-bom": "info",
    "line-ends-crlf": "info",
    "frontmatter-missing": "warning",
    "frontmatter-unclosed": "warning",
    "frontmatter-yaml": "warning",
    "frontmatter-alias": "warning",
    "frontmatter-limit": "warning",
    "frontmatter-duplicate-key": "warning",
    "field-type": "warning",
    "field-long": "warning",
    "description-missing": "warning",
    "body-empty": "warning",
}
"""Every code with its severity; ``error`` means that a file or folder is left out."""

# What a message can begin with: a letter or digit, then no space.
_NAME = re.compile(r"[^\W_][\w.:-]{0,99}")
_MARKS = "#*_`> \t"


@dataclass(frozen=True, slots=True)
class Command:
    """A slash command.

    Attributes:
        name: without the slash.
        description: one line; derived from the instructions if the file states none.
        instructions: the Markdown after the front matter.
        agent: which agent it is written for; None if the file does not say.
        model: which model it is written for; None if the file does not say.
        path: its file.
    """

    name: str
    description: str
    instructions: str
    agent: str | None
    model: str | None
    path: str


class Findings(FileFindings):
    """Collects the findings of one file or folder; codes are those of ``CODES``."""

    def __init__(self, path: str) -> None:
        super().__init__(path, CODES)


def command_name(stem: str) -> str | None:
    """Return the name that a file's stem gives, None if no message could call it.

    Composed Unicode (NFC), because some file systems hand out the decomposed form of what a person
    types composed.
    """
    name = unicodedata.normalize("NFC", stem)
    return name if _NAME.fullmatch(name) else None


def read_command(path: Path) -> tuple[Command | None, list[Finding]]:
    """Read the command at *path*; a file that is too large, binary or unreadable is refused."""
    findings = Findings(str(path))
    source = read_bytes(path, FILE_BYTES_MAX, findings)
    if source is None:
        return None, findings.found
    return parse_command(source, path)


def parse_command(source: str | bytes, path: Path) -> tuple[Command | None, list[Finding]]:
    """Read one command; never raises for what the text holds.

    Args:
        source: the file's bytes, or its text.
        path: where it lies; its stem is the name.

    Returns:
        The command, None if the file is refused; and all findings.
    """
    findings = Findings(str(path))
    name = command_name(path.stem)
    if name is None:
        findings.add(
            "name-format",
            f"{path.stem[:80]!r} cannot be called: expected a letter or digit, then up to 99 "
            "letters, digits or . : _ -; rename the file",
        )
        return None, findings.found
    text = decode_text(source, FILE_BYTES_MAX, findings)
    if text is None:
        return None, findings.found
    document = read_document(text, findings)
    instructions = document.body.strip("\n")
    if not instructions.strip():
        findings.add("body-empty", "no instructions after the front matter")
    command = Command(
        name=name,
        description=_description(document, instructions, name, findings),
        instructions=instructions,
        agent=_text(document, "agent", FIELD_CHARS_MAX, findings) or None,
        model=_text(document, "model", FIELD_CHARS_MAX, findings) or None,
        path=str(path),
    )
    return command, findings.found


def _description(document: Document, instructions: str, name: str, findings: Findings) -> str:
    stated = _text(document, "description", DESCRIPTION_CHARS_MAX, findings)
    if stated:
        return stated
    findings.add("description-missing", "derived from the first line of the instructions")
    lines = (line.strip(_MARKS) for line in instructions.split("\n"))
    return next((line for line in lines if line), name)[:DESCRIPTION_CHARS_MAX]


def _text(document: Document, key: str, chars_max: int, findings: Findings) -> str:
    """Return a field as one line of text; a list is joined, anything else is left out."""
    value: Any = document.fields.get(key, "")
    line = document.lines.get(key)
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = ", ".join(value)
    if not isinstance(value, str):
        findings.add("field-type", f"{key}: expected text, got {type(value).__name__}", line=line)
        return ""
    # A file may hold the escape of half a surrogate pair, which no answer could carry.
    text = " ".join(value.encode("utf-8", "replace").decode("utf-8").split())
    if len(text) > chars_max:
        message = f"{key}: {len(text)} characters were cut at {chars_max}"
        findings.add("field-long", message, line=line)
    return text[:chars_max]
