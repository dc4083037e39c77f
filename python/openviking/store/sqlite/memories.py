"""SqliteMemories: the MemoryStore interface over one SQLite file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openviking.store.sqlite import archive
from openviking.store.sqlite.values import checked_text

if TYPE_CHECKING:
    import apsw

    from openviking.store.sqlite.database import Database
    from openviking.types import ArchivedMessage

_POSITION = "memory_position"


class SqliteMemories:
    """Where memories come from; see store/memories.py.

    Args:
        database: the open file.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def position(self) -> int:
        """Return the number of the last message that is read for good; 0 at first."""
        with self._database.reading() as connection:
            value = connection.execute("SELECT value FROM meta WHERE key = ?", (_POSITION,)).get
            return 0 if value is None else int(value)

    def set_position(self, number: int) -> None:
        """Note that every message up to *number* is read."""

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (_POSITION, str(number))
            )

        self._database.write(work)

    def read(self, role: str, *, after: int, limit: int) -> tuple[list[ArchivedMessage], int]:
        """Return the messages of *role* among the next *limit* ones, and the last one's number."""
        checked_text(role, "role")
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute(
                "SELECT number, role = ? FROM messages WHERE number > ? ORDER BY number LIMIT ?",
                (role, after, limit),
            ).fetchall()
            chosen = [number for number, is_chosen in rows if is_chosen]
            return archive.get_many(connection, chosen), rows[-1][0] if rows else after

    def link(self, uri: str, message: int) -> bool:
        """Note that a memory comes from a message; False if the message is gone."""
        checked_text(uri, "uri")

        def work(connection: apsw.Connection) -> bool:
            connection.execute(
                "INSERT OR IGNORE INTO memory_sources (uri, message) "
                "SELECT ?, number FROM messages WHERE number = ?",
                (uri, message),
            )
            found = connection.execute("SELECT 1 FROM messages WHERE number = ?", (message,)).get
            return found is not None

        return self._database.write(work)

    def sources(self, uri: str) -> list[ArchivedMessage]:
        """Return the messages that a memory comes from and that still exist, by number."""
        checked_text(uri, "uri")
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute(
                "SELECT message FROM memory_sources WHERE uri = ? AND message IS NOT NULL", (uri,)
            ).fetchall()
            return archive.get_many(connection, [number for (number,) in rows])

    def stale(self, *, limit: int) -> list[str]:
        """Return memories of which a message was deleted."""
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute(
                "SELECT DISTINCT uri FROM memory_sources WHERE message IS NULL LIMIT ?", (limit,)
            ).fetchall()
            return [uri for (uri,) in rows]

    def unlink_deleted(self, uri: str) -> None:
        """Note that a memory has been made anew without its deleted messages."""
        checked_text(uri, "uri")

        def work(connection: apsw.Connection) -> None:
            connection.execute(
                "DELETE FROM memory_sources WHERE uri = ? AND message IS NULL", (uri,)
            )

        self._database.write(work)

    def scrub(self) -> None:
        """See that nothing of what was deleted stays readable in the storage files."""
        self._database.scrub()
