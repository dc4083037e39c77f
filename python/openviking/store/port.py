"""The Store interface: everything that must outlive the process.

A method that writes returns only when the write is on disk. All methods may be called from any
thread. One contract test suite (tests/store/) runs against every implementation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from openviking.store.matches import WordMatches
    from openviking.store.memories import MemoryStore
    from openviking.store.resources import ResourceStore
    from openviking.types import (
        Appended,
        ArchivedMessage,
        Message,
        MessageHit,
        MessageVectors,
        Namespace,
        NewMessage,
        PassageVectors,
        RowIds,
        Session,
        SessionPage,
        Skill,
        SkillEntry,
        Vectors,
    )


class ConversationStore(Protocol):
    """Sessions, their messages in order, and what makes old messages findable."""

    def append(
        self, namespace: Namespace, session_id: str, new: Sequence[NewMessage]
    ) -> list[Appended]:
        """Append in order, in one transaction, to a session that is created if missing.

        A message whose key the session knows is returned as it was stored, ``is_new`` False;
        raises ConflictError if role or content differ. So is the answer to an answered message.
        """

    def get_session(self, namespace: Namespace, session_id: str) -> Session:
        """Return what is known of a session; raises NotFoundError."""

    def list_sessions(self, namespace: Namespace, *, limit: int, after: str | None) -> SessionPage:
        """Return sessions in id order; *after* is an id."""

    def page(
        self, namespace: Namespace, session_id: str, *, after: int, limit: int
    ) -> list[Message]:
        """Return up to *limit* messages with a larger ``seq`` than *after*, oldest first."""

    def tail(
        self, namespace: Namespace, session_id: str, *, count: int, through: int | None = None
    ) -> list[Message]:
        """Return the last *count* messages that no flush put away, oldest first.

        With *through*, those up to that ``seq``. An unknown session gives an empty list.
        """

    def reply_to(self, namespace: Namespace, session_id: str, seq: int) -> Message | None:
        """Return the stored answer to a message, None if there is none."""

    def clear_windows(self, namespace: Namespace, session_id: str | None) -> int:
        """Put every message of a session, or of all, behind its window; return how many sessions.

        No message is deleted.
        """

    def delete_session(self, namespace: Namespace, session_id: str) -> int:
        """Delete a session, its messages, vectors and words; return how many messages.

        Nothing of them stays readable in the storage files. Raises NotFoundError.
        """

    def delete_messages_before(self, moment: datetime, *, limit: int) -> int:
        """Delete up to *limit* messages older than *moment*, then sessions that this emptied.

        Returns how many messages went.
        """

    def match(
        self, namespace: Namespace, session_id: str | None, terms: Sequence[str], *, limit: int
    ) -> list[MessageHit]:
        """Return the best messages by bm25 of *terms* (letters and digits), best first."""

    def get_many(self, numbers: Sequence[int]) -> list[ArchivedMessage]:
        """Return the messages of these numbers that exist, by number."""

    def without_vectors(
        self, build_id: str, *, after: int, limit: int, before: int
    ) -> list[tuple[ArchivedMessage, ...]]:
        """Return searchable messages without a vector of that build, with a number over *after*.

        Each comes last in a tuple behind up to *before* searchable messages that precede it.
        """

    def put_vectors(
        self, build_id: str, messages: Sequence[int], vectors: Vectors
    ) -> tuple[RowIds, RowIds]:
        """Store one vector per entry of *messages*, replacing all that these messages had.

        Messages deleted meanwhile are passed over. Returns which entries were stored, and the
        numbers of their vectors, both (m,) int64.
        """

    def vectors(self, namespace: Namespace, build_id: str, *, limit: int) -> MessageVectors:
        """Return the newest *limit* vectors of a namespace that were made by that build."""

    def count_active(self, since: datetime) -> int:
        """Count the sessions, of all namespaces, with a message at or after *since*."""

    def last_activity(self) -> datetime | None:
        """Return the time of the newest message of all namespaces, None without messages."""


class Store(Protocol):
    """What lasts: skills with their passage vectors, resources with versions, conversations."""

    @property
    def memories(self) -> MemoryStore:
        """The part that knows which messages memories come from."""

    @property
    def conversations(self) -> ConversationStore:
        """The part that keeps sessions and messages."""

    @property
    def resources(self) -> ResourceStore:
        """The part that keeps resources."""

    def put_skills(self, entries: Sequence[SkillEntry]) -> Sequence[RowIds]:
        """Insert or replace skills with all their passages, in one transaction.

        ``usage_count`` of an existing skill is kept, and an id that is switched off stays so;
        ``is_disabled`` switches it off. Returns, for each entry, the numbers of its passages in
        their order, as passage_vectors reports them; a number is never given twice.
        """

    def delete_skills(self, ids: Sequence[str], *, forget: bool = False) -> int:
        """Delete skills and their passages; return how many existed.

        An id that is switched off stays so for a skill that gets it later, unless *forget*.
        """

    def switch_skills(self, ids: Sequence[str], *, is_disabled: bool) -> None:
        """Switch ids off or on, in one transaction; an id need have no skill."""

    def disabled_skills(self) -> frozenset[str]:
        """Return the ids that are switched off, also those that no skill has at the moment."""

    def waiting_skills(self) -> Mapping[str, str]:
        """Return what :meth:`put_waiting_skills` stored: file -> the id that it waits for."""

    def put_waiting_skills(self, files: Mapping[str, str]) -> None:
        """Replace the files that gave way to a skill of the same name."""

    def get_skill(self, skill_id: str) -> Skill:
        """Return the whole skill, body included; raises NotFoundError."""

    def iter_skills(self) -> Iterator[Skill]:
        """Yield every skill in id order, with an empty ``body`` (get_skill has it)."""

    def skill_digests(self, build_id: str) -> dict[str, str]:
        """Map skill id -> source digest, for skills whose vectors are of that model build."""

    def passage_vectors(self, build_id: str, *, skill_id: str | None = None) -> PassageVectors:
        """Return every passage vector of that build, or of one skill, ordered by passage id."""

    def match_skills(self, query: str, limit: int = 0, *, parts: Sequence[str] = ()) -> WordMatches:
        """Return bm25 over all fields of all skills, and the best of them by it.

        Any text is a valid query: it is taken as words, never as syntax. Skills that are hidden
        (``disable_model_invocation``, ``is_disabled``) match nothing.

        Args:
            query: words of any kind.
            limit: skills at most that are named as hits, best first, ties by id.
            parts: the query cut between words, or none: each is also matched for itself.
        """

    def count_skill_use(self, skill_id: str) -> int:
        """Add one to ``usage_count`` and return the new value; raises NotFoundError."""

    def append_message(
        self, session_id: str, role: str, content: str, metadata: Mapping[str, Any]
    ) -> Message:
        """Append to a session of the nameless namespace, which is created if missing."""

    def messages(self, session_id: str, *, last: int) -> list[Message]:
        """Return the *last* messages in order; an unknown session gives an empty list."""

    def check(self) -> None:
        """Prove that the store can be read and written; raises StoreError if not."""

    def stats(self) -> dict[str, int]:
        """Counts and sizes: skills, passages, resources, sessions, messages, bytes."""

    def close(self) -> None:
        """Finish queued writes and release the storage; may be called twice."""
