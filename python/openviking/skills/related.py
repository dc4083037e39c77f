"""Skills similar to a skill: the nearest summaries, computed when first asked for."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.skills.catalog import Snapshot
    from openviking.types import Vectors

RELATED_MAX = 5
"""Related skills named per skill."""

RELATED_COSINE_MIN = 0.55
"""Summaries below this cosine share a field, not a task."""

WARM_SKILLS_MAX = 5000
"""Up to so many skills, all neighbours are computed at once (0.1 s for 3,000)."""

_BLOCK_ROWS = 256


class Related:
    """Neighbours within one snapshot; safe from any thread."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, ...]] = {}
        self._ids: tuple[str, ...] = ()
        self._summaries: Vectors | None = None

    def of(self, ids: Sequence[str]) -> list[tuple[str, ...]]:
        """Return for each id its related ids, nearest first, ties by id."""
        missing = [skill_id for skill_id in dict.fromkeys(ids) if skill_id not in self._known]
        if missing:
            with self._lock:
                self._compute(missing)
        return [self._known[skill_id] for skill_id in ids]

    def warm(self) -> None:
        """Compute all neighbours, if there are not too many, and free what that needed."""
        if len(self._snapshot.ids) <= WARM_SKILLS_MAX:
            self.of(self._snapshot.ids)
            self._summaries = None

    def _compute(self, ids: Sequence[str]) -> None:
        rows = self._rows()
        own = {skill_id: row for row, skill_id in enumerate(self._ids)}
        for start in range(0, len(ids), _BLOCK_ROWS):
            block = ids[start : start + _BLOCK_ROWS]
            placed = [(skill_id, own[skill_id]) for skill_id in block if skill_id in own]
            found: dict[str, tuple[str, ...]] = dict.fromkeys(block, ())
            if placed:
                cosines = rows[[row for _, row in placed]] @ rows.T
                for (skill_id, row), line in zip(placed, cosines, strict=True):
                    line[row] = -2.0
                    found[skill_id] = tuple(self._ids[at] for at in _nearest(line))
            self._known.update(found)

    def _rows(self) -> Vectors:
        """Return the (n, dim) summaries of the visible skills, in id order."""
        if self._summaries is None:
            visible = [
                (skill_id, entry.summary)
                for skill_id in self._snapshot.ids
                if (entry := self._snapshot.entries[skill_id]).row_count
                and entry.summary is not None
            ]
            self._ids = tuple(skill_id for skill_id, _ in visible)
            self._summaries = (
                np.stack([summary for _, summary in visible])
                if visible
                else np.zeros((0, 1), np.float32)
            )
        return self._summaries


def _nearest(cosines: np.ndarray[tuple[int], np.dtype[np.float32]]) -> list[int]:
    near = np.flatnonzero(cosines >= RELATED_COSINE_MIN)
    # Ids are in order, so a stable sort breaks ties by id.
    order = near[np.argsort(-cosines[near], kind="stable")]
    return [int(at) for at in order[:RELATED_MAX]]
