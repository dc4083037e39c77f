"""A store that an older program has left is brought to the newest schema when it is opened."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest
from tests.store.conftest import entry, skill

from openviking.store import SqliteStore
from openviking.store.sqlite import schema
from openviking.store.sqlite.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("version", range(1, schema.VERSION))
def test_skills_of_every_older_schema_are_all_enabled_and_can_be_disabled(
    tmp_path: Path, version: int
):
    connection = apsw.Connection(str(tmp_path / "openviking.db"))
    for step in MIGRATIONS[:version]:
        connection.execute(step)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute("INSERT INTO builds VALUES (1, 'b1', 8)")
    connection.execute(
        "INSERT INTO skills VALUES (5, 'old', 1, 'd', 'old', 'Peels apples', 'general', '', '[]', "
        "1, NULL, '[]', '[]', 3, 'api', NULL, NULL, NULL, '{}', '[]', 0, 0, 'a body')"
    )
    connection.close()

    store = SqliteStore(tmp_path)

    assert (store.disabled_skills(), store.waiting_skills()) == (frozenset(), {})
    assert not store.get_skill("old").is_disabled
    assert store.match_skills("apples", 9).ids == ["old"]
    store.switch_skills(["old"], is_disabled=True)
    store.put_skills([entry(skill("new", description="Eats apples"))])
    store.close()
    store = SqliteStore(tmp_path)
    assert store.match_skills("apples", 9).ids == ["new"]
    assert store.get_skill("old").usage_count == 3
    store.close()
    assert apsw.Connection(str(tmp_path / "openviking.db")).pragma("user_version") == schema.VERSION
