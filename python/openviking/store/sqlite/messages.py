"""Sessions and their messages as rows; ``seq`` counts from 1 within a session, without gaps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.store.sqlite.values import from_microseconds
from openviking.types import Message

if TYPE_CHECKING:
    import apsw


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A checked message as column values."""

    session_id: str
    role: str
    content: str
    metadata: str
    created_at: int


def append(connection: apsw.Connection, new: PreparedMessage) -> Message:
    """Append to the session, which is created if missing."""
    row: Any = connection.execute(
        "INSERT INTO sessions (id, created_at, last_activity, message_count) VALUES (?1, ?2, ?2, 1)"
        " ON CONFLICT (id) DO UPDATE SET message_count = message_count + 1, last_activity = ?2"
        " RETURNING number, message_count",
        (new.session_id, new.created_at),
    ).fetchone()
    session, seq = row
    connection.execute(
        "INSERT INTO messages (session, seq, role, metadata, created_at, content) "
        "VALUES (?, ?, ?, ?, ?, ?)",
        (session, seq, new.role, new.metadata, new.created_at, new.content),
    )
    return Message(
        session_id=new.session_id,
        seq=seq,
        role=new.role,
        content=new.content,
        metadata=json.loads(new.metadata),
        created_at=from_microseconds(new.created_at),
    )


def last(connection: apsw.Connection, session_id: str, count: int) -> list[Message]:
    """Return the last *count* messages of a session, oldest first."""
    rows = connection.execute(
        "SELECT seq, role, content, metadata, messages.created_at FROM messages "
        "JOIN sessions ON sessions.number = session WHERE sessions.id = ? "
        "ORDER BY seq DESC LIMIT ?",
        (session_id, max(count, 0)),
    ).fetchall()
    return [
        Message(
            session_id=session_id,
            seq=row[0],
            role=row[1],
            content=row[2],
            metadata=json.loads(row[3]),
            created_at=from_microseconds(row[4]),
        )
        for row in reversed(rows)
    ]
