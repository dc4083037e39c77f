"""What memories stand on: resources, or what offers the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.types import Resource


class Hit(Protocol):
    """A found resource."""

    @property
    def resource(self) -> Resource:
        """The resource."""

    @property
    def score(self) -> float:
        """How well it fits."""


class Found(Protocol):
    """The answer to a question."""

    @property
    def hits(self) -> Sequence[Hit]:
        """What fits, best first."""


class Shelf(Protocol):
    """Where memories stand: :class:`openviking.resources.Resources` is one."""

    def put(
        self,
        content: str,
        target_uri: str,
        *,
        resource_type: str = "memory",
        metadata: Mapping[str, Any] | None = None,
    ) -> Resource:
        """Store a new version."""

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""

    def delete(self, resource_id: str) -> None:
        """Delete a URI with all its versions; raises NotFoundError."""

    def search(
        self, query: str, *, k: int = 10, metadata: Mapping[str, Any] | None = None
    ) -> Found:
        """Find resources whose metadata hold these values."""
