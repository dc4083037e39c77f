"""Markdown, line by line: headings, code fences, and the plain text of a line."""

from __future__ import annotations

import re

LINE_CHARS_MAX = 2000
"""Characters of one line that are looked at: bounds every pattern below on hostile input."""

_HEADING = re.compile(r"^ {0,3}(#{1,6})[ \t]+(.*)$")
_CLOSING_SIGNS = re.compile(r"(?:^|[ \t]+)#+$")
_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})")
_INLINE_MARK = re.compile(r"\*\*|__|`|\[(?=[^\]]*\]\()|(?<=\w)\]\([^)]*\)")


def heading_of(line: str) -> tuple[int, str] | None:
    """Return level and title if *line* is a Markdown heading; ``# C#`` keeps its sign."""
    match = _HEADING.match(line[:LINE_CHARS_MAX])
    if match is None:
        return None
    title = plain_text(_CLOSING_SIGNS.sub("", match[2].strip()))
    return (len(match[1]), title) if title else None


def next_fence(line: str, fence: str) -> str:
    """Return the code fence that is open after *line*, given the one open before it ('' = none)."""
    match = _FENCE.match(line)
    if match is None:
        return fence
    if not fence:
        return match[1]
    closes = match[1].startswith(fence) and not line.strip().strip(fence[0])
    return "" if closes else fence


def plain_text(markdown: str) -> str:
    """Remove emphasis, code marks and link targets from one line."""
    return _INLINE_MARK.sub("", markdown[:LINE_CHARS_MAX]).strip()
