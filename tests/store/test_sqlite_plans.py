"""What a million sessions must not make slow goes through an index."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from openviking.store import SqliteStore
from openviking.store.sqlite import sessions

if TYPE_CHECKING:
    from pathlib import Path


def plan(folder: Path, query: str) -> str:
    store = SqliteStore(folder)
    store.close()
    connection = apsw.Connection(str(store.path))
    try:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {query}", (0,)).fetchall()
        return " / ".join(str(row[3]) for row in rows)
    finally:
        connection.close()


def test_active_sessions_are_counted_in_an_index(tmp_path: Path):
    steps = plan(tmp_path / "store", sessions.COUNT_ACTIVE)
    assert "USING INDEX sessions_by_activity (last_activity>?)" in steps
    assert "SCAN" not in steps
