"""Resources as rows: every version of a URI, exactly one of them the newest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import NotFoundError
from openviking.store.resources import StoredResource
from openviking.store.sqlite import messages, resource_facts
from openviking.store.sqlite.values import from_microseconds
from openviking.types import Namespace, Resource, ResourcePage

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

    from openviking.store.bags import WordBag
    from openviking.store.resources import ResourceFilter

COLUMNS = (
    "id, resources.target_uri, content, resource_type, session_id, metadata, resources.version, "
    "created_at, expires_at"
)
"""What to_resource reads, in its order."""

IS_ALIVE = "(resources.expires_at IS NULL OR resources.expires_at > ?)"

_NAMES = (
    "id, target_uri, content, resource_type, session_id, metadata, version, created_at, expires_at"
)
# Of a URI whose newest version has expired, no version is left.
_ALIVE_BY_ID = f"""
SELECT number, {COLUMNS} FROM resources WHERE id = ?1
AND (expires_at IS NULL OR expires_at > ?2) AND EXISTS (SELECT 1 FROM resources AS newest
WHERE newest.target_uri = resources.target_uri AND newest.is_newest = 1
AND (newest.expires_at IS NULL OR newest.expires_at > ?2))
"""  # noqa: S608 - a constant


@dataclass(frozen=True, slots=True)
class PreparedResource:
    """A checked resource as column values, with what makes it findable."""

    id: str
    target_uri: str
    content: str
    resource_type: str
    session_id: str | None
    metadata: str
    created_at: int
    now: int
    expires_at: int | None
    note: str | None
    facts: Mapping[str, str]
    words: WordBag


def put(connection: apsw.Connection, new: PreparedResource) -> StoredResource:
    """Store a new version and make it the newest of its URI; append the note to its session."""
    replaced = _retire(connection, new.target_uri, new.now)
    version = connection.execute(
        "SELECT coalesce(max(version), 0) + 1 FROM resources WHERE target_uri = ?",
        (new.target_uri,),
    ).get
    row: Any = connection.execute(
        f"INSERT INTO resources ({_NAMES}, is_newest) "  # noqa: S608 - a constant
        f"VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1) RETURNING number, {_NAMES}",
        (
            new.id,
            new.target_uri,
            new.content,
            new.resource_type,
            new.session_id,
            new.metadata,
            version,
            new.created_at,
            new.expires_at,
        ),
    ).fetchone()
    resource_facts.put(connection, row[0], new.target_uri, new.facts)
    resource_facts.put_words(connection, row[0], new.words)
    if new.session_id is not None and new.note is not None:
        about = json.dumps({"resource_id": new.id, "target_uri": new.target_uri})
        # Book-keeping, not something said: a search for the resource finds the resource.
        message = messages.PreparedMessage("system", new.note, about, new.now, is_searchable=False)
        messages.append(connection, Namespace(), new.session_id, [message])
    return StoredResource(row[0], to_resource(row[1:]), replaced)


def _retire(connection: apsw.Connection, target_uri: str, now: int) -> tuple[int, ...]:
    """Make no version of a URI the newest; delete all of them if the newest has expired."""
    row: Any = connection.execute(
        "SELECT number, expires_at FROM resources WHERE target_uri = ? AND is_newest = 1",
        (target_uri,),
    ).fetchone()
    if row is None:
        return ()
    if row[1] is not None and row[1] <= now:
        return delete_uri(connection, target_uri)
    connection.execute("UPDATE resources SET is_newest = 0 WHERE number = ?", (row[0],))
    resource_facts.delete(connection, row[0])
    return (row[0],)


def get(connection: apsw.Connection, resource_id: str, now: int) -> Resource:
    """Return one version; raises NotFoundError."""
    row = connection.execute(_ALIVE_BY_ID, (resource_id, now)).fetchone()
    if row is None:
        raise NotFoundError(f"no resource has the id {resource_id!r}")
    return to_resource(row[1:])


def get_by_uri(connection: apsw.Connection, target_uri: str, now: int) -> Resource:
    """Return the newest version of a URI; raises NotFoundError."""
    row = connection.execute(
        f"SELECT {COLUMNS} FROM resources "  # noqa: S608 - constants
        f"WHERE target_uri = ? AND is_newest = 1 AND {IS_ALIVE}",
        (target_uri, now),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"no resource has the URI {target_uri!r}")
    return to_resource(row)


def versions(
    connection: apsw.Connection, target_uri: str, now: int, *, limit: int, before: int | None
) -> list[Resource]:
    """Return versions of a URI, the newest first; raises NotFoundError for a URI without any."""
    get_by_uri(connection, target_uri, now)
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM resources WHERE target_uri = ? AND {IS_ALIVE} "  # noqa: S608 - constants
        "AND version < ? ORDER BY version DESC LIMIT ?",
        (target_uri, now, 2**62 if before is None else before, max(limit, 0)),
    ).fetchall()
    return [to_resource(row) for row in rows]


def page(
    connection: apsw.Connection,
    chosen: ResourceFilter,
    now: int,
    *,
    limit: int,
    after: str | None,
) -> ResourcePage:
    """Return up to *limit* newest versions in URI order, behind the URI *after*.

    The order is that of UTF-8 bytes, which is the order of code points. Each page costs one index
    walk, however far into the list it lies, and a URI added or deleted meanwhile shifts nothing.
    """
    which = resource_facts.selection(chosen, after)
    rows = connection.execute(
        f"SELECT {COLUMNS} FROM {which.source} "  # noqa: S608 - constants; values are bound
        f"WHERE {which.where} AND {IS_ALIVE} ORDER BY {which.uri} LIMIT ?",
        (*which.values, now, max(limit, 0) + 1),
    ).fetchall()
    found = tuple(to_resource(row) for row in rows[: max(limit, 0)])
    return ResourcePage(found, found[-1].target_uri if len(rows) > limit and found else None)


def delete(connection: apsw.Connection, resource_id: str, now: int) -> tuple[int, ...]:
    """Delete every version of the URI that the resource belongs to; raises NotFoundError."""
    return delete_uri(connection, get(connection, resource_id, now).target_uri)


def delete_uri(connection: apsw.Connection, target_uri: str) -> tuple[int, ...]:
    """Delete every version of a URI; return their numbers."""
    rows: list[Any] = connection.execute(
        "DELETE FROM resources WHERE target_uri = ? RETURNING number", (target_uri,)
    ).fetchall()
    return tuple(row[0] for row in rows)


def sweep(connection: apsw.Connection, now: int, limit: int) -> tuple[int, ...]:
    """Delete up to *limit* expired versions, with the older ones of a URI that is gone."""
    rows: list[Any] = connection.execute(
        "SELECT number, target_uri, is_newest FROM resources "
        "WHERE expires_at <= ? ORDER BY expires_at LIMIT ?",
        (now, limit),
    ).fetchall()
    gone: list[int] = []
    for number, target_uri, is_newest in rows:
        if is_newest:
            gone += delete_uri(connection, target_uri)
        else:
            connection.execute("DELETE FROM resources WHERE number = ?", (number,))
            gone.append(number)
    return tuple(gone)


def to_resource(row: tuple[Any, ...]) -> Resource:
    """Make a record of the columns of ``COLUMNS``."""
    return Resource(
        id=row[0],
        target_uri=row[1],
        content=row[2],
        resource_type=row[3],
        session_id=row[4],
        metadata=json.loads(row[5]),
        version=row[6],
        created_at=from_microseconds(row[7]),
        expires_at=None if row[8] is None else from_microseconds(row[8]),
    )
