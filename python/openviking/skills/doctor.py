"""What makes a skill hard to find, told to its author, with the skills that would win instead.

A skill is found by what it says about itself, beside what the others say. The checks therefore need
the encoder and the neighbours, not a format: ``validate`` looks at the format.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from openviking.skills.complaints import (
    Complaint,
    Neighbour,
    about_body,
    about_description,
    about_hiding,
    about_others,
    name_taken,
    overridden,
)
from openviking.skills.load import read_skill
from openviking.skills.overrides import Order
from openviking.skills.passages import cut_passages, summary_text
from openviking.skills.placing import place
from openviking.skills.scan import check_paths, scan_paths
from openviking.skills.snapshot import empty_snapshot, is_hidden
from openviking.skills.structure import first_paragraph, slug

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.skills.scan import SkillFile
    from openviking.skills.snapshot import Snapshot
    from openviking.store.port import Store
    from openviking.types import Progress, Scores, Skill, TextEncoder, Vectors

NEIGHBOURS_SHOWN = 3

_ENCODED_AT_ONCE = 32


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
    """A skill, and what can be said of it without the others.

    Attributes:
        skill: the record.
        is_undescribed: whether its description was only derived.
        body_ends: where the passages of its body end.
        standing: complaints about its name and its folder.
        is_used: false for a file that gives way to another one.
    """

    skill: Skill
    is_undescribed: bool
    body_ends: Sequence[int]
    standing: tuple[Complaint, ...] = ()
    is_used: bool = True

    @property
    def takes_requests(self) -> bool:
        """Whether it can be found, and so instead of another."""
        return self.is_used and not is_hidden(self.skill)


def diagnose(
    paths: Iterable[str | Path],
    encoder: TextEncoder,
    progress: Progress | None = None,
    *,
    stored: Snapshot | None = None,
) -> list[Diagnosis]:
    """Examine every skill under *paths* beside all others there.

    Args:
        paths: folders, or single files; of skills of the same name in two of them, the one in the
            later is used.
        encoder: not closed here.
        progress: called with (skills done, skills in all).
        stored: skills that are known already; files are placed beside them, and they are
            neighbours.

    Raises:
        InputError: a path does not exist.
        EncoderError: the model failed.
    """
    known = stored or empty_snapshot()
    roots = check_paths(paths)
    files = scan_paths(roots).files
    patients = _read(files, Order(roots), known, encoder)
    summaries = _encode([summary_text(patient.skill) for patient in patients], encoder, progress)
    others = _others(known, {str(file.path) for file in files})
    if others:
        vectors = [summary for _, summary in others]
        summaries = np.concatenate([summaries, np.stack(vectors)])
    beside = [_Patient(skill, is_undescribed=False, body_ends=()) for skill, _ in others]
    return _diagnose([*patients, *beside], summaries, len(patients))


def _read(
    files: Sequence[SkillFile], order: Order, known: Snapshot, encoder: TextEncoder
) -> list[_Patient]:
    """Read and place every file, in the order of an import; return them in their own order."""
    taken: dict[str, Path] = {}
    found: dict[int, _Patient] = {}
    for at, file in sorted(enumerate(files), key=lambda pair: -order.rank(pair[1].path)):
        skill, findings = read_skill(file.path, root=file.root)
        if skill is None:
            continue
        base = skill.id
        placed = place(file, base, order=order, snapshot=known, taken=taken)
        standing: tuple[Complaint, ...] = ()
        if placed.winner is not None:
            standing = (overridden(placed.winner),)
        else:
            standing = _standing(base, placed.id, known, taken)
            taken[placed.id] = file.path
        entry = known.entries.get(placed.id)
        is_off = entry is not None and entry.skill.is_disabled
        found[at] = _Patient(
            replace(skill, id=placed.id, is_disabled=is_off),
            any(finding.code == "description-missing" for finding in findings),
            [p.end for p in cut_passages(skill, encoder) if p.part == "body"],
            standing,
            is_used=placed.winner is None,
        )
    return [found[at] for at in sorted(found)]


def _others(known: Snapshot, paths: Collection[str]) -> list[tuple[Skill, NDArray[np.float32]]]:
    """Return the stored skills, with their summaries, that come from none of the files *paths*."""
    return [
        (entry.skill, entry.summary)
        for entry in (known.entries[skill_id] for skill_id in known.ids)
        if entry.summary is not None and entry.skill.path not in paths
    ]


def diagnose_stored(
    snapshot: Snapshot, store: Store, overrides: Mapping[str, Sequence[str]]
) -> list[Diagnosis]:
    """Examine every stored skill beside all others; nothing is encoded.

    Skills that have no vectors yet are left out. Files that are left out for a stored skill come
    last, see ``Overrides.by_id``.

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
            standing: tuple[Complaint, ...] = ()
            if skill.origin == "folder":
                standing = _standing(slug(skill.name), skill_id, snapshot, {})
            patients.append(_Patient(skill, undescribed, bodies, standing))
            vectors.append(entry.summary)
    found = _diagnose(patients, np.stack(vectors), len(patients)) if vectors else []
    hidden = [
        Diagnosis(path, held.skill.name, (overridden(_where(held.skill)),), ())
        for skill_id, paths in sorted(overrides.items())
        if (held := snapshot.entries.get(skill_id)) is not None
        for path in paths
    ]
    return [*found, *hidden]


def _standing(
    base: str, skill_id: str, known: Snapshot, taken: Mapping[str, Path]
) -> tuple[Complaint, ...]:
    """Say who has the id *base* that the skill's name gives, if it goes by another one."""
    if skill_id == base:
        return ()
    if base in taken:
        return (name_taken(base, skill_id, str(taken[base])),)
    holder = known.entries.get(base)
    return () if holder is None else (name_taken(base, skill_id, _where(holder.skill)),)


def _diagnose(patients: Sequence[_Patient], summaries: Vectors, examined: int) -> list[Diagnosis]:
    """Examine the first *examined* of the skills beside all of them."""
    skills = [patient.skill for patient in patients]
    takes_nothing = np.array([not patient.takes_requests for patient in patients], dtype=np.bool_)
    found: list[Diagnosis] = []
    for at, patient in enumerate(patients[:examined]):
        skill = patient.skill
        cosines = summaries @ summaries[at]
        # What cannot be found takes no request away from another.
        cosines[takes_nothing] = -1.0
        cosines[at] = -1.0
        near = _nearest(skills, cosines)
        hiding = about_hiding(skill)
        complaints = (
            *patient.standing,
            *(hiding or about_description(skill, is_missing=patient.is_undescribed)),
            *(about_others(cosines, near) if patient.takes_requests else ()),
            *about_body(skill, patient.body_ends),
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
