"""What makes a skill hard to find, told to its author, with the skills that would win instead.

A skill is found by what it says about itself, beside what the others say. The checks therefore need
the encoder and the neighbours, not a format: ``validate`` looks at the format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from openviking.skills.load import read_skill
from openviking.skills.passages import BODY_PASSAGES_MAX, cut_passages, summary_text
from openviking.skills.scan import check_paths, scan_paths
from openviking.store.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from openviking.types import Progress, Scores, Skill, TextEncoder, Vectors

TELLING_WORDS_MIN = 6
"""A description with fewer different words that tell something leaves most requests unmatched."""

SAME_COSINE = 0.95
"""Summaries above it are the same to the encoder: which of two is found is chance."""

NEAR_COSINE = 0.75
"""Summaries above it answer the same requests; what tells them apart should be said."""

NEIGHBOURS_SHOWN = 3

_ENCODED_AT_ONCE = 32
_WORD = re.compile(r"[^\W_]+")

Problem = Literal[
    "description-missing",
    "description-vague",
    "description-duplicate",
    "collision",
    "body-over-window",
    "hidden",
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


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What was found about one skill; ``neighbours`` are the nearest, nearest first."""

    path: str
    name: str
    complaints: tuple[Complaint, ...]
    neighbours: tuple[Neighbour, ...]


def diagnose(
    paths: Iterable[str | Path], encoder: TextEncoder, progress: Progress | None = None
) -> list[Diagnosis]:
    """Examine every skill under *paths* beside all others there.

    Args:
        paths: folders, or single files.
        encoder: not closed here.
        progress: called with (skills done, skills in all).

    Raises:
        InputError: a path does not exist.
        EncoderError: the model failed.
    """
    skills: list[Skill] = []
    undescribed: set[int] = set()
    for file in scan_paths(check_paths(paths)).files:
        skill, findings = read_skill(file.path, root=file.root)
        if skill is not None:
            if any(finding.code == "description-missing" for finding in findings):
                undescribed.add(len(skills))
            skills.append(skill)
    summaries = _encode([summary_text(skill) for skill in skills], encoder, progress)
    found: list[Diagnosis] = []
    for at, skill in enumerate(skills):
        cosines = summaries @ summaries[at]
        cosines[at] = -1.0
        near = _nearest(skills, cosines)
        complaints = (
            *_about_description(skill, is_missing=at in undescribed),
            *_about_others(cosines, near),
            *_about_body(skill, encoder),
        )
        found.append(Diagnosis(skill.path or "", skill.name, complaints, near))
    return found


def _encode(texts: Sequence[str], encoder: TextEncoder, progress: Progress | None) -> Vectors:
    blocks = [np.zeros((0, encoder.dim), np.float32)]
    for start in range(0, len(texts), _ENCODED_AT_ONCE):
        blocks.append(encoder.encode(texts[start : start + _ENCODED_AT_ONCE]).vectors)
        if progress is not None:
            progress(min(start + _ENCODED_AT_ONCE, len(texts)), len(texts))
    return np.concatenate(blocks)


def _nearest(skills: Sequence[Skill], cosines: Scores) -> tuple[Neighbour, ...]:
    order = np.argsort(-cosines, kind="stable")[:NEIGHBOURS_SHOWN].tolist()
    return tuple(
        Neighbour(skills[row].path or "", skills[row].name, float(cosines[row]))
        for row in order
        if cosines[row] > -1.0
    )


def _about_description(skill: Skill, *, is_missing: bool) -> list[Complaint]:
    if skill.disable_model_invocation:
        return [Complaint("hidden", "disable-model-invocation is set: no search returns it")]
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


def _about_others(cosines: Scores, near: Sequence[Neighbour]) -> list[Complaint]:
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


def _about_body(skill: Skill, encoder: TextEncoder) -> list[Complaint]:
    bodies = [passage for passage in cut_passages(skill, encoder) if passage.part == "body"]
    if len(bodies) <= BODY_PASSAGES_MAX:
        return []
    read = bodies[BODY_PASSAGES_MAX - 1].end
    advice = (
        f"the encoder reads the first {read:,} of {len(skill.body):,} characters, and only the "
        "headings of the rest; put what it is for first, or move reference into files beside it"
    )
    return [Complaint("body-over-window", advice)]
