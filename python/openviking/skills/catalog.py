"""The skills in memory, kept in step with the index of their passages.

Readers take one ``Snapshot``; it never changes. Each version of a skill has a group of the index to
itself. A writer adds the rows of new groups, publishes the next snapshot, then removes the rows of
the groups that it no longer names; only these groups are given out again. So the groups of a
snapshot keep their rows as long as it is the current one, and a reader that finds the same snapshot
before and after its search has seen all of them: each skill is seen as it was or as it is.
"""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import NotFoundError
from openviking.skills import scoring
from openviking.skills.snapshot import Entry, Snapshot, empty_snapshot, is_hidden, make_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from openviking.index import FoundGroups, Index
    from openviking.skills.snapshot import Place
    from openviking.types import Skill, Vectors


class Catalog:
    """Owns the current snapshot and keeps the index in step with it. Writers come one at a time."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._free_groups: list[int] = []
        self._next_group = 0
        self._snapshot = empty_snapshot()

    def vectors(self, entry: Entry) -> Vectors | None:
        """Return the vectors of an entry's passages; None if it has been replaced meanwhile."""
        try:
            vectors = self._index.vectors(entry.rows)
        except NotFoundError:
            return None
        # Its group may be another skill's by now. Versions share no summary.
        held = self._snapshot.entries.get(entry.skill.id)
        return vectors if held is not None and held.summary is entry.summary else None

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
            stale = [entry for entry in old if entry is not None]
            if stale:
                self._index.remove(np.concatenate([entry.rows for entry in stale]))
                self._free_groups += [entry.group for entry in stale]

    def set_usage(self, skill_id: str, count: int) -> None:
        """Publish a skill's new usage count; its rows and all else stay."""
        with self._lock:
            entry = self._snapshot.entries.get(skill_id)
            if entry is not None:
                used = replace(entry, skill=replace(entry.skill, usage_count=count))
                self._snapshot = replace(
                    self._snapshot, entries={**self._snapshot.entries, skill_id: used}
                )

    def prepare(self) -> None:
        """Do now what the next search would otherwise do first."""
        self._index.prepare_groups()

    def search(
        self,
        snapshot: Snapshot,
        queries: Vectors,
        prior: NDArray[np.float64],
        keys: NDArray[np.int64],
        k: int,
        near: int,
    ) -> FoundGroups | None:
        """Find the groups of the best skills of *snapshot*; None if it is no longer the current.

        Args:
            snapshot: whose groups *prior* (g,) and *keys* (g,) speak of.
            queries: (q, dim) of the whole request, then of its parts.
            prior: added to the meaning of each group; -inf leaves it out.
            keys: of equal groups, the one with the lower key comes first.
            k: groups wanted by meaning and prior.
            near: groups wanted by meaning alone.
        """
        found = self._index.search_groups(
            queries,
            prior,
            keys,
            k,
            near,
            passage_share=scoring.PASSAGE_SHARE,
            part_share=scoring.PART_SHARE,
        )
        return found if self._snapshot is snapshot else None

    def _best_cosines(self, queries: Vectors) -> NDArray[np.float32]:
        """Return the highest cosine of any passage and each of *queries*; nothing if none."""
        # The snapshot that asks may have been published a moment ago: until its writer lets go, the
        # rows of what it replaced are there too, and its answer would be remembered with them.
        with self._lock:
            pass
        _, cosines = self._index.search(queries, 1)
        return cosines.ravel()

    def _add_rows(self, added: Sequence[tuple[Skill, Vectors, Sequence[Place]]]) -> list[Entry]:
        fresh: list[Entry] = []
        blocks: list[Vectors] = []
        again = self._free_groups[: len(added)]
        new = range(self._next_group, self._next_group + len(added) - len(again))
        for group, (skill, vectors, places) in zip((*again, *new), added, strict=True):
            count = 0 if is_hidden(skill) else len(vectors)
            summary = vectors[0].copy() if len(vectors) else None
            record = replace(skill, body="")
            fresh.append(Entry(record, summary, group, count, tuple(places)))
            if count:
                blocks.append(vectors)
        if blocks:
            rows = np.concatenate([entry.rows for entry in fresh])
            self._index.add(rows, np.ascontiguousarray(np.concatenate(blocks)))
        del self._free_groups[: len(again)]
        self._next_group = new.stop
        return fresh
