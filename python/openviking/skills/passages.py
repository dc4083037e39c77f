"""What of a skill gets a vector of its own: one summary, examples, and pieces of the body.

A skill gives one summary (name and description), up to eight examples, and body passages.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from openviking.retrieval.passages import NAME_CHARS_MAX, PIECE_TOKENS, cut_text
from openviking.skills.structure import EXAMPLES_MAX
from openviking.types import SkillPassage

if TYPE_CHECKING:
    from openviking.types import Skill, TextEncoder

PASSAGES_VERSION = 1
"""Counts up when the same skill would be cut differently: stored vectors are then made anew."""

BODY_TOKENS = PIECE_TOKENS
"""Tokens of a body passage, headings in front included."""

BODY_PASSAGES_MAX = 12
"""Body passages per skill. Twelve hold some 10 kB, the whole body of four skills in five; of a
longer one the later headings are kept as one outline passage, and its words stay searchable."""

BODY_CHARS_MAX = 200_000
"""Characters of a body that are looked at for passages."""


def cut_passages(skill: Skill, encoder: TextEncoder) -> tuple[SkillPassage, ...]:
    """Return the passages of *skill*: its summary first, then examples, then the body in order.

    The same skill and encoder give the same passages. Body passages carry the path of headings
    above them; ``start`` and ``end`` point at the text they were made from.
    """
    return (
        SkillPassage("summary", summary_text(skill)),
        *(SkillPassage("example", example) for example in skill.examples[:EXAMPLES_MAX]),
        *_body_passages(skill, encoder),
    )


def summary_text(skill: Skill) -> str:
    """Return the text that stands for the whole skill: its name in words, then its description."""
    name = re.sub(r"[-_]+", " ", skill.name).strip()
    return f"{name}: {skill.description}".strip()


def _body_passages(skill: Skill, encoder: TextEncoder) -> list[SkillPassage]:
    name = re.sub(r"[-_]+", " ", skill.name).strip()[:NAME_CHARS_MAX]
    pieces = cut_text(skill.body[:BODY_CHARS_MAX], name, encoder, count_max=BODY_PASSAGES_MAX)
    return [SkillPassage("body", piece.text, piece.start, piece.end) for piece in pieces]
