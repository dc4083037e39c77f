"""Resources as rows: every version of a URI, exactly one of them the newest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import NotFoundError
from openviking.store.sqlite import messages
from openviking.store.sqlite.values import from_microseconds
from openviking.types import Namespace, Resource, ResourcePage

if TYPE_CHECKING:
    import apsw

_COLUMNS = "id, target_uri, content, resource_type, session_id, metadata, version, created_at"
_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class PreparedResource:
    """A checked resource as column values; ``note`` is the message for its session, if any."""

    id: str
    target_uri: str
    content: str
    resource_type: str
    session_id: str | None
    metadata: str
    created_at: int
    note: str | None


def put(connection: apsw.Connection, new: PreparedResource) -> Resource:
    """Store a new version and make it the newest of its URI; append the note to its session."""
    version = connection.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM resources WHERE target_uri = ?",
        (new.target_uri,),
    ).get
    connection.execute(
        "UPDATE resources SET is_newest = 0 WHERE target_uri = ? AND is_newest = 1",
        (new.target_uri,),
    )
    row: Any = connection.execute(
        f"INSERT INTO resources ({_COLUMNS}, is_newest) "  # noqa: S608 - a constant
        f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING {_COLUMNS}",
        (
            new.id,
            new.target_uri,
            new.content,
            new.resource_type,
            new.session_id,
            new.metadata,
            version,
            new.created_at,
        ),
    ).fetchone()
    if new.session_id is not None and new.note is not None:
        about = json.dumps({"resource_id": new.id, "target_uri": new.target_uri})
        # Book-keeping, not something said: a search for the resource finds the resource.
        message = messages.PreparedMessage(
            "system", new.note, about, new.created_at, is_searchable=False
        )
        messages.append(connection, Namespace(), new.session_id, [message])
    return _to_resource(row)


def get(connection: apsw.Connection, resource_id: str) -> Resource:
    """Return one version; raises NotFoundError."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM resources WHERE id = ?",  # noqa: S608 - a constant
        (resource_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no resource has the id {resource_id!r}")
    return _to_resource(row)


def get_by_uri(connection: apsw.Connection, target_uri: str) -> Resource:
    """Return the newest version of a URI; raises NotFoundError."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM resources "  # noqa: S608 - a constant
        "WHERE target_uri = ? AND is_newest = 1",
        (target_uri,),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no resource has the URI {target_uri!r}")
    return _to_resource(row)


def page(
    connection: apsw.Connection,
    *,
    resource_type: str | None,
    prefix: str | None,
    limit: int,
    after: str | None,
) -> ResourcePage:
    """Return up to *limit* newest versions in URI order, behind the URI *after*.

    The order is that of UTF-8 bytes, which is the order of code points. Each page costs one index
    walk, however far into the list it lies, and a URI added or deleted meanwhile shifts nothing.
    """
    conditions, values = ["is_newest = 1"], list[Any]()
    if resource_type is not None:
        conditions.append("resource_type = ?")
        values.append(resource_type)
    if prefix:
        conditions.append("target_uri >= ?")
        values.append(prefix)
        if (end := _end_of_prefix(prefix)) is not None:
            conditions.append("target_uri < ?")
            values.append(end)
    if after is not None:
        conditions.append("target_uri > ?")
        values.append(after)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM resources "  # noqa: S608 - constants; values are bound
        f"WHERE {' AND '.join(conditions)} ORDER BY target_uri LIMIT ?",
        (*values, max(limit, 0) + 1),
    ).fetchall()
    found = tuple(_to_resource(row) for row in rows[: max(limit, 0)])
    return ResourcePage(found, found[-1].target_uri if len(rows) > limit and found else None)


def delete(connection: apsw.Connection, resource_id: str) -> None:
    """Delete every version of the URI that the resource belongs to; raises NotFoundError."""
    target_uri = get(connection, resource_id).target_uri
    connection.execute("DELETE FROM resources WHERE target_uri = ?", (target_uri,))


def _end_of_prefix(prefix: str) -> str | None:
    """Return the first text behind everything that starts with *prefix*, None if none is."""
    kept = prefix.rstrip(_LAST_CHARACTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters of UTF-8: the one behind U+D7FF is U+E000.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)


def _to_resource(row: tuple[Any, ...]) -> Resource:
    return Resource(
        id=row[0],
        target_uri=row[1],
        content=row[2],
        resource_type=row[3],
        session_id=row[4],
        metadata=json.loads(row[5]),
        version=row[6],
        created_at=from_microseconds(row[7]),
    )
