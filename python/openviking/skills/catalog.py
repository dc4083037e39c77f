"""The skills in memory, kept in step with the index of their passages.

Readers take one ``Snapshot``; it never changes. A writer adds the new rows to the index, publishes
the next snapshot, then removes the old rows. A reader that finds the same snapshot before and after
its index scan has therefore seen every row of it: each skill is seen as it was or as it is.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from openviking.errors import NotFoundError
from openviking.skills.snapshot import Entry, Snapshot, empty_snapshot, is_hidden, make_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from openviking.index import Index
    from openviking.skills.snapshot import Place
    from openviking.types import RowIds, Skill, Vectors


@dataclass(frozen=True, slots=True, eq=False)
class Nearest:
    """The skills with a passage near a query, each with its best one.

    Attributes:
        numbers: (n,) int64 of the skills in their snapshot, ascending.
        positions: (n,) int64, which of its passages it is.
        cosines: (n,) float64, of that passage and the query.
    """

    numbers: NDArray[np.int64]
    positions: NDArray[np.int64]
    cosines: NDArray[np.float64]

    @classmethod
    def of(
        cls, owners: NDArray[np.int64], positions: NDArray[np.int64], cosines: NDArray[np.floating]
    ) -> Self:
        """Keep the first passage of each owner; the best come first, and -1 is nobody."""
        # Of equal numbers, `unique` returns the first.
        numbers, first = np.unique(owners, return_index=True)
        first = first[numbers >= 0]
        return cls(owners[first], positions[first], cosines[first].astype(np.float64))

    @classmethod
    def none(cls) -> Self:
        """Return that no skill is near."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))

    @classmethod
    def best_of(cls, several: Sequence[Self]) -> Self:
        """Join what is near to any of several queries, each skill with its best passage."""
        if len(several) == 1:
            return several[0]
        cosines = np.concatenate([one.cosines for one in several])
        order = (-cosines).argsort(kind="stable")
        numbers = np.concatenate([one.numbers for one in several])
        positions = np.concatenate([one.positions for one in several])
        return cls.of(numbers[order], positions[order], cosines[order])


class Catalog:
    """Owns the current snapshot and keeps the index in step with it. Writers come one at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._next_row = 0
        self._snapshot = empty_snapshot()

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
            version = self._snapshot.version + 1
            self._snapshot = make_snapshot(entries, version, self._best_cosines)
            stale = [entry.rows for entry in old if entry is not None and entry.row_count]
            if stale:
                self._index.remove(np.concatenate(stale))

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
        self, queries: Vectors, k: int, category: str | None
    ) -> tuple[Snapshot, tuple[Nearest, ...]]:
        """Look for the *k* passages most similar to each of *queries* (q, dim).

        Returns:
            A snapshot, and for each query the skills that have any of these passages.
        """
        while True:
            snapshot = self._snapshot
            allow = None if category is None else snapshot.rows_of(category)
            nearest = self._nearest(snapshot, queries, k, allow)
            if self._snapshot is snapshot:
                return snapshot, nearest

    def _best_cosines(self, queries: Vectors) -> NDArray[np.float32]:
        """Return the highest cosine of any passage and each of *queries*; nothing if none."""
        _, cosines = self._index.search(queries, 1)
        return cosines.ravel()

    def _nearest(
        self, snapshot: Snapshot, queries: Vectors, k: int, allow: RowIds | None
    ) -> tuple[Nearest, ...]:
        if allow is not None and not allow.size:
            return (Nearest.none(),) * len(queries)
        rows, scores = self._index.search(queries, k, allow=allow)
        passages = snapshot.passage_rows()
        return tuple(
            Nearest.of(*passages.owners(found), cosines)
            for found, cosines in zip(rows, scores, strict=True)
        )

    def _add_rows(self, added: Sequence[tuple[Skill, Vectors, Sequence[Place]]]) -> list[Entry]:
        fresh: list[Entry] = []
        blocks: list[Vectors] = []
        for skill, vectors, places in added:
            count = 0 if is_hidden(skill) else len(vectors)
            summary = vectors[0].copy() if len(vectors) else None
            record = replace(skill, body="")
            fresh.append(Entry(record, summary, self._next_row, count, tuple(places)))
            if count:
                blocks.append(vectors)
            self._next_row += count
        if blocks:
            rows = np.concatenate([entry.rows for entry in fresh])
            self._index.add(rows, np.ascontiguousarray(np.concatenate(blocks)))
        return fresh
