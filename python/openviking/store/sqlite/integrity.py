"""What SQLite itself says of a file: whether it is sound, and how much it holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

PROBLEMS_MAX = 5
"""Problems that are named; whoever has that many restores a backup and reads no sixth."""

_COUNTED = ("skills", "resources", "sessions", "messages")


def find_damage(connection: apsw.Connection) -> list[str]:
    """Read every page, index and reference; return what is wrong, at most ``PROBLEMS_MAX`` lines.

    Raises:
        apsw.Error: the file is too damaged to be read, or cannot be.
    """
    found = [
        str(row[0])
        for row in connection.execute(f"PRAGMA integrity_check({PROBLEMS_MAX})")
        if row[0] != "ok"
    ]
    orphans = connection.execute("PRAGMA foreign_key_check").fetchall()
    found += [f"a row of {row[0]} refers to a missing one" for row in orphans]
    return found[:PROBLEMS_MAX]


def count_records(connection: apsw.Connection) -> dict[str, int]:
    """Count the records of each kind."""
    return {
        name: int(connection.execute(f"SELECT count(*) FROM {name}").get)  # noqa: S608 - constants
        for name in _COUNTED
    }
