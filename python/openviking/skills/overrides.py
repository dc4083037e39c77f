"""Skills of the same name in several folders: the later folder's counts, the others wait.

Folders that are named together, in one import or in ``skills.folders``, are ordered: a project's
folder behind the user's lets the project's skills take the place of the user's. Within one folder
nothing is overridden: there, the second skill of a name gets an id of its own.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


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
        self._roots = roots

    def rank(self, path: Path) -> int:
        """Return the place of the last root that holds *path*, -1 if none does."""
        held = (at for at, root in enumerate(self._roots) if path.is_relative_to(root))
        return max(held, default=-1)

    def gives_way(self, path: Path, other: Path) -> bool:
        """Whether a file gives way to another one with a skill of the same name."""
        return 0 <= self.rank(path) < self.rank(other)


class Overrides:
    """Files that gave way, by the id that they would have; kept while the process runs."""

    def __init__(self) -> None:
        self._waiting: dict[str, dict[str, None]] = {}

    def of(self, skill_id: str) -> tuple[str, ...]:
        """Return the files that a skill takes the place of, sorted."""
        waiting = self._waiting.get(skill_id, {})
        return tuple(sorted(path for path in waiting if os.path.lexists(path)))

    def note(self, skill_id: str, path: Path) -> None:
        """Remember that *path* gave way."""
        self._waiting.setdefault(skill_id, {})[str(path)] = None

    def forget(self, path: Path) -> None:
        """Forget that *path* gave way: it has a skill of its own now."""
        for waiting in self._waiting.values():
            waiting.pop(str(path), None)

    def take_back(self, paths: Mapping[str, str]) -> bool:
        """Whether a file waits for an id that no living file has any more; asked once for each.

        Args:
            paths: file -> id, of all skills.
        """
        if not any(self._waiting.values()):
            return False
        held = {skill_id for path, skill_id in paths.items() if os.path.lexists(path)}
        free = [i for i, waiting in self._waiting.items() if waiting and i not in held]
        for skill_id in free:
            del self._waiting[skill_id]
        return bool(free)
