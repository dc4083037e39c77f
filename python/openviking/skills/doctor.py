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
from openviking.skills.structure import first_paragraph
from openviking.store.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.skills.snapshot import Snapshot
    from openviking.store.port import Store
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
    """What was found about one skill; ``neighbours`` are the nearest, nearest first.

    ``path`` is its file, or says under which id a skill without a file is stored.
    """

    path: str
    name: str
    complaints: tuple[Complaint, ...]
    neighbours: tuple[Neighbour, ...]


@dataclass(frozen=True, slots=True)
class _Patient:
    """A skill, whether its description was only derived, and where its body's passages end."""

    skill: Skill
    is_undescribed: bool
    body_ends: Sequence[int]


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
    patients: list[_Patient] = []
    for file in scan_paths(check_paths(paths)).files:
        skill, findings = read_skill(file.path, root=file.root)
        if skill is not None:
            undescribed = any(finding.code == "description-missing" for finding in findings)
            bodies = [p.end for p in cut_passages(skill, encoder) if p.part == "body"]
            patients.append(_Patient(skill, undescribed, bodies))
    texts = [summary_text(patient.skill) for patient in patients]
    return _diagnose(patients, _encode(texts, encoder, progress))


def diagnose_stored(snapshot: Snapshot, store: Store) -> list[Diagnosis]:
    """Examine every stored skill beside all others; nothing is encoded.

    Skills that have no vectors yet are left out.

    Raises:
        StoreError: the store cannot be read.
    """
    patients: list[_Patient] = []
    vectors: list[NDArray[np.float32]] = []
    for skill_id in snapshot.ids:
        entry = snapshot.entries[skill_id]
        if entry.summary is not None:
            skill = store.get_skill(skill_id)
            undescribed = skill.description == (first_paragraph(skill.body) or skill.name)
            bodies = [end for part, _, end in entry.places if part == "body"]
            patients.append(_Patient(skill, undescribed, bodies))
            vectors.append(entry.summary)
    return _diagnose(patients, np.stack(vectors)) if vectors else []


def _diagnose(patients: Sequence[_Patient], summaries: Vectors) -> list[Diagnosis]:
    skills = [patient.skill for patient in patients]
    is_hidden = np.array([skill.disable_model_invocation for skill in skills], dtype=np.bool_)
    found: list[Diagnosis] = []
    for at, patient in enumerate(patients):
        skill = patient.skill
        cosines = summaries @ summaries[at]
        # A hidden skill takes no request away from another.
        cosines[is_hidden] = -1.0
        cosines[at] = -1.0
        near = _nearest(skills, cosines)
        complaints = (
            *_about_description(skill, is_missing=patient.is_undescribed),
            *(() if skill.disable_model_invocation else _about_others(cosines, near)),
            *_about_body(patient),
        )
        found.append(Diagnosis(_where(skill), skill.name, complaints, near))
    return found


def _where(skill: Skill) -> str:
    return skill.path or f"stored as {skill.id}"


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
        Neighbour(_where(skills[row]), skills[row].name, float(cosines[row]))
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


def _about_body(patient: _Patient) -> list[Complaint]:
    if len(patient.body_ends) <= BODY_PASSAGES_MAX:
        return []
    read = patient.body_ends[BODY_PASSAGES_MAX - 1]
    advice = (
        f"the encoder reads the first {read:,} of {len(patient.skill.body):,} characters, and only "
        "the headings of the rest; put what it is for first, or move reference into files beside it"
    )
    return [Complaint("body-over-window", advice)]
