"""What makes old messages findable: their words in FTS5, their vectors, and what is still to do."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import ShapeError
from openviking.store.sqlite import messages
from openviking.store.sqlite.builds import build_number
from openviking.types import ArchivedMessage, MessageHit, MessageVectors, Namespace

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw

    from openviking.types import RowIds, Vectors

# Half precision: 1.5 KB instead of 3 for 768 numbers, two rows to a page; a cosine moves by less
# than 0.0005, far below what tells two messages apart.
_FLOAT16 = np.dtype("<f2")

# The words repeat parts of the content in other forms; who spoke and when only decides between
# messages that match otherwise alike; the scope narrows the search and tells nothing.
_MATCH = """
SELECT rowid, -bm25(message_words, 1.0, 0.6, 0.05, 0.0) AS score FROM message_words
WHERE message_words MATCH ? ORDER BY score DESC, rowid DESC LIMIT ?
"""


def match(
    connection: apsw.Connection, scope: str, terms: Sequence[str], limit: int
) -> list[MessageHit]:
    """Return the best messages of a scope by bm25 of *terms*, best first."""
    if not terms or limit < 1:
        return []
    words = " OR ".join(f'"{term}"' for term in terms)
    query = f"scope : {scope} AND {{content words about}} : ({words})"
    rows: list[Any] = connection.execute(
        "SELECT number, session, seq, score FROM "  # noqa: S608 - a constant of this module
        f"({_MATCH}) JOIN messages ON number = rowid ORDER BY score DESC, number DESC",
        (query, limit),
    ).fetchall()
    return [MessageHit(*row) for row in rows]


def get_many(connection: apsw.Connection, numbers: Sequence[int]) -> list[ArchivedMessage]:
    """Return the messages of *numbers* that exist, by number."""
    # One statement for all: of many small ones, the calls cost more than the reading.
    rows: list[Any] = connection.execute(
        "SELECT messages.number, user, agent, session, sessions.id, "  # noqa: S608 - a constant
        f"{messages.COLUMNS} FROM json_each(?) CROSS JOIN messages ON messages.number = value "
        "JOIN sessions ON sessions.number = session "
        "JOIN namespaces ON namespaces.number = namespace",
        (json.dumps(sorted(set(numbers))),),
    ).fetchall()
    return [
        ArchivedMessage(
            Namespace(user, agent), number, session, messages.to_message(session_id, fields)
        )
        for number, user, agent, session, session_id, *fields in rows
    ]


def without_vectors(
    connection: apsw.Connection, build_id: str, after: int, limit: int, before: int
) -> list[tuple[ArchivedMessage, ...]]:
    """Return messages that no vector of the build stands for, each behind its predecessors."""
    rows: list[Any] = connection.execute(
        "SELECT number, session, seq FROM messages WHERE is_searchable AND number > ? "
        "AND NOT EXISTS (SELECT 1 FROM message_vectors WHERE message = messages.number "
        "AND build = (SELECT number FROM builds WHERE build_id = ?)) ORDER BY number LIMIT ?",
        (after, build_id, limit),
    ).fetchall()
    groups = [[*_predecessors(connection, row[1], row[2], before), row[0]] for row in rows]
    known = {
        found.number: found
        for found in get_many(connection, [n for group in groups for n in group])
    }
    return [tuple(known[number] for number in group) for group in groups]


def _predecessors(connection: apsw.Connection, session: int, seq: int, count: int) -> list[int]:
    rows: list[Any] = connection.execute(
        "SELECT number FROM messages WHERE session = ? AND seq < ? AND is_searchable "
        "ORDER BY seq DESC LIMIT ?",
        (session, seq, count),
    ).fetchall()
    return [row[0] for row in reversed(rows)]


def put_vectors(
    connection: apsw.Connection, build_id: str, owners: Sequence[int], rows: Sequence[bytes]
) -> tuple[RowIds, RowIds]:
    """Store vectors; return the positions that were stored and the numbers of their vectors.

    Args:
        connection: the writer's.
        build_id: what made them.
        owners: message number of each vector.
        rows: what :func:`vector_rows` made of them.
    """
    dim = len(rows[0]) // _FLOAT16.itemsize if rows else 0
    build = build_number(connection, build_id, dim)
    alive = {
        owner
        for owner in set(owners)
        if connection.execute("SELECT 1 FROM messages WHERE number = ?", (owner,)).get
    }
    for owner in alive:
        connection.execute("DELETE FROM message_vectors WHERE message = ?", (owner,))
    kept = [at for at, owner in enumerate(owners) if owner in alive]
    numbers = []
    for at in kept:
        connection.execute(
            "INSERT INTO message_vectors (message, build, vector) VALUES (?, ?, ?)",
            (owners[at], build, rows[at]),
        )
        numbers.append(connection.last_insert_rowid())
    return np.array(kept, dtype=np.int64), np.array(numbers, dtype=np.int64)


def vector_rows(vectors: Vectors, count: int) -> list[bytes]:
    """Turn (count, dim) float32 into column values; raises ShapeError for anything else."""
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != count:
        raise ShapeError(
            f"vectors: expected ({count}, dim) float32, got {vectors.shape} {vectors.dtype}",
            loc=("vectors",),
        )
    if not np.isfinite(vectors).all():
        raise ShapeError("vectors: expected finite numbers", loc=("vectors",))
    return [row.tobytes() for row in vectors.astype(_FLOAT16)]


def vectors(
    connection: apsw.Connection, namespace: Namespace, build_id: str, limit: int
) -> MessageVectors:
    """Read the newest *limit* vectors of a namespace into arrays, by number."""
    rows: list[Any] = connection.execute(
        "SELECT v.number, messages.number, session, seq, vector FROM message_vectors AS v "
        "JOIN messages ON messages.number = message JOIN sessions ON sessions.number = session "
        "WHERE build = (SELECT number FROM builds WHERE build_id = ?) AND namespace = "
        "(SELECT number FROM namespaces WHERE user = ? AND agent = ?) "
        "ORDER BY v.number DESC LIMIT ?",
        (build_id, namespace.user, namespace.agent, limit),
    ).fetchall()
    rows.reverse()
    packed = np.frombuffer(b"".join(row[4] for row in rows), dtype=_FLOAT16)
    columns = np.array([row[:4] for row in rows], dtype=np.int64).reshape(len(rows), 4)
    return MessageVectors(
        numbers=columns[:, 0].copy(),
        messages=columns[:, 1].copy(),
        sessions=columns[:, 2].copy(),
        seqs=columns[:, 3].copy(),
        vectors=packed.astype(np.float32).reshape(len(rows), -1 if rows else 0),
    )
