"""SqliteResources: the ResourceStore interface over one SQLite file."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from openviking.errors import StoreError
from openviking.store.lexicon import Lexicon
from openviking.store.resources import FoundResource, StoredResource
from openviking.store.sqlite import resource_facts, resource_vectors, resources
from openviking.store.sqlite.stems import query_words
from openviking.store.sqlite.values import checked_text, mapping_to_json, to_microseconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import apsw

    from openviking.store.matches import WordMatches
    from openviking.store.resources import NewResource, ResourceFilter, ResourceVectors
    from openviking.store.sqlite.database import Database
    from openviking.types import Resource, ResourcePage, RowIds, Vectors

_MADE_AT_ONCE = 256
_PAGES_FREED_AT_ONCE = 1_000


class SqliteResources:
    """Resources; see store/resources.py.

    The words are read into memory by the first search; what is stored or deleted from then on
    changes them before the write returns.

    Args:
        database: the open file.
        now: dates what is written, and says what has expired.
    """

    def __init__(self, database: Database, now: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = now
        self._loading = threading.Lock()
        self._lexicon: Lexicon | None = None
        self._is_loaded = False
        self._hidden: frozenset[int] = frozenset()
        self._make_missing()

    def _make_missing(self) -> None:
        """Make what older programs did not store; on a disk that takes no more, next time."""
        with self._database.reading() as connection:
            if resource_facts.are_made(connection):
                return
        try:
            while self._database.write(
                lambda connection: resource_facts.make_missing(connection, _MADE_AT_ONCE)
            ):
                pass
            self._database.write(resource_facts.note_made)
        except StoreError:
            return

    def _now(self) -> int:
        return to_microseconds(self._clock(), "now")

    def put(self, new: Sequence[NewResource]) -> list[StoredResource]:
        """Store versions in order, in one transaction."""
        now = self._now()
        prepared = [
            _prepare(one, now, *(() if len(new) == 1 else ("resources", at)))
            for at, one in enumerate(new)
        ]
        stored = self._database.write(
            lambda connection: [resources.put(connection, one) for one in prepared]
        )
        if self._lexicon is not None:
            added = {
                str(done.number): one.words for done, one in zip(stored, prepared, strict=True)
            }
            self._lexicon.update(added, 0)
            self._forget([number for done in stored for number in done.replaced])
        return stored

    def get(self, resource_id: str) -> Resource:
        """Return one version by id; raises NotFoundError."""
        checked_text(resource_id, "resource_id")
        with self._database.reading() as connection:
            return resources.get(connection, resource_id, self._now())

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""
        checked_text(target_uri, "target_uri")
        with self._database.reading() as connection:
            return resources.get_by_uri(connection, target_uri, self._now())

    def versions(self, target_uri: str, *, limit: int, before: int | None) -> list[Resource]:
        """Return versions of a URI, the newest first, older than number *before*."""
        checked_text(target_uri, "target_uri")
        with self._database.reading() as connection:
            return resources.versions(
                connection, target_uri, self._now(), limit=limit, before=before
            )

    def page(self, chosen: ResourceFilter, *, limit: int, after: str | None) -> ResourcePage:
        """Return newest versions in URI order, behind the URI *after*."""
        _check(chosen)
        if after is not None:
            checked_text(after, "after")
        with self._database.reading() as connection:
            return resources.page(connection, chosen, self._now(), limit=limit, after=after)

    def delete(self, resource_id: str) -> tuple[int, ...]:
        """Delete every version of the URI that the id belongs to; return their numbers."""
        checked_text(resource_id, "resource_id")
        now = self._now()

        def work(connection: apsw.Connection) -> tuple[int, ...]:
            gone = resources.delete(connection, resource_id, now)
            _give_back_space(connection)
            return gone

        return self._forget(self._database.write(work))

    def sweep(self, *, limit: int) -> tuple[int, ...]:
        """Delete up to *limit* expired versions; return the numbers of what went."""
        now = self._now()
        with self._database.reading() as connection:
            if not resource_facts.expired(connection, now):
                return ()

        def work(connection: apsw.Connection) -> tuple[int, ...]:
            gone = resources.sweep(connection, now, limit)
            _give_back_space(connection)
            return gone

        return self._forget(self._database.write(work))

    def hide_expired(self) -> tuple[int, ...]:
        """Take what has expired out of the words; return the numbers, each once."""
        with self._database.reading() as connection:
            expired = frozenset(resource_facts.expired(connection, self._now()))
        fresh = expired - self._hidden
        # No more than what waits for the sweep is remembered.
        self._hidden = expired
        return self._forget(tuple(fresh)) if fresh else ()

    def match(self, query: str, limit: int) -> WordMatches:
        """Return lexical hits among the newest versions; their ids are numbers as text."""
        return self._words().match([query_words(query)], limit)

    def load_words(self) -> None:
        """Read into memory now what the first search would otherwise wait for."""
        self._words()

    def numbers(self, chosen: ResourceFilter) -> RowIds:
        """Return the numbers of all newest versions that pass, (n,) int64, in no order."""
        _check(chosen)
        with self._database.reading() as connection:
            return resource_facts.numbers(connection, chosen)

    def get_many(self, numbers: Sequence[int]) -> list[FoundResource]:
        """Return those of *numbers* that are newest versions and have not expired, in order."""
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute(
                f"SELECT number, spans, {resources.COLUMNS} FROM resources "  # noqa: S608 - constants
                "LEFT JOIN resource_vectors ON resource = number WHERE number IN "
                f"(SELECT value FROM json_each(?)) AND is_newest = 1 AND {resources.IS_ALIVE}",
                (json.dumps(list(numbers)), self._now()),
            ).fetchall()
        found = {
            row[0]: FoundResource(
                row[0], resources.to_resource(row[2:]), resource_vectors.spans_of(row[1])
            )
            for row in rows
        }
        return [found[number] for number in numbers if number in found]

    def without_vectors(self, build_id: str, *, after: int, limit: int) -> list[StoredResource]:
        """Return newest versions behind the number *after* that have no vectors of that build."""
        with self._database.reading() as connection:
            rows: list[Any] = connection.execute(
                f"SELECT number, {resources.COLUMNS} FROM resources "  # noqa: S608 - constants
                "WHERE is_newest = 1 AND number > ? AND NOT EXISTS (SELECT 1 FROM resource_vectors "
                "WHERE resource = number AND build = (SELECT builds.number FROM builds "
                "WHERE build_id = ?)) ORDER BY number LIMIT ?",
                (after, build_id, limit),
            ).fetchall()
        return [StoredResource(row[0], resources.to_resource(row[1:])) for row in rows]

    def put_vectors(self, build_id: str, entries: Sequence[ResourceVectors]) -> list[bool]:
        """Store vectors in one transaction; say of each whether its version is still the newest."""
        places = [resource_vectors.spans_bytes(one.spans, one.vectors) for one in entries]

        def work(connection: apsw.Connection) -> list[bool]:
            return [
                resource_vectors.put(connection, build_id, one.number, spans, one.vectors)
                for one, spans in zip(entries, places, strict=True)
            ]

        return self._database.write(work)

    def vectors(self, build_id: str) -> Iterator[tuple[RowIds, RowIds, Vectors]]:
        """Yield block by block: numbers (m,), ids of vectors (n,), vectors (n, dim) float32."""
        after = 0
        while True:
            with self._database.reading() as connection:
                block = resource_vectors.read(connection, build_id, after)
            if not len(block[0]):
                return
            yield block
            after = int(block[0][-1])

    def count(self) -> int:
        """Count the newest versions."""
        with self._database.reading() as connection:
            return int(connection.execute("SELECT count(*) FROM resources WHERE is_newest = 1").get)

    def _words(self) -> Lexicon:
        if self._is_loaded and self._lexicon is not None:
            return self._lexicon
        with self._loading:
            if not self._is_loaded or self._lexicon is None:
                # Before the file is read, so that what is stored meanwhile finds it. A number is
                # added once and taken out once; version 1 makes the second win in any order.
                self._lexicon = Lexicon()
                with self._database.reading() as connection:
                    self._lexicon.update(resource_facts.words(connection), 0)
                self._is_loaded = True
                # What was hidden before has been read again.
                self._hidden = frozenset()
            return self._lexicon

    def _forget(self, numbers: Sequence[int]) -> tuple[int, ...]:
        if self._lexicon is not None and numbers:
            self._lexicon.update(dict.fromkeys(map(str, numbers)), 1)
        return tuple(numbers)


def _prepare(new: NewResource, now: int, *loc: str | int) -> resources.PreparedResource:
    target_uri = checked_text(new.target_uri, *loc, "target_uri")
    content = checked_text(new.content, *loc, "content")
    resource_type = checked_text(new.resource_type, *loc, "resource_type")
    return resources.PreparedResource(
        # Made here and not by the writer: a write that is done twice must stay the same write.
        id=uuid4().hex,
        target_uri=target_uri,
        content=content,
        resource_type=resource_type,
        session_id=None
        if new.session_id is None
        else checked_text(new.session_id, *loc, "session_id"),
        metadata=mapping_to_json(new.metadata, *loc, "metadata"),
        created_at=now
        if new.created_at is None
        else to_microseconds(new.created_at, *loc, "created_at"),
        now=now,
        expires_at=_expiry(new, now, loc),
        note=None if new.note is None else checked_text(new.note, *loc, "note"),
        facts=resource_facts.facts_of(new.metadata),
        words=resource_facts.words_of(target_uri, resource_type, new.metadata, content),
    )


def _expiry(new: NewResource, now: int, loc: tuple[str | int, ...]) -> int | None:
    if new.expires_at is not None:
        return to_microseconds(new.expires_at, *loc, "expires_at")
    return None if new.ttl_s is None else now + round(new.ttl_s * 1_000_000)


def _check(chosen: ResourceFilter) -> None:
    for name in ("resource_type", "prefix", "session_id"):
        if (value := getattr(chosen, name)) is not None:
            checked_text(value, name)
    mapping_to_json(chosen.metadata, "metadata")


def _give_back_space(connection: apsw.Connection) -> None:
    """Return freed pages to the file system, some at a time so that no write waits long."""
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_FREED_AT_ONCE})").fetchall()
