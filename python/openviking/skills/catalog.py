"""The skills in memory: records without bodies, and which index row belongs to which passage.

Readers take one ``Snapshot``; it never changes. A writer adds the new rows to the index, publishes
the next snapshot, then removes the old rows. A reader that finds the same snapshot before and after
its index scan has therefore seen every row of it: each skill is seen as it was or as it is.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from openviking.errors import NotFoundError
from openviking.skills.structure import GENERAL, slug

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from openviking.index import Index
    from openviking.skills.background import Background
    from openviking.types import RowIds, Skill, Vectors

Part = Literal["summary", "example", "body"]
PARTS: tuple[Part, ...] = ("summary", "example", "body")
"""Parts of a skill that have vectors of their own."""

Place: TypeAlias = tuple[Part, int, int]
"""Part of a passage, and where it starts and ends in the body."""


@dataclass(frozen=True, slots=True)
class PassageHit:
    """One passage near the query: which of its skill's passages, and the cosine."""

    position: int
    cosine: float


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
        total: (dim,) float32, their sum.
    """

    ids: tuple[str, ...]
    row_of: Mapping[str, int]
    rows: Vectors
    total: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """All skills at one moment.

    Attributes:
        entries: id -> entry.
        ids: all ids, sorted.
        by_path: file -> id, for skills that come from files.
        children: parent id -> ids of its sub-skills, sorted.
        version: counts the changes of skills; a usage count is none.
    """

    entries: Mapping[str, Entry]
    ids: tuple[str, ...]
    by_path: Mapping[str, str]
    children: Mapping[str, tuple[str, ...]]
    version: int = 0
    _rows_by_category: dict[str, RowIds] = field(default_factory=dict)
    _ids_by_category: dict[str, frozenset[str]] = field(default_factory=dict)
    _summaries: list[Summaries] = field(default_factory=list)
    _usual_best: list[float] = field(default_factory=list)

    def latest(self, skill: Skill) -> Skill:
        """Return the record of *skill*'s id as it is now, its usage count above all."""
        entry = self.entries.get(skill.id)
        return skill if entry is None else entry.skill

    def page(self, after: str | None) -> tuple[str, ...]:
        """Return the ids behind *after* in order."""
        return self.ids if after is None else self.ids[bisect_right(self.ids, after) :]

    def summaries(self) -> Summaries:
        """Return the summaries of the skills that can be found; gathered once."""
        if not self._summaries:
            found = [
                (skill_id, entry.summary)
                for skill_id in self.ids
                if (entry := self.entries[skill_id]).summary is not None and entry.row_count
            ]
            rows = np.array([summary for _, summary in found], dtype=np.float32, ndmin=2)
            ids = tuple(skill_id for skill_id, _ in found)
            row_of = {skill_id: row for row, skill_id in enumerate(ids)}
            self._summaries.append(Summaries(ids, row_of, rows, rows.sum(axis=0)))
        return self._summaries[0]

    def usual_best(self, background: Background) -> float:
        """Return the best cosine that these skills give to what is no task; computed once."""
        if not self._usual_best:
            self._usual_best.append(background.usual_best(self.summaries().rows))
        return self._usual_best[0]

    def ids_of(self, category: str) -> frozenset[str]:
        """Return the ids of a category's skills; computed once."""
        ids = self._ids_by_category.get(category)
        if ids is None:
            entries = self.entries.values()
            ids = frozenset(e.skill.id for e in entries if in_category(e.skill, category))
            self._ids_by_category[category] = ids
        return ids

    def rows_of(self, category: str) -> RowIds:
        """Return the index rows of a category's visible skills, sorted; computed once."""
        rows = self._rows_by_category.get(category)
        if rows is None:
            parts = [e.rows for e in self.entries.values() if in_category(e.skill, category)]
            rows = np.sort(np.concatenate(parts)) if parts else np.empty(0, np.int64)
            self._rows_by_category[category] = rows
        return rows


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


class Catalog:
    """Owns the current snapshot and keeps the index in step with it. Writers come one at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._next_row = 0
        self._owners: dict[int, str] = {}
        self._snapshot = Snapshot({}, (), {}, {})

    def vectors(self, entry: Entry) -> Vectors | None:
        """Return the vectors of an entry's passages; None if it has been replaced meanwhile."""
        try:
            return self._index.vectors(entry.rows)
        except NotFoundError:
            return None

    @property
    def snapshot(self) -> Snapshot:
        """The skills as they are now."""
        return self._snapshot

    def replace(
        self, added: Sequence[tuple[Skill, Vectors, Sequence[Place]]], removed: Iterable[str] = ()
    ) -> None:
        """Publish new versions of skills and drop others, at one moment.

        Args:
            added: record (its body is dropped), (n, dim) passage vectors, n places; no vectors
                mean that the skill is listed but not found by meaning.
            removed: ids that are gone.
        """
        with self._lock:
            fresh = self._add_rows(added)
            entries = dict(self._snapshot.entries)
            old = [entries.pop(skill_id, None) for skill_id in removed]
            for entry in fresh:
                old.append(entries.get(entry.skill.id))
                entries[entry.skill.id] = entry
            self._snapshot = make_snapshot(entries, self._snapshot.version + 1)
            stale = [entry.rows for entry in old if entry is not None and entry.row_count]
            if stale:
                rows = np.concatenate(stale)
                self._index.remove(rows)
                for row in rows.tolist():
                    del self._owners[row]

    def set_usage(self, skill_id: str, count: int) -> None:
        """Publish a skill's new usage count; its rows and all else stay."""
        with self._lock:
            entry = self._snapshot.entries.get(skill_id)
            if entry is not None:
                used = replace(entry, skill=replace(entry.skill, usage_count=count))
                self._snapshot = replace(
                    self._snapshot, entries={**self._snapshot.entries, skill_id: used}
                )

    def scan(
        self, query: Vectors, k: int, category: str | None
    ) -> tuple[Snapshot, dict[str, PassageHit]]:
        """Look for the *k* passages most similar to *query* (1, dim).

        Returns:
            A snapshot, and of each of its skills among these passages the best one.
        """
        while True:
            snapshot = self._snapshot
            allow = None if category is None else snapshot.rows_of(category)
            hits = self._nearest(snapshot, query, k, allow)
            if self._snapshot is snapshot:
                return snapshot, hits

    def _nearest(
        self, snapshot: Snapshot, query: Vectors, k: int, allow: RowIds | None
    ) -> dict[str, PassageHit]:
        if allow is not None and not allow.size:
            return {}
        rows, scores = self._index.search(query, k, allow=allow)
        owners, entries = self._owners, snapshot.entries
        hits: dict[str, PassageHit] = {}
        for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True):
            skill_id = owners.get(row)
            if skill_id is None or skill_id in hits:
                continue
            entry = entries.get(skill_id)
            # A row of the version before or after this snapshot is passed over.
            if entry is not None and 0 <= row - entry.first_row < entry.row_count:
                hits[skill_id] = PassageHit(row - entry.first_row, score)
        return hits

    def _add_rows(self, added: Sequence[tuple[Skill, Vectors, Sequence[Place]]]) -> list[Entry]:
        fresh: list[Entry] = []
        blocks: list[Vectors] = []
        for skill, vectors, places in added:
            count = 0 if skill.disable_model_invocation else len(vectors)
            summary = vectors[0].copy() if len(vectors) else None
            record = replace(skill, body="")
            fresh.append(Entry(record, summary, self._next_row, count, tuple(places)))
            if count:
                blocks.append(vectors)
                for row in range(self._next_row, self._next_row + count):
                    self._owners[row] = skill.id
            self._next_row += count
        if blocks:
            rows = np.concatenate([entry.rows for entry in fresh])
            self._index.add(rows, np.ascontiguousarray(np.concatenate(blocks)))
        return fresh


def make_snapshot(entries: Mapping[str, Entry], version: int) -> Snapshot:
    """Derive what a snapshot holds from its entries."""
    ids = tuple(sorted(entries))
    children: dict[str, list[str]] = {}
    by_path: dict[str, str] = {}
    for skill_id in ids:
        skill = entries[skill_id].skill
        if skill.path is not None:
            by_path[skill.path] = skill_id
        parent = skill.parent_skill
        if parent is not None and parent in entries and parent != skill_id:
            children.setdefault(parent, []).append(skill_id)
    families = {parent: tuple(found) for parent, found in children.items()}
    return Snapshot(entries, ids, by_path, families, version)
