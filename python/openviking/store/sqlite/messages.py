"""Messages as rows: ``seq`` counts from 1 within a session and never names two messages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import ConflictError
from openviking.store.sqlite import sessions
from openviking.store.sqlite.values import (
    checked_text,
    from_microseconds,
    mapping_to_json,
    to_microseconds,
)
from openviking.store.words import identifier_forms
from openviking.types import REPLY_TO_PREVIOUS, Appended, Message, Namespace, NewMessage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import apsw

COLUMNS = "seq, role, content, metadata, messages.created_at, reply_to"
"""What to_message reads, in its order."""


@dataclass(frozen=True, slots=True)
class PreparedMessage:
    """A checked message as column values; ``about`` and ``words`` are indexed besides."""

    role: str
    content: str
    metadata: str
    created_at: int
    is_searchable: bool
    about: str = ""
    words: str = ""
    key: str | None = None
    reply_to: int | None = None
    seq: int | None = None


def prepare(new: NewMessage, now: datetime, *loc: str | int) -> PreparedMessage:
    """Check *new* and turn it into column values, so that the writer only writes.

    Raises:
        InputError: a text or JSON value that cannot be stored; ``loc`` starts at *loc*.
    """
    content = checked_text(new.content, *loc, "content")
    is_searchable = new.is_searchable and bool(content.strip())
    about = checked_text(new.about, *loc, "about")
    return PreparedMessage(
        role=checked_text(new.role, *loc, "role"),
        content=content,
        metadata=mapping_to_json(new.metadata, *loc, "metadata"),
        created_at=to_microseconds(new.created_at or now, *loc, "created_at"),
        is_searchable=is_searchable,
        about=about,
        words=identifier_forms(content) if is_searchable else "",
        key=None if new.key is None else checked_text(new.key, *loc, "key"),
        reply_to=new.reply_to,
        seq=new.seq,
    )


def append(
    connection: apsw.Connection,
    namespace: Namespace,
    session_id: str,
    new: Sequence[PreparedMessage],
) -> list[Appended]:
    """Append in order to the session, which is created if missing."""
    state = sessions.open_or_create(connection, namespace, session_id, new[0].created_at)
    done: list[Appended] = []
    for message in new:
        if message.reply_to == REPLY_TO_PREVIOUS:
            done.append(_append_one(connection, state, message, done[-1].message.seq))
        else:
            done.append(_append_one(connection, state, message, message.reply_to))
    sessions.save(connection, state)
    return done


def _append_one(
    connection: apsw.Connection,
    state: sessions.OpenSession,
    new: PreparedMessage,
    reply_to: int | None,
) -> Appended:
    known = _find_known(connection, state, new, reply_to)
    if known is not None:
        return Appended(known, state.described(), is_new=False)
    state.add(new.created_at)
    scope = f"n{state.namespace_number} s{state.number}"
    connection.execute(
        "INSERT INTO messages (session, seq, role, metadata, created_at, reply_to, key, "
        "is_searchable, scope, about, words, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            state.number,
            state.last_seq,
            new.role,
            new.metadata,
            new.created_at,
            reply_to,
            new.key,
            int(new.is_searchable),
            scope,
            new.about,
            new.words,
            new.content,
        ),
    )
    if new.is_searchable:
        connection.execute(
            "INSERT INTO message_words (rowid, content, words, about, scope) "
            "VALUES (?, ?, ?, ?, ?)",
            (connection.last_insert_rowid(), new.content, new.words, new.about, scope),
        )
    row = (state.last_seq, new.role, new.content, new.metadata, new.created_at, reply_to)
    return Appended(to_message(state.id, row), state.described(), is_new=True)


def _find_known(
    connection: apsw.Connection,
    state: sessions.OpenSession,
    new: PreparedMessage,
    reply_to: int | None,
) -> Message | None:
    """Return the stored message that *new* repeats, None if it is one of its own."""
    if new.key is not None:
        row = _one(connection, "session = ? AND key = ?", (state.number, new.key))
        if row is not None:
            if (row[1], row[2]) != (new.role, new.content):
                raise ConflictError(
                    f"the idempotency key {new.key[:80]!r} was used in this session for another "
                    "message; use a new key for a new message"
                )
            return to_message(state.id, row)
    if reply_to is not None:
        # Two that retried one message at the same time both made an answer: the first stands.
        reply = find_reply(connection, state.number, state.id, reply_to)
        if reply is not None:
            return reply
    if new.seq is not None:
        row = _one(connection, "session = ? AND seq = ?", (state.number, new.seq))
        same = (new.role, new.content, new.created_at)
        if row is not None and (row[1], row[2], row[4]) == same:
            return to_message(state.id, row)
    return None


def page(connection: apsw.Connection, session: int, session_id: str, span: Span) -> list[Message]:
    """Return the messages of a span, oldest first."""
    order = "DESC" if span.from_end else "ASC"
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE session = ? AND seq > ? AND seq <= ? "  # noqa: S608 - constants
        f"ORDER BY seq {order} LIMIT ?",
        (session, span.after, span.through, max(span.limit, 0)),
    ).fetchall()
    return [to_message(session_id, row) for row in (reversed(rows) if span.from_end else rows)]


@dataclass(frozen=True, slots=True)
class Span:
    """Messages behind the number ``after``, up to ``through``: the first ``limit`` or the last."""

    limit: int
    after: int = 0
    through: int = 2**63 - 1
    from_end: bool = False


def find_reply(
    connection: apsw.Connection, session: int, session_id: str, seq: int
) -> Message | None:
    """Return the first answer to a message."""
    row = _one(connection, "session = ? AND reply_to = ?", (session, seq))
    return None if row is None else to_message(session_id, row)


def _one(
    connection: apsw.Connection, condition: str, values: tuple[Any, ...]
) -> tuple[Any, ...] | None:
    return connection.execute(
        f"SELECT {COLUMNS} FROM messages WHERE {condition} ORDER BY seq LIMIT 1",  # noqa: S608 - constants
        values,
    ).fetchone()


def to_message(session_id: str, row: Sequence[Any]) -> Message:
    """Make a record of a row of COLUMNS."""
    return Message(
        session_id=session_id,
        seq=row[0],
        role=row[1],
        content=row[2],
        metadata=json.loads(row[3]) if row[3] != "{}" else {},
        created_at=from_microseconds(row[4]),
        reply_to=row[5],
    )


def delete_some(
    connection: apsw.Connection, condition: str, values: tuple[Any, ...], limit: int
) -> int:
    """Delete up to *limit* messages, oldest first, with words and vectors; return how many.

    Sessions that this empties go too.

    Args:
        connection: the writer's.
        condition: SQL over the columns of ``messages``, a constant of the caller.
        values: its parameters.
        limit: messages at most.
    """
    rows: list[Any] = connection.execute(
        f"SELECT number, session FROM messages WHERE {condition} ORDER BY number LIMIT ?",  # noqa: S608 - constants
        (*values, limit),
    ).fetchall()
    for number, session in rows:
        # The index reads the words that it has to forget from the message, so it goes first.
        connection.execute(
            "DELETE FROM message_words WHERE rowid = "
            "(SELECT number FROM messages WHERE number = ? AND is_searchable)",
            (number,),
        )
        connection.execute("DELETE FROM messages WHERE number = ?", (number,))
        sessions.count_deleted(connection, session)
    for session in {session for _, session in rows}:
        sessions.delete_empty(connection, session)
    return len(rows)
