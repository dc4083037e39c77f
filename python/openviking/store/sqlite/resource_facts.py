"""What resources are found by beside their vectors: facts (keys of the metadata) and words."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import InputError, StoreError
from openviking.store.bags import BYTES_PER_WORD, WordBag, word_bag
from openviking.store.resources import title_of
from openviking.store.sqlite.stems import STEMS_VERSION, stems
from openviking.store.words import identifier_forms

if TYPE_CHECKING:
    from collections.abc import Mapping

    import apsw

    from openviking.store.resources import ResourceFilter
    from openviking.types import RowIds

FACTS_MAX = 256
"""Top-level keys of a resource's metadata: each is a row of its own."""

WORDS_CHARS_MAX = 1_000_000
"""Characters of a content whose words are looked at: the length of a long book."""

_VALUE_CHARS_MAX = 256
_LAST_CHARACTER = "\U0010ffff"


def facts_of(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return each top-level key with its value in the one form that equal values share.

    Raises:
        InputError: there are more than ``FACTS_MAX`` keys.
    """
    if len(metadata) > FACTS_MAX:
        raise InputError(
            f"metadata: expected at most {FACTS_MAX} keys, got {len(metadata)}", loc=("metadata",)
        )
    return {key: _fact(value) for key, value in metadata.items()}


def _fact(value: object) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if len(text) <= _VALUE_CHARS_MAX:
        return text
    return "#" + blake2b(text.encode(), digest_size=32).hexdigest()


def _plain(value: object) -> object:
    """Write 1.0 as 1, at every depth: JSON knows one kind of number."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def words_of(
    target_uri: str, resource_type: str, metadata: Mapping[str, Any], content: str
) -> WordBag:
    """Weigh the words of a resource: its title as a name, URI and type as a category."""
    fields = (
        title_of(target_uri, metadata, content),
        "",
        f"{resource_type} {target_uri}",
        "",
        content[:WORDS_CHARS_MAX],
    )
    return word_bag([stems(f"{field}\n{identifier_forms(field)}") for field in fields])


def put(
    connection: apsw.Connection, number: int, target_uri: str, facts: Mapping[str, str]
) -> None:
    """Store the facts of the newest version of a URI."""
    connection.executemany(
        "INSERT OR REPLACE INTO resource_facts (key, value, target_uri, resource) "
        "VALUES (?, ?, ?, ?)",
        ((key, value, target_uri, number) for key, value in facts.items()),
    )


def put_words(connection: apsw.Connection, number: int, words: WordBag) -> None:
    """Store the words of a version."""
    connection.execute(
        "INSERT OR REPLACE INTO resource_terms (resource, version, terms) VALUES (?, ?, ?)",
        (number, STEMS_VERSION, words.to_bytes()),
    )


def delete(connection: apsw.Connection, number: int) -> None:
    """Delete what a version was found by: a newer one takes its place."""
    for table in ("resource_facts", "resource_terms", "resource_vectors"):
        connection.execute(f"DELETE FROM {table} WHERE resource = ?", (number,))  # noqa: S608 - constants


def are_made(connection: apsw.Connection) -> bool:
    """Whether every newest version has the facts and words of today, as note_made has said."""
    made = connection.execute("SELECT value FROM meta WHERE key = 'resource_words'").get
    return bool(made == str(STEMS_VERSION))


def note_made(connection: apsw.Connection) -> None:
    """Say that nothing is missing: what is written from now on brings its facts and words."""
    connection.execute(
        "INSERT OR REPLACE INTO meta (key, value) VALUES ('resource_words', ?)",
        (str(STEMS_VERSION),),
    )


def expired(connection: apsw.Connection, now: int) -> tuple[int, ...]:
    """Return the numbers of the versions that have expired and are not yet swept."""
    rows = connection.execute("SELECT number FROM resources WHERE expires_at <= ?", (now,))
    return tuple(row[0] for row in rows)


def make_missing(connection: apsw.Connection, limit: int) -> int:
    """Give up to *limit* newest versions facts and words that have none of today; count them."""
    rows: list[Any] = connection.execute(
        "SELECT number, target_uri, resource_type, metadata, content FROM resources "
        "WHERE is_newest = 1 AND NOT EXISTS (SELECT 1 FROM resource_terms "
        "WHERE resource = number AND resource_terms.version = ?) LIMIT ?",
        (STEMS_VERSION, limit),
    ).fetchall()
    for number, target_uri, resource_type, metadata, content in rows:
        known = json.loads(metadata)
        # What an older program accepted stays; keys beyond the limit cannot be asked for.
        first = dict(list(known.items())[:FACTS_MAX])
        put(connection, number, target_uri, facts_of(first))
        put_words(connection, number, words_of(target_uri, resource_type, known, content))
    return len(rows)


def words(connection: apsw.Connection) -> dict[str, WordBag]:
    """Read the words of every newest version, by its number as text."""
    found: dict[str, WordBag] = {}
    for number, terms in connection.execute("SELECT resource, terms FROM resource_terms"):
        if len(terms) % BYTES_PER_WORD:
            raise StoreError(f"the words of resource number {number} are damaged")
        found[str(number)] = WordBag.from_bytes(terms)
    return found


@dataclass(frozen=True, slots=True)
class Selection:
    """The newest versions that pass a filter, as parts of a statement.

    Attributes:
        source: what stands behind FROM.
        uri: the column that gives the order of the URIs.
        number: the column of the versions' numbers.
        where: the conditions, joined.
        values: what is bound to them.
    """

    source: str
    uri: str
    number: str
    where: str
    values: tuple[Any, ...]


def selection(
    chosen: ResourceFilter, after: str | None = None, *, wants_rows: bool = True
) -> Selection:
    """Select the newest versions that pass, behind the URI *after*, expired ones included.

    With metadata, the first key's facts lead, so that their index gives the order of the URIs. They
    are of newest versions only; where no other column is asked for (*wants_rows* false, no type, no
    session), they say all.
    """
    source, uri, number = "resources", "resources.target_uri", "resources.number"
    conditions, values = list[str](), list[Any]()
    needs_rows = wants_rows or chosen.resource_type is not None or chosen.session_id is not None
    if chosen.metadata:
        source, uri, number = "resource_facts AS facts", "facts.target_uri", "facts.resource"
        (key, value), *others = facts_of(chosen.metadata).items()
        conditions += ["facts.key = ?", "facts.value = ?"]
        values += [key, value]
        for other in others:
            conditions.append(
                "EXISTS (SELECT 1 FROM resource_facts AS f "
                "WHERE f.resource = facts.resource AND f.key = ? AND f.value = ?)"
            )
            values += other
    if chosen.metadata and needs_rows:
        source = f"{source} JOIN resources ON resources.number = facts.resource"
    if needs_rows or not chosen.metadata:
        conditions.append("is_newest = 1")
    for column in ("resource_type", "session_id"):
        if (wanted := getattr(chosen, column)) is not None:
            conditions.append(f"{column} = ?")
            values.append(wanted)
    if chosen.prefix:
        conditions.append(f"{uri} >= ?")
        values.append(chosen.prefix)
        if (end := _end_of_prefix(chosen.prefix)) is not None:
            conditions.append(f"{uri} < ?")
            values.append(end)
    if after is not None:
        conditions.append(f"{uri} > ?")
        values.append(after)
    return Selection(source, uri, number, " AND ".join(conditions), tuple(values))


def numbers(connection: apsw.Connection, chosen: ResourceFilter) -> RowIds:
    """Return the numbers of all newest versions that pass, expired ones included."""
    which = selection(chosen, wants_rows=False)
    # One text instead of a row each: several times as fast from ten thousand numbers on.
    joined = connection.execute(
        f"SELECT group_concat({which.number}) FROM {which.source} WHERE {which.where}",  # noqa: S608 - constants
        which.values,
    ).get
    return np.fromstring(joined or "", dtype=np.int64, sep=",")


def _end_of_prefix(prefix: str) -> str | None:
    """Return the first text behind everything that starts with *prefix*, None if none is."""
    kept = prefix.rstrip(_LAST_CHARACTER)
    if not kept:
        return None
    following = ord(kept[-1]) + 1
    # Surrogates are no characters of UTF-8: the one behind U+D7FF is U+E000.
    return kept[:-1] + chr(0xE000 if following == 0xD800 else following)
