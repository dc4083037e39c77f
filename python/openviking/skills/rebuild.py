"""After a change of model: encode the stored skills again, in the background.

Until a skill's turn comes it is listed and found by its words, not by its meaning.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from openviking.errors import NotFoundError, OpenVikingError
from openviking.skills.importer import BATCH_SKILLS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.skills.writer import SkillWriter
    from openviking.store.port import Store
    from openviking.types import Skill


class Rebuild:
    """Encodes *stale* skills anew in a thread of its own; what is not reached waits for a restart.

    Args:
        store: has the bodies.
        writer: encodes and stores.
        stale: ids to encode.
        is_stopping: asked between batches.
    """

    def __init__(
        self,
        store: Store,
        writer: SkillWriter,
        stale: Sequence[str],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._store = store
        self._writer = writer
        self._stale = stale
        self._is_stopping = is_stopping
        self._thread = threading.Thread(target=self._run, name="skills-rebuild", daemon=True)

    def start(self) -> None:
        """Begin, if there is anything to do."""
        if self._stale:
            self._thread.start()

    def join(self) -> None:
        """Wait for the end, which comes after the running batch once a stop was asked for."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        for start in range(0, len(self._stale), BATCH_SKILLS):
            if self._is_stopping():
                return
            try:
                skills = self._read(self._stale[start : start + BATCH_SKILLS])
                self._writer.refresh(self._writer.prepare(skills).entries)
            except OpenVikingError:
                # The store or the model fails for everyone and is reported by /health; trying on
                # would only fail again. The skills stay listed and are encoded at the next start.
                return

    def _read(self, ids: Sequence[str]) -> list[Skill]:
        skills: list[Skill] = []
        for skill_id in ids:
            try:
                skills.append(self._store.get_skill(skill_id))
            except NotFoundError:
                # Deleted since the start.
                continue
        return skills
