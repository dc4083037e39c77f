"""Queries and answers of skill search: what is asked, what comes back, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from openviking.skills.explanation import Explanation
    from openviking.skills.snapshot import Place
    from openviking.types import Skill, Tier


class Why(NamedTuple):
    """Why a skill was found.

    Attributes:
        meaning: pooled cosine of the query and the skill.
        words: pooled bm25 of the query's words and of its parts', 0 if none occurs.
        semantic_rank: place by meaning among all skills, from 1; an estimate from the eleventh on.
            None without vectors.
        lexical_rank: place by the words of the whole query, from 1; None if no word matched.
        fields: fields in which words matched.
        terms: the words that matched.
        passage: the passage nearest to the query, with its place in the body.
        relation: set if the skill came along as ``parent of ID`` or ``sub-skill of ID``.
    """

    meaning: float
    words: float
    semantic_rank: int | None
    lexical_rank: int | None
    fields: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    passage: Place | None = None
    relation: str | None = None


class SkillHit(NamedTuple):
    """A found skill (its body left out), its fused score, and why it was found."""

    skill: Skill
    score: float
    why: Why


@dataclass(frozen=True, slots=True)
class SkillSearch:
    """The answer to one query.

    Attributes:
        query: the query as it was given.
        hits: best first; ties by id. Empty if no skill fits.
        truncated: whether only the beginning of the query was used.
        explanation: how it came about, if that was asked for.
        tier: whose vector of the query was used; scores of two tiers do not compare.
    """

    query: str
    hits: tuple[SkillHit, ...]
    truncated: bool
    explanation: Explanation | None = None
    tier: Tier = "full"

    @property
    def found_count(self) -> int:
        """Number of hits."""
        return len(self.hits)


@dataclass(frozen=True, slots=True)
class Rankings:
    """The ids of one query's best skills by each signal alone and by both, best first.

    ``fused`` is what a search returns if ``is_fit``, else it returns nothing.
    """

    words: tuple[str, ...]
    vectors: tuple[str, ...]
    fused: tuple[str, ...]
    is_fit: bool
