"""Whose a file is, which schema it has, and bringing it to the newest one.

``application_id`` marks the file as ours, ``user_version`` counts the steps of ``MIGRATIONS`` that
it has taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.errors import StoreError
from openviking.store.sqlite.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

    import apsw

APPLICATION_ID = 0x4F56_4B31
"""The letters OVK1, in the header field that SQLite reserves for this."""

VERSION = len(MIGRATIONS)
"""The newest schema: what ``user_version`` says of a file that has taken every step."""


def prepare(connection: apsw.Connection, path: Path) -> None:
    """Bring the open file to the newest schema, in one transaction; a foreign file is not touched.

    Raises:
        StoreError: the file belongs to another program or to a newer OpenViking.
    """
    version = refuse_unknown(connection, path, allow_empty=True)
    if version == 0:
        # Only an empty file accepts these two; the setting lets deleted pages go back to the disk.
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    if version < VERSION:
        _migrate(connection, version)
    # After the schema, so that the file header on disk already carries our application_id.
    connection.execute("PRAGMA journal_mode = WAL")


def refuse_unknown(connection: apsw.Connection, path: Path, *, allow_empty: bool = False) -> int:
    """Return the schema of the file.

    Raises:
        StoreError: the file belongs to another program or to a newer OpenViking, or holds nothing
            and may not.
    """
    found = int(connection.pragma("application_id")) & 0xFFFF_FFFF
    tables = connection.execute("SELECT count(*) FROM sqlite_schema").get
    if found != APPLICATION_ID and (found or tables or not allow_empty):
        raise StoreError(
            f"store {path}: is a database of another program (application_id {found:#x}, expected "
            f"{APPLICATION_ID:#x}); move the file away or use another storage path"
        )
    version = int(connection.pragma("user_version"))
    if version > VERSION:
        raise StoreError(
            f"store {path}: has schema {version}, this OpenViking knows up to {VERSION}; "
            "install the newer OpenViking again, or use another storage path"
        )
    return version


def _migrate(connection: apsw.Connection, version: int) -> None:
    connection.execute("BEGIN EXCLUSIVE")
    try:
        for step in MIGRATIONS[version:]:
            connection.execute(step)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
