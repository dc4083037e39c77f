"""What is said about one skill that is hard to find: each check, and its advice."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openviking.skills.passages import BODY_PASSAGES_MAX
from openviking.store.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from openviking.types import Scores, Skill

TELLING_WORDS_MIN = 6
"""A description with fewer different words that tell something leaves most requests unmatched."""

SAME_COSINE = 0.95
"""Summaries above it are the same to the encoder: which of two is found is chance."""

NEAR_COSINE = 0.75
"""Summaries above it answer the same requests; what tells them apart should be said."""

_WORD = re.compile(r"[^\W_]+")

Problem = Literal[
    "description-missing",
    "description-vague",
    "description-duplicate",
    "collision",
    "body-over-window",
    "hidden",
    "disabled",
    "overridden",
    "name-taken",
]


@dataclass(frozen=True, slots=True)
class Complaint:
    """One problem, and what its author can do about it."""

    problem: Problem
    advice: str


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A skill that is found by the same requests, and the cosine of both summaries."""

    path: str
    name: str
    cosine: float


def about_hiding(skill: Skill) -> list[Complaint]:
    """Say what keeps a skill from being found at all."""
    if skill.is_disabled:
        advice = f"switched off here; `openviking skills enable {skill.id}` shows it again"
        return [Complaint("disabled", advice)]
    if skill.disable_model_invocation:
        return [Complaint("hidden", "disable-model-invocation is set: no search returns it")]
    return []


def overridden(winner: Path | str) -> Complaint:
    """Say that another file is used."""
    advice = (
        f"not used: {winner} has a skill of the same name, in a folder that counts more; rename "
        "one of them if both are meant"
    )
    return Complaint("overridden", advice)


def name_taken(base: str, skill_id: str, holder: str) -> Complaint:
    """Say that a skill goes by another id than its name gives."""
    advice = (
        f"the id {base!r} belongs to {holder}; this one goes by {skill_id!r}: give it a name of "
        "its own"
    )
    return Complaint("name-taken", advice)


def about_description(skill: Skill, *, is_missing: bool) -> list[Complaint]:
    """Check that a description is there and says something."""
    if is_missing:
        advice = "say in two sentences what it does and when to use it, in a user's words"
        return [Complaint("description-missing", advice)]
    words = {word.lower() for word in _WORD.findall(skill.description)} - FUNCTION_WORDS
    if len(words) < TELLING_WORDS_MIN:
        advice = (
            f"only {len(words)} words tell something; name the tasks, the file types and tools, "
            "and what people say when they need it"
        )
        return [Complaint("description-vague", advice)]
    return []


def about_others(cosines: Scores, near: Sequence[Neighbour]) -> list[Complaint]:
    """Check that no other skill says the same; *cosines* are of all summaries."""
    if not near or near[0].cosine < NEAR_COSINE:
        return []
    first = near[0]
    if first.cosine >= SAME_COSINE:
        count = int((cosines >= SAME_COSINE).sum())
        advice = f"says the same as {first.name!r} and {count - 1} more; merge or tell them apart"
        return [Complaint("description-duplicate", advice)]
    count = int((cosines >= NEAR_COSINE).sum())
    advice = (
        f"{count} others answer the same requests, {first.name!r} first; say what only this one "
        "does"
    )
    return [Complaint("collision", advice)]


def about_body(skill: Skill, body_ends: Sequence[int]) -> list[Complaint]:
    """Check that the encoder reads the whole body, whose passages end at *body_ends*."""
    if len(body_ends) <= BODY_PASSAGES_MAX:
        return []
    read = body_ends[BODY_PASSAGES_MAX - 1]
    advice = (
        f"the encoder reads the first {read:,} of {len(skill.body):,} characters, and only "
        "the headings of the rest; put what it is for first, or move reference into files beside it"
    )
    return [Complaint("body-over-window", advice)]
