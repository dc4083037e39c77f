"""SqliteConversations: the ConversationStore interface over one SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.errors import InputError
from openviking.store.sqlite import archive, messages, sessions
from openviking.store.sqlite.values import checked_text, from_microseconds, to_microseconds
from openviking.types import REPLY_TO_PREVIOUS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import apsw

    from openviking.store.sqlite.database import Database
    from openviking.types import (
        Appended,
        ArchivedMessage,
        Message,
        MessageHit,
        MessageVectors,
        Namespace,
        NewMessage,
        RowIds,
        Session,
        SessionPage,
        Vectors,
    )

_DELETED_AT_ONCE = 500
"""Messages of one transaction of a deletion: others' writes wait for some milliseconds only."""


class SqliteConversations:
    """Sessions and messages; see store/port.py.

    Args:
        database: the open file.
        now: dates messages that carry no time.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._now = now

    def append(
        self, namespace: Namespace, session_id: str, new: Sequence[NewMessage]
    ) -> list[Appended]:
        """Append in order, in one transaction, to a session that is created if missing."""
        _check(namespace, session_id)
        if not new:
            raise InputError("messages: expected at least one, got none", loc=("messages",))
        if new[0].reply_to == REPLY_TO_PREVIOUS:
            raise InputError("messages.0: answers the one before it, but is the first")
        now = self._now()
        prepared = [
            messages.prepare(message, now, *(() if len(new) == 1 else ("messages", at)))
            for at, message in enumerate(new)
        ]
        return self._database.write(
            lambda connection: messages.append(connection, namespace, session_id, prepared)
        )

    def get_session(self, namespace: Namespace, session_id: str) -> Session:
        """Return what is known of a session; raises NotFoundError."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            return sessions.get(connection, namespace, session_id).described()

    def list_sessions(self, namespace: Namespace, *, limit: int, after: str | None) -> SessionPage:
        """Return sessions in id order; *after* is an id."""
        _check(namespace, after)
        with self._database.reading() as connection:
            return sessions.page(connection, namespace, limit=max(limit, 1), after=after)

    def page(
        self, namespace: Namespace, session_id: str, *, after: int, limit: int
    ) -> list[Message]:
        """Return up to *limit* messages behind the number *after*; raises NotFoundError."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            session = sessions.get(connection, namespace, session_id)
            span = messages.Span(limit, after=after)
            return messages.page(connection, session.number, session_id, span)

    def tail(
        self, namespace: Namespace, session_id: str, *, count: int, through: int | None = None
    ) -> list[Message]:
        """Return the last *count* messages that no flush put away, oldest first."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            session = sessions.find(connection, namespace, session_id)
            if session is None:
                return []
            last = session.last_seq if through is None else through
            span = messages.Span(count, session.window_start, last, from_end=True)
            return messages.page(connection, session.number, session_id, span)

    def last(self, namespace: Namespace, session_id: str, count: int) -> list[Message]:
        """Return the last *count* messages, those behind the window included, oldest first."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            session = sessions.find(connection, namespace, session_id)
            if session is None:
                return []
            span = messages.Span(count, from_end=True)
            return messages.page(connection, session.number, session_id, span)

    def reply_to(self, namespace: Namespace, session_id: str, seq: int) -> Message | None:
        """Return the stored answer to a message, None if there is none."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            session = sessions.find(connection, namespace, session_id)
            if session is None:
                return None
            return messages.find_reply(connection, session.number, session_id, seq)

    def clear_windows(self, namespace: Namespace, session_id: str | None) -> int:
        """Put every message of a session, or of all, behind its window; return how many."""
        _check(namespace, session_id)
        return self._database.write(
            lambda connection: sessions.clear_windows(connection, namespace, session_id)
        )

    def delete_session(self, namespace: Namespace, session_id: str) -> int:
        """Delete a session with all that belongs to it; return how many messages it had.

        Done in slices, so that other writes go on; a crash leaves a shorter session, and the same
        call finishes the work. Raises NotFoundError.
        """
        _check(namespace, session_id)
        with self._database.reading() as connection:
            number = sessions.get(connection, namespace, session_id).number

        def some(connection: apsw.Connection) -> int:
            gone = messages.delete_some(connection, "session = ?", (number,), _DELETED_AT_ONCE)
            sessions.delete_empty(connection, number)
            return gone

        count = gone = self._database.write(some)
        while gone == _DELETED_AT_ONCE:
            gone = self._database.write(some)
            count += gone
        self._database.scrub()
        return count

    def delete_messages_before(self, moment: datetime, *, limit: int) -> int:
        """Delete up to *limit* messages older than *moment*, and sessions that this emptied."""
        before = to_microseconds(moment, "moment")
        gone = self._database.write(
            lambda connection: messages.delete_some(connection, "created_at < ?", (before,), limit)
        )
        if gone:
            self._database.scrub()
        return gone

    def match(
        self, namespace: Namespace, session_id: str | None, terms: Sequence[str], *, limit: int
    ) -> list[MessageHit]:
        """Return the best messages by bm25 of *terms*, best first."""
        _check(namespace, session_id)
        with self._database.reading() as connection:
            scope = sessions.scope(connection, namespace, session_id)
            return [] if scope is None else archive.match(connection, scope, terms, limit)

    def get_many(self, numbers: Sequence[int]) -> list[ArchivedMessage]:
        """Return the messages of these numbers that exist, by number."""
        with self._database.reading() as connection:
            return archive.get_many(connection, numbers)

    def without_vectors(
        self, build_id: str, *, after: int, limit: int, before: int
    ) -> list[tuple[ArchivedMessage, ...]]:
        """Return searchable messages without a vector of that build, each behind its neighbours."""
        checked_text(build_id, "build_id")
        with self._database.reading() as connection:
            return archive.without_vectors(connection, build_id, after, limit, before)

    def put_vectors(
        self, build_id: str, messages: Sequence[int], vectors: Vectors
    ) -> tuple[RowIds, RowIds]:
        """Store one vector per entry of *messages*, replacing all that these messages had."""
        checked_text(build_id, "build_id")
        rows = archive.vector_rows(vectors, len(messages))
        owners = [int(number) for number in messages]
        return self._database.write(
            lambda connection: archive.put_vectors(connection, build_id, owners, rows)
        )

    def vectors(self, namespace: Namespace, build_id: str, *, limit: int) -> MessageVectors:
        """Return the newest vectors of a namespace that were made by that build."""
        _check(namespace, None)
        checked_text(build_id, "build_id")
        with self._database.reading() as connection:
            return archive.vectors(connection, namespace, build_id, limit)

    def count_active(self, since: datetime) -> int:
        """Count the sessions, of all namespaces, with a message at or after *since*."""
        with self._database.reading() as connection:
            return sessions.count_active(connection, to_microseconds(since))

    def last_activity(self) -> datetime | None:
        """Return the time of the newest message of all namespaces, None without messages."""
        with self._database.reading() as connection:
            newest = sessions.newest_activity(connection)
            return None if newest is None else from_microseconds(newest)


def _check(namespace: Namespace, session_id: str | None) -> None:
    checked_text(namespace.user, "user")
    checked_text(namespace.agent, "agent")
    if session_id is not None:
        checked_text(session_id, "session_id")
