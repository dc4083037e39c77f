"""Namespaces and sessions as rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import NotFoundError
from openviking.store.sqlite.values import from_microseconds
from openviking.types import Namespace, Session, SessionPage

if TYPE_CHECKING:
    import apsw

_COLUMNS = "number, id, created_at, last_activity, message_count, last_seq, window_start, namespace"
COUNT_ACTIVE = "SELECT count(*) FROM sessions WHERE last_activity >= ? AND message_count > 0"
"""Walks the index of those that are active and no other session."""

_SCOPE = "namespace = (SELECT number FROM namespaces WHERE user = ? AND agent = ?)"


@dataclass(slots=True)
class OpenSession:
    """A session's row while messages are appended to it."""

    namespace: Namespace
    number: int
    id: str
    created_at: int
    last_activity: int
    message_count: int
    last_seq: int
    window_start: int
    namespace_number: int

    def add(self, moment: int) -> None:
        """Count one more message, said at *moment*."""
        self.message_count += 1
        self.last_seq += 1
        # Restored messages are older than the session's last activity and do not change it.
        self.last_activity = max(self.last_activity, moment)

    def described(self) -> Session:
        """Return the row as a record."""
        return Session(
            id=self.id,
            namespace=self.namespace,
            created_at=from_microseconds(self.created_at),
            last_activity=from_microseconds(self.last_activity),
            message_count=self.message_count,
            last_seq=self.last_seq,
            window_start=self.window_start,
            number=self.number,
        )


def open_or_create(
    connection: apsw.Connection, namespace: Namespace, session_id: str, now: int
) -> OpenSession:
    """Return the session's row, made at *now* if there is none."""
    found = find(connection, namespace, session_id)
    if found is not None:
        return found
    connection.execute(
        "INSERT OR IGNORE INTO namespaces (user, agent) VALUES (?, ?)",
        (namespace.user, namespace.agent),
    )
    owner = connection.execute(
        "SELECT number FROM namespaces WHERE user = ? AND agent = ?",
        (namespace.user, namespace.agent),
    ).get
    row: Any = connection.execute(
        "INSERT INTO sessions (namespace, id, created_at, last_activity, message_count, last_seq) "  # noqa: S608 - a constant
        f"VALUES (?1, ?2, ?3, ?3, 0, 0) RETURNING {_COLUMNS}",
        (owner, session_id, now),
    ).fetchone()
    return OpenSession(namespace, *row)


def save(connection: apsw.Connection, state: OpenSession) -> None:
    """Write the counts back."""
    connection.execute(
        "UPDATE sessions SET message_count = ?, last_seq = ?, last_activity = ? WHERE number = ?",
        (state.message_count, state.last_seq, state.last_activity, state.number),
    )


def get(connection: apsw.Connection, namespace: Namespace, session_id: str) -> OpenSession:
    """Return the session's row; raises NotFoundError."""
    found = find(connection, namespace, session_id)
    if found is None:
        raise NotFoundError(f"no session has the id {session_id[:300]!r}")
    return found


def find(connection: apsw.Connection, namespace: Namespace, session_id: str) -> OpenSession | None:
    """Return the session's row, None if there is none."""
    row: Any = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions WHERE {_SCOPE} AND id = ?",  # noqa: S608 - constants
        (namespace.user, namespace.agent, session_id),
    ).fetchone()
    return None if row is None else OpenSession(namespace, *row)


def scope(connection: apsw.Connection, namespace: Namespace, session_id: str | None) -> str | None:
    """Return the token that stands in the index for a session, or for its whole namespace."""
    if session_id is not None:
        session = find(connection, namespace, session_id)
        return None if session is None else f"s{session.number}"
    number = connection.execute(
        "SELECT number FROM namespaces WHERE user = ? AND agent = ?",
        (namespace.user, namespace.agent),
    ).get
    return None if number is None else f"n{number}"


def page(
    connection: apsw.Connection, namespace: Namespace, *, limit: int, after: str | None
) -> SessionPage:
    """Return up to *limit* sessions behind the id *after*, in id order."""
    rows: list[Any] = connection.execute(
        f"SELECT {_COLUMNS} FROM sessions "  # noqa: S608 - constants
        # No id is smaller than the empty one, and the empty one is none.
        f"WHERE {_SCOPE} AND id > ? ORDER BY id LIMIT ?",
        (namespace.user, namespace.agent, after or "", limit + 1),
    ).fetchall()
    found = tuple(OpenSession(namespace, *row).described() for row in rows[:limit])
    return SessionPage(found, found[-1].id if len(rows) > limit else None)


def clear_windows(connection: apsw.Connection, namespace: Namespace, session_id: str | None) -> int:
    """Put all messages behind the window of one session, or of all; return how many sessions."""
    connection.execute(
        f"UPDATE sessions SET window_start = last_seq WHERE {_SCOPE} "  # noqa: S608 - constants
        "AND (?3 IS NULL OR id = ?3)",
        (namespace.user, namespace.agent, session_id),
    )
    return connection.changes()


def count_deleted(connection: apsw.Connection, session: int) -> None:
    """Take a deleted message off its session's count."""
    connection.execute(
        "UPDATE sessions SET message_count = message_count - 1 WHERE number = ?", (session,)
    )


def delete_empty(connection: apsw.Connection, session: int) -> None:
    """Delete a session if it has no message left."""
    connection.execute("DELETE FROM sessions WHERE number = ? AND message_count = 0", (session,))


def count_active(connection: apsw.Connection, since: int) -> int:
    """Count sessions whose last message is not older than *since*, in microseconds."""
    return int(connection.execute(COUNT_ACTIVE, (since,)).get)


def newest_activity(connection: apsw.Connection) -> int | None:
    """Return the time of the newest message, in microseconds; None without messages."""
    newest: int | None = connection.execute(
        "SELECT max(last_activity) FROM sessions WHERE message_count > 0"
    ).get
    return newest
