"""Skills as rows: the record, its passages, and its words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import NotFoundError
from openviking.store.bags import BYTES_PER_WORD, WordBag, word_bag
from openviking.store.sqlite import skill_vectors
from openviking.store.sqlite.builds import build_number
from openviking.store.sqlite.stems import STEMS_VERSION, skill_stems
from openviking.store.sqlite.values import (
    checked_text,
    from_microseconds,
    mapping_to_json,
    to_json,
    to_microseconds,
)
from openviking.types import Skill, SkillEntry

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    import apsw

    from openviking.types import RowIds

# The record's columns in the order in which _to_row writes and _to_skill reads them; the body, the
# largest, stands last so that reading the others does not touch its pages.
_COLUMNS = (
    "id, digest, name, description, category, subcategory, examples, complexity, parent_skill, "
    "related_skills, sub_skills, usage_count, origin, path, license, compatibility, metadata, "
    "allowed_tools, disable_model_invocation, updated_at"
)
_NAMES = [name for name in (*_COLUMNS.split(", "), "build", "body") if name != "usage_count"]
_PUT = (
    f"INSERT INTO skills ({_COLUMNS}, build, body) "  # noqa: S608 - constants of this module
    f"VALUES ({', '.join('?' * (len(_NAMES) + 1))}) ON CONFLICT (id) DO UPDATE SET "
    f"{', '.join(f'{name} = excluded.{name}' for name in _NAMES)} RETURNING number"
)
_DISABLED = "EXISTS (SELECT 1 FROM disabled_skills AS off WHERE off.id = skills.id)"
_GET = f"SELECT {_COLUMNS}, {_DISABLED}, body FROM skills WHERE id = ?"  # noqa: S608 - same
_PAGE = (
    f"SELECT {_COLUMNS}, {_DISABLED}, '' FROM skills "  # noqa: S608 - same
    "WHERE id > ? ORDER BY id LIMIT ?"
)


class PreparedSkill:
    """A SkillEntry checked and turned into column values, so that the writer only writes.

    Raises:
        InputError: a text, number or JSON value that cannot be stored; ``loc`` starts at *loc*.
        ShapeError: vectors that are not one finite float32 row per passage.
    """

    def __init__(self, entry: SkillEntry, now: datetime, *loc: str | int) -> None:
        self.id = checked_text(entry.skill.id, *loc, "id")
        self.is_disabled = entry.skill.is_disabled
        self.row = _to_row(entry.skill, now, loc)
        self.body = checked_text(entry.skill.body, *loc, "body")
        is_hidden = entry.skill.disable_model_invocation
        self.words = None if is_hidden else word_bag(skill_stems(entry.skill))
        self.passages = [
            (passage.part, checked_text(passage.text, *loc, "passages"), passage.start, passage.end)
            for passage in entry.passages
        ]
        self.build_id = checked_text(entry.build_id, *loc, "build_id")
        self.vectors = skill_vectors.checked(entry, *loc, "vectors")


def put(connection: apsw.Connection, skills: Sequence[PreparedSkill]) -> tuple[list[RowIds], int]:
    """Insert or replace; return each skill's new passage numbers, and the state's version."""
    version = count_change(connection)
    return [_put_one(connection, skill) for skill in skills], version


def _put_one(connection: apsw.Connection, skill: PreparedSkill) -> RowIds:
    build = build_number(connection, skill.build_id, skill.vectors.shape[1])
    number = connection.execute(_PUT, (*skill.row, build, skill.body)).get
    connection.execute("DELETE FROM passages WHERE skill = ?", (number,))
    connection.executemany(
        "INSERT INTO passages (skill, part, text, start, stop) VALUES (?, ?, ?, ?, ?)",
        ((number, *passage) for passage in skill.passages),
    )
    # One writer and AUTOINCREMENT: the numbers of this skill are the last ones, without a gap.
    last = connection.last_insert_rowid() if skill.passages else -1
    connection.execute(
        "INSERT OR REPLACE INTO skill_vectors (skill, vectors) VALUES (?, ?)",
        (number, skill.vectors.tobytes()),
    )
    put_words(connection, number, skill.words)
    return np.arange(last - len(skill.passages) + 1, last + 1, dtype=np.int64)


def delete(connection: apsw.Connection, ids: Sequence[str]) -> tuple[int, int]:
    """Delete skills with all that belongs to them; return how many existed, and the version."""
    version = count_change(connection)
    count = 0
    for skill_id in ids:
        number = connection.execute(
            "DELETE FROM skills WHERE id = ? RETURNING number", (skill_id,)
        ).get
        count += number is not None
    return count, version


def get(connection: apsw.Connection, skill_id: str) -> Skill:
    """Return one whole skill; raises NotFoundError."""
    row = connection.execute(_GET, (skill_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no skill has the id {skill_id!r}")
    return _to_skill(row)


def page(connection: apsw.Connection, after: str, limit: int) -> list[Skill]:
    """Return up to *limit* skills behind the id *after*, in id order, without bodies."""
    return [_to_skill(row) for row in connection.execute(_PAGE, (after, limit))]


def digests(connection: apsw.Connection, build_id: str) -> dict[str, str]:
    """Map id to digest for the skills embedded by that build."""
    return dict(
        connection.execute(
            "SELECT id, digest FROM skills WHERE build = "
            "(SELECT number FROM builds WHERE build_id = ?)",
            (build_id,),
        )
    )


def put_words(connection: apsw.Connection, number: int, bag: WordBag | None) -> None:
    """Store the words of the skill in row *number*; None for a skill that is hidden."""
    connection.execute(
        "INSERT OR REPLACE INTO skill_terms (skill, version, terms) VALUES (?, ?, ?)",
        (number, STEMS_VERSION, b"" if bag is None else bag.to_bytes()),
    )


def words(connection: apsw.Connection) -> tuple[dict[str, WordBag | None], list[tuple[str, int]]]:
    """Read the words of every skill; also name the skills, (id, row), that have none of today."""
    bags: dict[str, WordBag | None] = {}
    missing: list[tuple[str, int]] = []
    for number, skill_id, version, terms in connection.execute(
        "SELECT number, id, version, terms FROM skills LEFT JOIN skill_terms ON skill = number "
        "ORDER BY id"
    ):
        if version != STEMS_VERSION or len(terms) % BYTES_PER_WORD:
            missing.append((skill_id, number))
        else:
            bags[skill_id] = WordBag.from_bytes(terms) if terms else None
    return bags, missing


def count_change(connection: apsw.Connection) -> int:
    """Count a change to the skills and return its number."""
    return int(
        connection.execute(
            "INSERT INTO meta (key, value) VALUES ('skills_version', '1') ON CONFLICT (key) "
            "DO UPDATE SET value = CAST(CAST(value AS INTEGER) + 1 AS TEXT) RETURNING value"
        ).get
    )


def count_use(connection: apsw.Connection, skill_id: str) -> int:
    """Add one to usage_count and return it; raises NotFoundError."""
    count = connection.execute(
        "UPDATE skills SET usage_count = usage_count + 1 WHERE id = ? RETURNING usage_count",
        (skill_id,),
    ).get
    if count is None:
        raise NotFoundError(f"no skill has the id {skill_id!r}")
    return int(count)


def _to_row(skill: Skill, now: datetime, loc: tuple[str | int, ...]) -> tuple[Any, ...]:
    def text(name: str) -> str:
        return checked_text(getattr(skill, name), *loc, name)

    def optional(name: str) -> str | None:
        return None if getattr(skill, name) is None else text(name)

    def strings(name: str) -> str:
        return to_json(list(getattr(skill, name)), *loc, name)

    return (
        skill.id,
        text("digest"),
        text("name"),
        text("description"),
        text("category"),
        text("subcategory"),
        strings("examples"),
        skill.complexity,
        optional("parent_skill"),
        strings("related_skills"),
        strings("sub_skills"),
        skill.usage_count,
        text("origin"),
        optional("path"),
        optional("license"),
        optional("compatibility"),
        mapping_to_json(skill.metadata, *loc, "metadata"),
        strings("allowed_tools"),
        int(skill.disable_model_invocation),
        to_microseconds(skill.updated_at or now, *loc, "updated_at"),
    )


def _to_skill(row: tuple[Any, ...]) -> Skill:
    return Skill(
        id=row[0],
        digest=row[1],
        name=row[2],
        description=row[3],
        category=row[4],
        subcategory=row[5],
        examples=tuple(json.loads(row[6])),
        complexity=row[7],
        parent_skill=row[8],
        related_skills=tuple(json.loads(row[9])),
        sub_skills=tuple(json.loads(row[10])),
        usage_count=row[11],
        origin=row[12],
        path=row[13],
        license=row[14],
        compatibility=row[15],
        metadata=json.loads(row[16]),
        allowed_tools=tuple(json.loads(row[17])),
        disable_model_invocation=bool(row[18]),
        updated_at=from_microseconds(row[19]),
        is_disabled=bool(row[20]),
        body=row[21],
    )
