"""Skills of the same name in several folders: the later folder's counts, the others wait.

Folders that are named together, in one import or in ``skills.folders``, are ordered: a project's
folder behind the user's lets the project's skills take the place of the user's. Within one folder
nothing is overridden: there, the second skill of a name gets an id of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.store.port import Store


@dataclass(frozen=True, slots=True)
class Override:
    """The file *path* is not used, because the skill *id* comes from the file *by*."""

    id: str
    path: str
    by: str


class Order:
    """Folders by precedence, the last one first.

    Args:
        roots: absolute folders or files as they were given, the one that wins last.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self.roots = roots

    def rank(self, path: Path) -> int:
        """Return the place of the last root that holds *path*, -1 if none does."""
        held = (at for at, root in enumerate(self.roots) if path.is_relative_to(root))
        return max(held, default=-1)

    def gives_way(self, path: Path, other: Path) -> bool:
        """Whether a file gives way to another one with a skill of the same name."""
        return 0 <= self.rank(path) < self.rank(other)


class Overrides:
    """Files that gave way, with the id that each would have; stored, so that every process knows.

    Args:
        store: where they last.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stored = dict(store.waiting_skills())
        self._waiting = dict(self._stored)

    def of(self, skill_id: str) -> tuple[str, ...]:
        """Return the files that a skill takes the place of, sorted."""
        waiting = [path for path, awaited in self._copy().items() if awaited == skill_id]
        return tuple(sorted(path for path in waiting if os.path.lexists(path)))

    def by_id(self) -> dict[str, tuple[str, ...]]:
        """Return :meth:`of` for every id that any file waits for."""
        found: dict[str, list[str]] = {}
        for path, skill_id in sorted(self._copy().items()):
            if os.path.lexists(path):
                found.setdefault(skill_id, []).append(path)
        return {skill_id: tuple(paths) for skill_id, paths in found.items()}

    def note(self, skill_id: str, path: Path) -> None:
        """Remember that *path* gave way."""
        self._waiting[str(path)] = skill_id

    def forget(self, path: Path) -> None:
        """Forget that *path* gave way: it has a skill of its own now."""
        self._waiting.pop(str(path), None)

    def is_awaited(self, skill_id: str, roots: Sequence[Path]) -> bool:
        """Whether a file under *roots* waits for an id."""
        return any(_is_under(path, roots) for path in self.of(skill_id))

    def take_back(self, paths: Mapping[str, str], roots: Sequence[Path]) -> bool:
        """Whether a file waits for an id that no living file has any more; asked once for each.

        Args:
            paths: file -> id, of all skills.
            roots: only files under these are asked about.
        """
        if not self._waiting:
            return False
        held = {skill_id for path, skill_id in paths.items() if os.path.lexists(path)}
        free = [
            path
            for path, skill_id in self._waiting.items()
            if skill_id not in held and _is_under(path, roots)
        ]
        for path in free:
            del self._waiting[path]
        return bool(free)

    def save(self) -> None:
        """Store what has changed; files that are gone are left out."""
        present = {path: i for path, i in self._waiting.items() if os.path.lexists(path)}
        if present != self._stored:
            self._store.put_waiting_skills(present)
            self._stored = present

    def _copy(self) -> dict[str, str]:
        # Readers come from any thread, while an import notes and forgets.
        return self._waiting.copy()


def _is_under(path: str, roots: Sequence[Path]) -> bool:
    return any(Path(path).is_relative_to(root) for root in roots)
