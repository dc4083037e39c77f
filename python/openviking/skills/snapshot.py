"""The skills at one moment: records without bodies, and which group of the index each one is.

A snapshot never changes. Its skills are numbered in the order of their ids, so that ties by id are
ties by number. The index knows them as groups of rows: row ``group << GROUP_BITS | position`` is a
passage, and position 0 the summary.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from openviking.checks import check_text
from openviking.skills.related import Related
from openviking.skills.structure import GENERAL, slug

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from openviking.retrieval.background import Background, BestCosines
    from openviking.store.matches import WordMatches
    from openviking.store.rows import RowTable
    from openviking.types import RowIds, Skill, Vectors

GROUP_BITS = 16
"""Bits of a row's id that count the passages of a skill."""

POSITIONS = (1 << GROUP_BITS) - 1
"""A mask of these bits."""

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
        group: its number in the index, which no other skill has while this one is known.
        row_count: its rows in the index; 0 for a skill that is hidden from search.
        places: per passage its part and where it starts and ends in the body.
    """

    skill: Skill
    summary: NDArray[np.float32] | None
    group: int
    row_count: int
    places: tuple[Place, ...]

    @property
    def rows(self) -> RowIds:
        """Index rows of its passages."""
        first = self.group << GROUP_BITS
        return np.arange(first, first + self.row_count, dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Summaries:
    """Summary vectors of the skills that can be found.

    Attributes:
        ids: in order.
        row_of: id -> row.
        rows: (n, dim) float32, unit length.
    """

    ids: tuple[str, ...]
    row_of: Mapping[str, int]
    rows: Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Scope:
    """The skills that a search may return: those that are not hidden, of one category or of all.

    Attributes:
        keys: (g,) int64, number of each group's skill, of any category; 0 for a group of none.
        base: (g,) float64, 0 for the groups that may be returned and -inf for the others.
        groups: (n,) int64, those that may be returned.
        ids: of their skills.
        unread: (m,) int64, those that have no vectors.
    """

    keys: NDArray[np.int64]
    base: NDArray[np.float64]
    groups: NDArray[np.int64]
    ids: tuple[str, ...]
    unread: NDArray[np.int64]
    _lexicon_rows: list[tuple[RowTable, NDArray[np.int64]]] = field(default_factory=list)
    _word_counts: list[tuple[RowTable, NDArray[np.float64]]] = field(default_factory=list)

    def lexicon_rows(self, row_of: RowTable) -> NDArray[np.int64]:
        """Return where the words of each group stand, (g,); -1 for groups that are not returned.

        Remembered until the words of any skill change.
        """
        for known, rows in self._lexicon_rows:
            if known is row_of:
                return rows
        rows = np.full(len(self.base), -1, np.int64)
        rows[self.groups] = row_of.rows(self.ids)
        self._lexicon_rows[:] = [(row_of, rows)]
        return rows

    def word_counts(self, matches: WordMatches) -> NDArray[np.float64]:
        """Return how many different words each group has, (g,); 0 for groups not returned.

        Remembered likewise.
        """
        for known, counts in self._word_counts:
            if known is matches.row_of:
                return counts
        counts = matches.sizes.of(self.lexicon_rows(matches.row_of)).astype(np.float64)
        self._word_counts[:] = [(matches.row_of, counts)]
        return counts


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
    _scopes: dict[str | None, Scope] = field(default_factory=dict)
    _related: list[Related] = field(default_factory=list)
    _usual_best: dict[Background, float] = field(default_factory=dict)

    def latest(self, skill: Skill) -> Skill:
        """Return the record of *skill*'s id as it is now, its usage count above all."""
        entry = self.entries.get(skill.id)
        return skill if entry is None else entry.skill

    def page(self, after: str | None) -> tuple[str, ...]:
        """Return the ids behind *after* in order."""
        return self.ids if after is None else self.ids[bisect_right(self.ids, after) :]

    def scope(self, category: str | None) -> Scope:
        """Return the skills that a search within *category*, or all if None, may return."""
        scope = self._scopes.get(category)
        if scope is None:
            scope = self._scope(category)
            # Categories of no skill are anybody's invention, and would add up.
            if category is None or scope.ids:
                self._scopes[category] = scope
        return scope

    def _scope(self, category: str | None) -> Scope:
        entries = [self.entries[skill_id] for skill_id in self.ids]
        all_groups = np.array([entry.group for entry in entries], np.int64)
        keys = np.zeros(int(all_groups.max(initial=-1)) + 1, np.int64)
        keys[all_groups] = np.arange(len(entries))
        shown = [
            entry
            for entry in entries
            if not is_hidden(entry.skill)
            and (category is None or in_category(entry.skill, category))
        ]
        groups = np.array([entry.group for entry in shown], np.int64)
        base = np.full(len(keys), -np.inf)
        base[groups] = 0.0
        unread = np.array([entry.group for entry in shown if not entry.row_count], np.int64)
        return Scope(keys, base, groups, tuple(entry.skill.id for entry in shown), unread)

    def related(self) -> Related:
        """Return what follows for each skill from the others."""
        if not self._related:
            self._related.append(Related(self))
        return self._related[0]

    def summaries(self) -> Summaries:
        """Copy the summaries of the skills that can be found into one array."""
        found = [
            (skill_id, entry.summary)
            for skill_id in self.ids
            if (entry := self.entries[skill_id]).summary is not None and entry.row_count
        ]
        vectors = [summary for _, summary in found]
        rows = np.stack(vectors) if vectors else np.zeros((0, 0), np.float32)
        ids = tuple(skill_id for skill_id, _ in found)
        row_of = {skill_id: row for row, skill_id in enumerate(ids)}
        return Summaries(ids, row_of, rows)

    def usual_best(self, background: Background) -> float:
        """Return the best cosine that a passage of these skills gives to what is no task."""
        if self.nearest is None:
            return 0.0
        if background not in self._usual_best:
            self._usual_best[background] = background.usual_best(self.nearest)
        return self._usual_best[background]


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
    check_text(category, "category")
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
