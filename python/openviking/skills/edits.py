"""Skills that clients write: created under a free id, replaced, deleted; watched files are not."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from openviking.errors import ConflictError, NotFoundError
from openviking.skills.importer import BATCH_SKILLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.skills.catalog import Catalog
    from openviking.skills.writer import SkillWriter
    from openviking.types import Skill


class Edits:
    """Writes what clients send; safe from any thread.

    Args:
        writer: encodes and stores.
        catalog: the skills that are known.
        is_watched: whether a file is kept in step with the store.
    """

    def __init__(
        self, writer: SkillWriter, catalog: Catalog, is_watched: Callable[[str], bool]
    ) -> None:
        self._writer = writer
        self._catalog = catalog
        self._is_watched = is_watched
        self._lock = threading.Lock()
        self._claimed: set[str] = set()

    def create(self, draft: Skill) -> Skill:
        """Store a new skill; raises ConflictError if its id is taken, or just being taken."""
        with self._lock:
            if draft.id in self._catalog.snapshot.entries or draft.id in self._claimed:
                raise ConflictError(
                    f"a skill with the id {draft.id!r} exists; replace it, or choose another "
                    "name or id"
                )
            self._claimed.add(draft.id)
        try:
            return self.write([draft])[0]
        finally:
            with self._lock:
                self._claimed.discard(draft.id)

    def write(self, skills: Sequence[Skill]) -> list[Skill]:
        """Store records, new ones or in place of those of their ids, and encode them."""
        written: list[Skill] = []
        for start in range(0, len(skills), BATCH_SKILLS):
            prepared = self._writer.prepare(skills[start : start + BATCH_SKILLS])
            written += self._writer.commit(prepared.entries)
        return written

    def delete(self, skill_id: str) -> None:
        """Delete a skill; raises NotFoundError, and ConflictError for one of a watched file."""
        self.require_writable(skill_id)
        self._writer.delete(skill_id)

    def require_writable(self, skill_id: str) -> None:
        """Raise NotFoundError for an unknown skill, ConflictError for one of a watched file."""
        entry = self._catalog.snapshot.entries.get(skill_id)
        if entry is None:
            raise NotFoundError(f"no skill has the id {skill_id!r}")
        path = entry.skill.path
        if path is not None and self._is_watched(path):
            raise ConflictError(
                f"skill {skill_id!r} comes from the watched file {path}; change that file, or "
                "disable the skill"
            )
