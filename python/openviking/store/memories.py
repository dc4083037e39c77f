"""The MemoryStore interface: which message each memory comes from, and how far reading has come.

The memories themselves are resources. What stands here makes them follow their messages: a message
that is deleted leaves a mark at every memory that was made from it, in the same transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from openviking.types import ArchivedMessage


class MemoryStore(Protocol):
    """Messages in the order in which they were stored, and the memories that came of them."""

    def position(self) -> int:
        """Return the number of the last message that is read for good; 0 at first."""

    def set_position(self, number: int) -> None:
        """Note that every message up to *number* is read."""

    def read(self, role: str, *, after: int, limit: int) -> tuple[list[ArchivedMessage], int]:
        """Return the messages of *role* among the next *limit* ones, and the last one's number.

        The number is *after* itself if there are no more.
        """

    def link(self, uri: str, message: int) -> bool:
        """Note that a memory comes from a message; False if the message is gone."""

    def sources(self, uri: str) -> list[ArchivedMessage]:
        """Return the messages that a memory comes from and that still exist, by number."""

    def stale(self, *, limit: int) -> list[str]:
        """Return memories of which a message was deleted."""

    def unlink_deleted(self, uri: str) -> None:
        """Note that a memory has been made anew without its deleted messages."""

    def scrub(self) -> None:
        """See that nothing of what was deleted stays readable in the storage files."""
