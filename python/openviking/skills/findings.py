"""Findings: what is odd about a SKILL.md file, as stable codes that tools can act upon.

A finding never stops a skill from loading unless its severity is ``error``: then the file is
refused as a whole. Codes are part of the public interface; messages are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.findings import FileFindings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openviking.findings import Severity

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
    "category-unused": "warning",
    "heading-missing": "info",
    "body-empty": "warning",
    # Seen only beside other skills.
    "id-collision": "warning",
    "overridden": "info",
    "folder-loop": "info",
}
"""Every code with its severity."""


class Findings(FileFindings):
    """Collects the findings of one file; codes are those of ``CODES``."""

    def __init__(self, path: str) -> None:
        super().__init__(path, CODES)
