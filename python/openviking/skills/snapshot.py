"""The skills at one moment: records without bodies, and which index row belongs to which passage.

A snapshot never changes. Its skills are numbered in the order of their ids, so that searches can
work on arrays of numbers, and ties by id are ties by number.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from openviking.skills.structure import GENERAL, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from openviking.retrieval.background import Background, BestCosines
    from openviking.types import RowIds, Skill, Vectors

Part = Literal["summary", "example", "body"]
PARTS: tuple[Part, ...] = ("summary", "example", "body")
"""Parts of a skill that have vectors of their own."""

Place: TypeAlias = tuple[Part, int, int]
"""Part of a passage, and where it starts and ends in the body."""


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One version of a skill.

    Attributes:
        skill: the record, its body left out.
        summary: (dim,) float32, unit length; None while the vectors are of another model build.
        first_row: index row of its first passage; the others follow.
        row_count: its rows in the index; 0 for a skill that is hidden from search.
        places: per passage its part and where it starts and ends in the body.
    """

    skill: Skill
    summary: NDArray[np.float32] | None
    first_row: int
    row_count: int
    places: tuple[Place, ...]

    @property
    def rows(self) -> RowIds:
        """Index rows of its passages."""
        return np.arange(self.first_row, self.first_row + self.row_count, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """Summary vectors of the skills that can be found.

    Attributes:
        ids: in order.
        row_of: id -> row.
        rows: (n, dim) float32, unit length.
        row_at: (skills,) int64, number of a skill -> row, -1 for one without.
    """

    ids: tuple[str, ...]
    row_of: Mapping[str, int]
    rows: Vectors
    row_at: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class PassageRows:
    """Which index rows belong to which skill.

    Attributes:
        first: (m,) int64, first row of every skill that has any, ascending.
        count: (m,) int64, its rows.
        number: (m,) int64, its number.
    """

    first: RowIds
    count: NDArray[np.int64]
    number: NDArray[np.int64]

    def owners(self, rows: RowIds) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the number of each row's skill, and which of its passages the row is.

        A row that belongs to no skill of this snapshot, but to one before or after it, gets -1.
        """
        if not len(self.first):
            return np.full(len(rows), -1), np.zeros(len(rows), np.int64)
        # A row before the first lands at the last skill, and far before its first row.
        at = self.first.searchsorted(rows, side="right") - 1
        positions = rows - self.first[at]
        is_known = (positions >= 0) & (positions < self.count[at])
        return np.where(is_known, self.number[at], -1), positions


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All skills at one moment.

    Attributes:
        entries: id -> entry.
        ids: all ids, sorted.
        by_path: file -> id, for skills that come from files.
        children: parent id -> ids of its sub-skills, sorted; those that are switched off left out.
        version: counts the changes of skills; a usage count is none.
        nearest: highest cosines among the passages; None if there are no passages.

    What else follows from the entries is computed when it is first asked for.
    """

    entries: Mapping[str, Entry]
    ids: tuple[str, ...]
    by_path: Mapping[str, str]
    children: Mapping[str, tuple[str, ...]]
    version: int = 0
    nearest: BestCosines | None = None
    _rows_by_category: dict[str, RowIds] = field(default_factory=dict)
    _ids_by_category: dict[str, frozenset[str]] = field(default_factory=dict)
    _numbers: dict[str, int] = field(default_factory=dict)
    _passage_rows: list[PassageRows] = field(default_factory=list)
    _summaries: list[Summaries] = field(default_factory=list)
    _usual_best: dict[Background, float] = field(default_factory=dict)

    def latest(self, skill: Skill) -> Skill:
        """Return the record of *skill*'s id as it is now, its usage count above all."""
        entry = self.entries.get(skill.id)
        return skill if entry is None else entry.skill

    def page(self, after: str | None) -> tuple[str, ...]:
        """Return the ids behind *after* in order."""
        return self.ids if after is None else self.ids[bisect_right(self.ids, after) :]

    def numbers(self) -> Mapping[str, int]:
        """Return the number of each id, which is its place among ``ids``."""
        if not self._numbers:
            self._numbers.update({skill_id: at for at, skill_id in enumerate(self.ids)})
        return self._numbers

    def passage_rows(self) -> PassageRows:
        """Return whose the rows of the index are."""
        if not self._passage_rows:
            entries = (self.entries[skill_id] for skill_id in self.ids)
            found = np.array(
                sorted(
                    (e.first_row, e.row_count, at) for at, e in enumerate(entries) if e.row_count
                ),
                dtype=np.int64,
            ).reshape(-1, 3)
            first, count, number = np.ascontiguousarray(found.T)
            self._passage_rows.append(PassageRows(first, count, number))
        return self._passage_rows[0]

    def summaries(self) -> Summaries:
        """Return the summaries of the skills that can be found."""
        if not self._summaries:
            found = [
                (at, skill_id, entry.summary)
                for at, skill_id in enumerate(self.ids)
                if (entry := self.entries[skill_id]).summary is not None and entry.row_count
            ]
            vectors = [summary for _, _, summary in found]
            rows = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
            row_at = np.full(len(self.ids), -1, dtype=np.int64)
            row_at[[at for at, _, _ in found]] = np.arange(len(found))
            ids = tuple(skill_id for _, skill_id, _ in found)
            row_of = {skill_id: row for row, skill_id in enumerate(ids)}
            self._summaries.append(Summaries(ids, row_of, rows, row_at))
        return self._summaries[0]

    def usual_best(self, background: Background) -> float:
        """Return the best cosine that a passage of these skills gives to what is no task."""
        if self.nearest is None:
            return 0.0
        if background not in self._usual_best:
            self._usual_best[background] = background.usual_best(self.nearest)
        return self._usual_best[background]

    def ids_of(self, category: str) -> frozenset[str]:
        """Return the ids of a category's skills."""
        ids = self._ids_by_category.get(category)
        if ids is None:
            entries = self.entries.values()
            ids = frozenset(e.skill.id for e in entries if in_category(e.skill, category))
            self._ids_by_category[category] = ids
        return ids

    def rows_of(self, category: str) -> RowIds:
        """Return the index rows of a category's visible skills, sorted."""
        rows = self._rows_by_category.get(category)
        if rows is None:
            parts = [e.rows for e in self.entries.values() if in_category(e.skill, category)]
            rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
            self._rows_by_category[category] = rows
        return rows


def is_hidden(skill: Skill) -> bool:
    """Whether no search returns the skill: its file says so, or it is switched off."""
    return skill.disable_model_invocation or skill.is_disabled


def part_named(name: str) -> Part:
    """Return *name* as a part; a name that this version does not know counts as body."""
    return next((part for part in PARTS if part == name), "body")


def in_category(skill: Skill, category: str) -> bool:
    """Whether *category* names the skill's category, subcategory or ``category/subcategory``."""
    return category in {
        skill.category,
        skill.subcategory,
        f"{skill.category}/{skill.subcategory}",
    }


def category_filter(category: str | None) -> str | None:
    """Return the category in its stored form; None if all skills are meant."""
    if category is None:
        return None
    wanted = "/".join(filter(None, (slug(part) for part in category.split("/"))))
    return None if wanted in {"", GENERAL} else wanted


def empty_snapshot() -> Snapshot:
    """Return a snapshot without skills."""
    return Snapshot({}, (), {}, {})


def make_snapshot(
    entries: Mapping[str, Entry], version: int, nearest: BestCosines | None = None
) -> Snapshot:
    """Derive what a snapshot holds from its entries."""
    ids = tuple(sorted(entries))
    children: dict[str, list[str]] = {}
    by_path: dict[str, str] = {}
    for skill_id in ids:
        skill = entries[skill_id].skill
        if skill.path is not None:
            by_path[skill.path] = skill_id
        parent = skill.parent_skill
        is_shown = not skill.is_disabled
        if is_shown and parent is not None and parent in entries and parent != skill_id:
            children.setdefault(parent, []).append(skill_id)
    families = {parent: tuple(found) for parent, found in children.items()}
    return Snapshot(entries, ids, by_path, families, version, nearest)
