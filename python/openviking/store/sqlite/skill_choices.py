"""What holds for skills apart from their records: which are switched off, and which files wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.store.bags import WordBag
from openviking.store.sqlite.skills import count_change

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import apsw


def disabled(connection: apsw.Connection) -> frozenset[str]:
    """Return the ids that are switched off, of skills that are gone for the moment too."""
    return frozenset(row[0] for row in connection.execute("SELECT id FROM disabled_skills"))


def disable(connection: apsw.Connection, ids: Sequence[str]) -> None:
    """Switch ids off."""
    connection.executemany(
        "INSERT OR IGNORE INTO disabled_skills (id) VALUES (?)", ((skill_id,) for skill_id in ids)
    )


def enable(connection: apsw.Connection, ids: Sequence[str]) -> None:
    """Switch ids on again."""
    connection.executemany(
        "DELETE FROM disabled_skills WHERE id = ?", ((skill_id,) for skill_id in ids)
    )


def switch(
    connection: apsw.Connection, ids: Sequence[str], *, is_disabled: bool
) -> tuple[dict[str, WordBag | None], int]:
    """Switch ids off or on; return the words that each can be found by now, and the version."""
    version = count_change(connection)
    (disable if is_disabled else enable)(connection, ids)
    bags: dict[str, WordBag | None] = dict.fromkeys(ids)
    for skill_id in () if is_disabled else ids:
        terms = connection.execute(
            "SELECT terms FROM skill_terms JOIN skills ON number = skill WHERE id = ?", (skill_id,)
        ).get
        if terms:
            bags[skill_id] = WordBag.from_bytes(terms)
    return bags, version


def waiting(connection: apsw.Connection) -> dict[str, str]:
    """Return the files that gave way to a skill of the same name, and the id each waits for."""
    return dict(connection.execute("SELECT path, id FROM waiting_skills ORDER BY path"))


def put_waiting(connection: apsw.Connection, files: Mapping[str, str]) -> None:
    """Replace all of :func:`waiting`."""
    connection.execute("DELETE FROM waiting_skills")
    connection.executemany("INSERT INTO waiting_skills (path, id) VALUES (?, ?)", files.items())
