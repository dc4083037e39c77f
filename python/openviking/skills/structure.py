"""What is derived about a skill: id, category, examples, complexity and a missing description.

Every rule here is stated in its docstring, so that a person can follow why a skill got its values.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from openviking.retrieval.markdown import LINE_CHARS_MAX, heading_of, next_fence, plain_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GENERAL = "general"
"""The category of skills that state none and lie in no category folder."""

ID_CHARS_MAX = 64
"""Longest slug; the Agent Skills format allows names of 64 characters."""

EXAMPLES_MAX = 8
"""Examples taken from a body, and examples that get a vector of their own."""

EXAMPLE_CHARS_MAX = 300
DERIVED_DESCRIPTION_CHARS_MAX = 400

CONTAINER_FOLDERS = frozenset({"skills", "skill", "agent", "dot-agent", "claude", "plugins"})
"""Folders that say where skills are kept, not what they are about."""

OWNERS_MIN = 20
OWNER_SKILLS_MAX = 2
"""See ``owner_levels``."""

_EXAMPLE_HEADING = re.compile(
    r"^(?:\w+ )?examples?\b|^usage\b|^when to use\b|^triggers?\b|^use cases?\b|\bexamples?$",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s+(.+)$")
_QUOTED = re.compile(r"^[\"“]([^\"”]{8,})[\"”]")
_PROSE = re.compile(r"^[^`|{}<>$\\]+$")
_LABEL = re.compile(r"^(?:purpose|description|overview|summary|goal)\s*:\s*", re.IGNORECASE)


def slug(text: str) -> str:
    """Return *text* in kebab case: ASCII letters, digits and single hyphens; may be empty.

    ``FlightDirector`` and ``Flight Director`` both give ``flight-director``; ``C++`` and ``C#``
    keep their meaning as ``c-plus-plus`` and ``c-sharp``.
    """
    spelled = re.sub(r"(?<=[A-Za-z])\+\+", "-plus-plus", re.sub(r"(?<=[A-Za-z])#", "-sharp", text))
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode("ascii")
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", plain)
    kebab = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    return kebab[:ID_CHARS_MAX].strip("-")


def folder_category(folders: Sequence[str]) -> tuple[str, str]:
    """Return (category, subcategory) from the folders between the given root and the skill.

    ``web/css/grid-layout`` is category ``web``, subcategory ``css``: the last folder is the skill
    itself, the first is its category, the second its subcategory. If one of them only says where
    skills are kept (``skills``, ``.agent`` and the like), counting starts below the last such one.
    A skill directly under the root is ``general``. Folders that name owners (see
    :func:`owner_levels`) are left out by the caller.
    """
    names = [slug(folder) for folder in folders[_level(folders) : -1]]
    names = [name for name in names if name]
    return (names[0] if names else GENERAL, names[1] if len(names) > 1 else "")


def owner_levels(places: Iterable[Sequence[str]]) -> frozenset[tuple[str, ...]]:
    """Return the folders whose sub-folders say whose the skills are, not what they are about.

    Collections of many authors keep their skills as ``skills/<owner>/<skill>``. A folder is such a
    level if it has at least ``OWNERS_MIN`` sub-folders with skills in them, and half of these hold
    no more than ``OWNER_SKILLS_MAX``: nobody divides a subject like that.

    Args:
        places: of each skill, the folders from the root to its own.
    """
    counts: dict[tuple[str, ...], Counter[str]] = {}
    for folders in places:
        at = _level(folders)
        if at < len(folders) - 1:
            counts.setdefault(tuple(folders[:at]), Counter())[folders[at]] += 1
    return frozenset(
        level
        for level, owners in counts.items()
        if len(owners) >= OWNERS_MIN
        and 2 * sum(count <= OWNER_SKILLS_MAX for count in owners.values()) >= len(owners)
    )


def without_owner(folders: Sequence[str], levels: frozenset[tuple[str, ...]]) -> Sequence[str]:
    """Return *folders* without the one that names an owner, if there is one."""
    at = _level(folders)
    if at < len(folders) - 1 and tuple(folders[:at]) in levels:
        return (*folders[:at], *folders[at + 1 :])
    return folders


def _level(folders: Sequence[str]) -> int:
    """Return the place of the first folder that can name a category."""
    containers = [at for at, folder in enumerate(folders[:-1]) if slug(folder) in CONTAINER_FOLDERS]
    return containers[-1] + 1 if containers else 0


def headings(body: str) -> list[tuple[int, str]]:
    """Return (level, title) of every Markdown heading outside code fences."""
    found: list[tuple[int, str]] = []
    fence = ""
    for line in body.split("\n"):
        fence = next_fence(line, fence)
        heading = None if fence else heading_of(line)
        if heading:
            found.append(heading)
    return found


def find_examples(body: str) -> tuple[str, ...]:
    """Return requests that the body itself gives as examples, in order, at most ``EXAMPLES_MAX``.

    Taken from list items under a heading such as Examples, Usage, When to use or Triggers: quoted
    phrases, and plain prose of 3 to 40 words. Code is left to the body passages.
    """
    found: list[str] = []
    fence, level = "", 0
    for line in body.split("\n"):
        fence = next_fence(line, fence)
        if fence:
            continue
        heading = heading_of(line)
        if heading:
            depth, title = heading
            if _EXAMPLE_HEADING.search(title):
                level = depth
            elif depth <= level:
                level = 0
            continue
        example = _example(line) if level else ""
        if example and example not in found:
            found.append(example)
        if len(found) == EXAMPLES_MAX:
            break
    return tuple(found)


def _example(line: str) -> str:
    bullet = _BULLET.match(line[:LINE_CHARS_MAX])
    if bullet is None:
        return ""
    quoted = _QUOTED.match(bullet[1])
    if quoted:
        return quoted[1].strip()[:EXAMPLE_CHARS_MAX]
    text = plain_text(bullet[1])
    is_prose = _PROSE.match(bullet[1]) and 3 <= len(text.split()) <= 40
    return text[:EXAMPLE_CHARS_MAX] if is_prose else ""


def first_paragraph(body: str) -> str:
    """Return the first paragraph of prose as one line, for a description that is missing.

    Headings, lists, tables, quotes and code are passed over; a leading label such as ``Purpose:``
    is dropped; a long paragraph ends with a whole sentence where it can.
    """
    words: list[str] = []
    fence = ""
    for line in body.split("\n"):
        was_open, fence = fence, next_fence(line, fence)
        text = line.strip()
        is_prose = not (fence or was_open or heading_of(line) or text[:1] in {"|", ">", "<"})
        if is_prose and text and not _BULLET.match(line) and set(text) - set("-=*_ "):
            words.append(plain_text(text))
            if sum(map(len, words)) > 2 * DERIVED_DESCRIPTION_CHARS_MAX:
                break
        elif words:
            break
    paragraph = _LABEL.sub("", " ".join(words))
    if len(paragraph) <= DERIVED_DESCRIPTION_CHARS_MAX:
        return paragraph
    cut = paragraph[:DERIVED_DESCRIPTION_CHARS_MAX]
    stop = max(cut.rfind(mark) for mark in (". ", "! ", "? "))
    return cut[: stop + 1] if stop > 0 else cut.rsplit(" ", 1)[0]


def complexity(body: str, bundled_files: int) -> int:
    """Return 1 to 5: one, plus one for each of four signs of a skill that takes effort to apply.

    The signs: more than 500 words; more than 1,500 words; at least five code blocks; at least one
    bundled file beside the SKILL.md.
    """
    words = len(body.split())
    fence, blocks = "", 0
    for line in body.split("\n"):
        was_open, fence = fence, next_fence(line, fence)
        blocks += bool(fence and not was_open)
    return 1 + (words > 500) + (words > 1500) + (blocks >= 5) + (bundled_files > 0)
