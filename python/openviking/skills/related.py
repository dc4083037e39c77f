"""What follows for a skill from the others: similar ones by their summaries, sub-skills by family.

Computed when first asked for and kept until any skill changes.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from openviking.skills.structure import slug

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from openviking.skills.snapshot import Snapshot, Summaries
    from openviking.types import Skill

RELATED_MAX = 5
"""Related skills named per skill."""

RELATED_COSINE_MIN = 0.55
"""Summaries below this cosine share a field, not a task."""

WARM_SKILLS_MAX = 20_000
"""Up to so many skills, all neighbours are computed beforehand: 0.1 s for 3,000, 1 s for 10,000."""

_BLOCK_ROWS = 64
"""Skills that are compared at once: a search that needs others waits for milliseconds at most."""

_NONE = (None, None)


class Related:
    """Neighbours within one snapshot; safe from any thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        self._summaries: Summaries | None = None
        self._completed: dict[str, tuple[Skill, Skill]] = {}

    def complete(self, skills: Sequence[Skill]) -> tuple[Skill, ...]:
        """Return *skills* with ``related_skills`` and ``sub_skills`` filled in."""
        completed = self._completed
        new = [skill for skill in skills if completed.get(skill.id, _NONE)[0] is not skill]
        if not new:
            # As in almost every search: no list for the lock, no table for what is not kept.
            return tuple([completed[skill.id][1] for skill in skills])
        # One product of matrices for all of them, instead of one each.
        self.of([skill.id for skill in new])
        made = {skill.id: (skill, self._complete(skill)) for skill in new}
        # A record with a body was read for one caller and is not worth keeping.
        completed.update({i: pair for i, pair in made.items() if not pair[0].body})
        return tuple([(made.get(skill.id) or completed[skill.id])[1] for skill in skills])

    def _complete(self, skill: Skill) -> Skill:
        entries = self._snapshot.entries
        children = self._snapshot.children.get(skill.id, ())
        names = [*skill.sub_skills, *(entries[child].skill.name for child in children)]
        kept = tuple(name for name in dict.fromkeys(names) if not self._is_off(slug(name)))
        parent = None if self._is_off(skill.parent_skill) else skill.parent_skill
        (related,) = self.of([skill.id])
        return replace(skill, related_skills=related, sub_skills=kept, parent_skill=parent)

    def _is_off(self, skill_id: str | None) -> bool:
        """Whether the skill is switched off, and therefore named to nobody."""
        entry = self._snapshot.entries.get(skill_id or "")
        return entry is not None and entry.skill.is_disabled

    def of(self, ids: Sequence[str]) -> list[tuple[str, ...]]:
        """Return for each id its related ids, nearest first, ties by id."""
        missing = [skill_id for skill_id in dict.fromkeys(ids) if skill_id not in self._known]
        if missing:
            with self._lock:
                self._compute(missing)
        return [self._known[skill_id] for skill_id in ids]

    def warm(self, is_stopping: Callable[[], bool]) -> None:
        """Compute all neighbours, if there are not too many; asks between blocks whether to end."""
        ids = self._snapshot.ids
        if len(ids) <= WARM_SKILLS_MAX:
            for start in range(0, len(ids), _BLOCK_ROWS):
                if is_stopping():
                    return
                self.of(ids[start : start + _BLOCK_ROWS])

    def _compute(self, ids: Sequence[str]) -> None:
        if self._summaries is None:
            self._summaries = self._snapshot.summaries()
        summaries = self._summaries
        for start in range(0, len(ids), _BLOCK_ROWS):
            block = ids[start : start + _BLOCK_ROWS]
            placed = [skill_id for skill_id in block if skill_id in summaries.row_of]
            found: dict[str, tuple[str, ...]] = dict.fromkeys(block, ())
            if placed:
                own = [summaries.row_of[skill_id] for skill_id in placed]
                cosines = summaries.rows[own] @ summaries.rows.T
                cosines[np.arange(len(own)), own] = -2.0
                for skill_id, line in zip(placed, cosines, strict=True):
                    found[skill_id] = tuple(summaries.ids[at] for at in _nearest(line))
            self._known.update(found)
        if len(self._known) >= len(self._snapshot.ids):
            # 3 kB a skill, which nobody asks for once all neighbours are known.
            self._summaries = None


def _nearest(cosines: NDArray[np.float32]) -> list[int]:
    near = np.flatnonzero(cosines >= RELATED_COSINE_MIN)
    # Ids are in order, so a stable sort breaks ties by id.
    order = near[np.argsort(-cosines[near], kind="stable")]
    return [int(at) for at in order[:RELATED_MAX]]
