"""Writing skills: cut into passages, encoded, stored, then published to the catalog."""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import NotFoundError, OverloadedError
from openviking.skills.passages import PASSAGES_VERSION, cut_passages
from openviking.skills.snapshot import part_named
from openviking.types import SkillEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from openviking.skills.catalog import Catalog
    from openviking.skills.snapshot import Place
    from openviking.store.port import Store
    from openviking.types import PassageVectors, Skill, SkillPassage, TextEncoder, Vectors

LOAD_SKILLS = 512
"""Skills that are put into the index at a time when the store is loaded: bounds the copies."""

ENCODE_PASSAGES = 16
"""Passages encoded between two looks at whether to stop: about half a second of work."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Skills ready to be stored; ``encoded_count`` passages of them went through the model."""

    entries: list[SkillEntry]
    encoded_count: int


class SkillWriter:
    """The only one who changes skills: keeps store and catalog in the same order of writes.

    Args:
        store: where skills last.
        encoder: turns passages into vectors.
        catalog: the skills that are known.
        is_stopping: asked between passages; true gives up what is not yet written.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        catalog: Catalog,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._catalog = catalog
        self._is_stopping = is_stopping
        self._lock = threading.Lock()
        self._disabled: frozenset[str] = frozenset()

    @property
    def build_id(self) -> str:
        """Names the model build and the way of cutting; stored vectors of another are not used."""
        return f"{self._encoder.build_id}/passages-{PASSAGES_VERSION}"

    def load(self) -> list[str]:
        """Fill the catalog from the store; return ids whose vectors are of another build."""
        self._disabled = self._store.disabled_skills()
        found = self._store.passage_vectors(self.build_id)
        runs = dict(_runs(found))
        stale: list[str] = []
        batch: list[tuple[Skill, Vectors, list[Place]]] = []
        for skill in self._store.iter_skills():
            run = runs.get(skill.id)
            if run is None:
                stale.append(skill.id)
            batch.append((skill, *_loaded(found, run)))
            if len(batch) == LOAD_SKILLS:
                self._catalog.replace(batch)
                batch = []
        self._catalog.replace(batch)
        return stale

    def prepare(self, skills: Sequence[Skill]) -> Prepared:
        """Cut and encode *skills*; the slow part of a write, done outside every lock.

        A skill whose texts have not changed, but only its category, say, keeps its vectors.

        Raises:
            OverloadedError: the skills are being closed; nothing was written.
        """
        cut = [cut_passages(skill, self._encoder) for skill in skills]
        known = [
            self._known_vectors(skill, passages)
            for skill, passages in zip(skills, cut, strict=True)
        ]
        texts = [
            passage.text
            for passages, vectors in zip(cut, known, strict=True)
            if vectors is None
            for passage in passages
        ]
        encoded = self._encode(texts)
        entries: list[SkillEntry] = []
        at = 0
        for skill, passages, vectors in zip(skills, cut, known, strict=True):
            rows = vectors
            if rows is None:
                rows = np.ascontiguousarray(encoded[at : at + len(passages)])
                at += len(passages)
            entries.append(SkillEntry(skill, passages, rows, self.build_id))
        return Prepared(entries, len(texts))

    def _known_vectors(self, skill: Skill, passages: Sequence[SkillPassage]) -> Vectors | None:
        """Return the vectors that these passages have already, None if their texts may differ."""
        entry = self._catalog.snapshot.entries.get(skill.id)
        if entry is None or entry.summary is None or not skill.digest:
            return None
        held = entry.skill
        is_same = (
            (held.digest, held.name, held.description, held.examples)
            == (skill.digest, skill.name, skill.description, skill.examples)
        ) and entry.places == tuple((p.part, p.start, p.end) for p in passages)
        return self._catalog.vectors(entry) if is_same and entry.row_count else None

    def _encode(self, texts: Sequence[str]) -> Vectors:
        blocks = [np.zeros((0, self._encoder.dim), np.float32)]
        for start in range(0, len(texts), ENCODE_PASSAGES):
            if self._is_stopping():
                raise OverloadedError("the skills are being closed; nothing was written")
            blocks.append(self._encoder.encode(texts[start : start + ENCODE_PASSAGES]).vectors)
        return np.concatenate(blocks)

    def commit(self, entries: Sequence[SkillEntry], removed: Sequence[str] = ()) -> list[Skill]:
        """Store the entries, then publish them; return the records as they are now."""
        with self._lock:
            now = datetime.now(UTC)
            stamped = [self._stamped(entry, now) for entry in entries]
            self._put(stamped, removed)
        return [entry.skill for entry in stamped]

    def refresh(self, entries: Sequence[SkillEntry]) -> None:
        """Store new vectors of skills that have not changed since they were read."""
        with self._lock:
            known = self._catalog.snapshot.entries
            current = [
                replace(entry, skill=_decided(entry.skill, held.skill))
                for entry in entries
                if (held := known.get(entry.skill.id)) is not None
                and held.summary is None
                and held.skill.digest == entry.skill.digest
            ]
            self._put(current, ())

    def _put(self, entries: Sequence[SkillEntry], removed: Sequence[str]) -> None:
        if entries:
            self._store.put_skills(entries)
            self._disabled |= {entry.skill.id for entry in entries if entry.skill.is_disabled}
        if removed:
            self._store.delete_skills(removed)
        published = [
            (entry.skill, entry.vectors, [(p.part, p.start, p.end) for p in entry.passages])
            for entry in entries
        ]
        self._catalog.replace(published, removed)

    def delete(self, skill_id: str) -> None:
        """Delete one skill, and that it was switched off; raises NotFoundError."""
        with self._lock:
            if not self._store.delete_skills([skill_id], forget=True):
                raise NotFoundError(f"no skill has the id {skill_id!r}")
            self._disabled -= {skill_id}
            self._catalog.replace([], [skill_id])

    def is_disabled(self, skill_id: str) -> bool:
        """Whether an id is switched off, also one that no skill has at the moment."""
        return skill_id in self._disabled

    def switch(self, ids: Sequence[str], *, is_disabled: bool) -> None:
        """Switch ids off or on, on disk and in the catalog; nothing is encoded."""
        with self._lock:
            self._store.switch_skills(ids, is_disabled=is_disabled)
            self._disabled = self._disabled - set(ids) | (set(ids) if is_disabled else set())
            entries = self._catalog.snapshot.entries
            published = []
            for skill_id in ids:
                if skill_id in entries:
                    skill = replace(entries[skill_id].skill, is_disabled=is_disabled)
                    found = self._store.passage_vectors(self.build_id, skill_id=skill_id)
                    published.append((skill, *_loaded(found, slice(0, len(found.vectors)))))
            self._catalog.replace(published)

    def count_use(self, skill_id: str) -> int:
        """Add one to the usage count, on disk and in the catalog; raises NotFoundError."""
        with self._lock:
            count = self._store.count_skill_use(skill_id)
            self._catalog.set_usage(skill_id, count)
        return count

    def _stamped(self, entry: SkillEntry, now: datetime) -> SkillEntry:
        known = self._catalog.snapshot.entries.get(entry.skill.id)
        skill = entry.skill if known is None else _decided(entry.skill, known.skill)
        is_off = entry.skill.is_disabled or entry.skill.id in self._disabled
        return replace(entry, skill=replace(skill, is_disabled=is_off, updated_at=now))


def _decided(skill: Skill, held: Skill) -> Skill:
    """Return *skill* with what its source does not say, but its record does."""
    return replace(skill, usage_count=held.usage_count, is_disabled=held.is_disabled)


def _runs(found: PassageVectors) -> Iterator[tuple[str, slice]]:
    """Yield each skill's rows; a skill is written at once, so its passages stand together."""
    start = 0
    for row in range(1, len(found.skill_ids) + 1):
        if row == len(found.skill_ids) or found.skill_ids[row] != found.skill_ids[start]:
            yield found.skill_ids[start], slice(start, row)
            start = row


def _loaded(found: PassageVectors, run: slice | None) -> tuple[Vectors, list[Place]]:
    if run is None:
        return found.vectors[:0], []
    spans = found.spans[run].tolist()
    places = [
        (part_named(part), start, end)
        for part, (start, end) in zip(found.parts[run], spans, strict=True)
    ]
    return found.vectors[run], places
