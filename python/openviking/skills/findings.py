"""Findings: what is odd about a SKILL.md file, as stable codes that tools can act upon.

A finding never stops a skill from loading unless its severity is ``error``: then the file is
refused as a whole. Codes are part of the public interface; messages are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["error", "warning", "info"]

CODES: Mapping[str, Severity] = {
    # The file is refused.
    "file-unreadable": "error",
    "file-too-large": "error",
    "file-binary": "error",
    "file-empty": "error",
    # The bytes were repaired.
    "encoding-not-utf8": "warning",
    "encoding-bom": "info",
    "line-ends-crlf": "info",
    # The front matter was missing or repaired.
    "frontmatter-missing": "warning",
    "frontmatter-unclosed": "warning",
    "frontmatter-yaml": "warning",
    "frontmatter-alias": "warning",
    "frontmatter-limit": "warning",
    "frontmatter-duplicate-key": "warning",
    "field-type": "warning",
    "field-typo": "warning",
    # The skill lacks something, or something was derived.
    "name-missing": "warning",
    "name-long": "warning",
    "name-format": "info",
    "name-unlike-folder": "warning",
    "description-missing": "warning",
    "description-long": "warning",
    "heading-missing": "info",
    "body-empty": "warning",
    # Seen only beside other skills.
    "id-collision": "warning",
    "overridden": "info",
    "folder-loop": "info",
}
"""Every code with its severity."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity of one file.

    Attributes:
        code: a key of ``CODES``.
        severity: ``error`` refuses the file, ``warning`` should be mended, ``info`` may stay.
        message: what was found and what was done about it.
        path: the file, as it was given; empty for text without a file.
        line: line in the file, from 1; None if it concerns no single line.
    """

    code: str
    severity: Severity
    message: str
    path: str = ""
    line: int | None = None


class Findings:
    """Collects the findings of one file."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.found: list[Finding] = []

    def add(self, code: str, message: str, *, line: int | None = None) -> None:
        """Record a finding; *code* must be one of ``CODES``."""
        self.found.append(Finding(code, CODES[code], message, self.path, line))
