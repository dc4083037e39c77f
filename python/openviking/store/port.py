"""The Store interface: everything that must outlive the process.

A method that writes returns only when the write is on disk. All methods may be called from any
thread. One contract test suite (tests/store/) runs against every implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from openviking.types import (
        Message,
        PassageVectors,
        Resource,
        ResourcePage,
        RowIds,
        Skill,
        SkillEntry,
        WordMatch,
    )


class Store(Protocol):
    """What lasts: skills with their passage vectors, resources with versions, session messages."""

    def put_skills(self, entries: Sequence[SkillEntry]) -> Sequence[RowIds]:
        """Insert or replace skills with all their passages, in one transaction.

        ``usage_count`` of an existing skill is kept. Returns, for each entry, the numbers of its
        passages in their order, as passage_vectors reports them; a number is never given twice.
        """

    def delete_skills(self, ids: Sequence[str]) -> int:
        """Delete skills and their passages; return how many existed."""

    def get_skill(self, skill_id: str) -> Skill:
        """Return the whole skill, body included; raises NotFoundError."""

    def iter_skills(self) -> Iterator[Skill]:
        """Yield every skill in id order, with an empty ``body`` (get_skill has it)."""

    def skill_digests(self, build_id: str) -> dict[str, str]:
        """Map skill id -> source digest, for skills whose vectors are of that model build."""

    def passage_vectors(self, build_id: str) -> PassageVectors:
        """Return every passage vector of that build, ordered by passage id."""

    def match_skills(self, query: str, limit: int) -> list[WordMatch]:
        """Return the best lexical hits by bm25 over all fields, best first, ties by id.

        Any text is a valid query: it is taken as words, never as FTS syntax.
        """

    def count_skill_use(self, skill_id: str) -> int:
        """Add one to ``usage_count`` and return the new value; raises NotFoundError."""

    def put_resource(
        self,
        *,
        content: str,
        target_uri: str,
        resource_type: str,
        session_id: str | None,
        metadata: Mapping[str, Any],
        note: str | None,
    ) -> Resource:
        """Store a new version under *target_uri*.

        With a *session_id* and a *note*, a system message with that note and the metadata
        ``{resource_id, target_uri}`` is appended to the session in the same transaction.
        """

    def get_resource(self, resource_id: str) -> Resource:
        """Return one version by id; raises NotFoundError."""

    def get_resource_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""

    def list_resources(
        self, *, resource_type: str | None, prefix: str | None, limit: int, after: str | None
    ) -> ResourcePage:
        """Return newest versions in URI order; *prefix* and *after* speak of URIs."""

    def delete_resource(self, resource_id: str) -> None:
        """Delete the resource of that id with every version of its URI; raises NotFoundError."""

    def append_message(
        self, session_id: str, role: str, content: str, metadata: Mapping[str, Any]
    ) -> Message:
        """Append to a session, which is created if missing."""

    def messages(self, session_id: str, *, last: int) -> list[Message]:
        """Return the *last* messages in order; an unknown session gives an empty list."""

    def check(self) -> None:
        """Prove that the store can be read and written; raises StoreError if not."""

    def stats(self) -> dict[str, int]:
        """Counts and sizes: skills, passages, resources, sessions, messages, bytes."""

    def close(self) -> None:
        """Finish queued writes and release the storage; may be called twice."""
