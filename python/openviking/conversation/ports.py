"""What a reply draws on beside the archive; each part is optional."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Skill


class Command(Protocol):
    """A slash command."""

    @property
    def name(self) -> str:
        """Its name, without the slash."""

    @property
    def instructions(self) -> str:
        """What it tells an agent to do."""


class Commands(Protocol):
    """The slash commands that are known."""

    def find(self, name: str) -> Command | None:
        """Return the command of that name (no slash), None if there is none."""

    def names(self) -> Sequence[str]:
        """Return all names, sorted, without slashes."""


class SkillFinder(Protocol):
    """Finds skills for a task."""

    def __call__(self, query: str, k: int) -> Sequence[tuple[Skill, float]]:
        """Return up to *k* fitting skills with their scores, best first; none if none fits."""


class ResourceFinder(Protocol):
    """Finds resources by meaning."""

    def __call__(self, query: str, k: int) -> Sequence[tuple[str, str, float]]:
        """Return up to *k* (URI, fitting passage, score), best first; none if none fits."""
