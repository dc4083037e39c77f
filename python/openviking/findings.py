"""Findings: what is odd about a file that was read leniently, as codes that tools can act upon.

Each part that reads files has codes of its own, each with its severity: ``error`` leaves the file
out, ``warning`` should be mended, ``info`` may stay.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

Severity = Literal["error", "warning", "info"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One oddity of one file.

    Attributes:
        code: stable, one of those of the part that found it.
        severity: ``error``, ``warning`` or ``info``.
        message: what was found and what was done about it; for people.
        path: the file, as it was given; empty for text without a file.
        line: line in the file, from 1; None if it concerns no single line.
    """

    code: str
    severity: Severity
    message: str
    path: str = ""
    line: int | None = None


class FileFindings:
    """Collects the findings of one file or folder.

    Args:
        path: the file.
        codes: every code that may be recorded, with its severity.
    """

    def __init__(self, path: str, codes: Mapping[str, Severity]) -> None:
        self.path = path
        self.found: list[Finding] = []
        self._codes = codes

    def add(self, code: str, message: str, *, line: int | None = None) -> None:
        """Record a finding."""
        self.found.append(Finding(code, self._codes[code], message, self.path, line))
