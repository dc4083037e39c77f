"""Resources that an older program has stored are found like new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw

from openviking.encoder.fake import HashingEncoder
from openviking.resources import Resources
from openviking.store import SqliteStore
from openviking.store.sqlite import schema
from openviking.store.sqlite.migrations import MIGRATIONS

if TYPE_CHECKING:
    from pathlib import Path

OLD = 1200


def test_a_store_of_the_third_schema_keeps_its_resources_and_finds_them(tmp_path: Path):
    connection = apsw.Connection(str(tmp_path / "openviking.db"))
    for step in MIGRATIONS[:3]:  # an older program
        connection.execute(step)
    with connection:
        for at in range(OLD):
            connection.execute(
                "INSERT INTO resources (id, target_uri, version, is_newest, resource_type, "
                "metadata, created_at, content) VALUES (?, ?, ?, ?, 'memory', ?, 0, ?)",
                (f"id{at}", f"u{at // 2}", at % 2 + 1, at % 2, f'{{"n": {at}}}', f"word{at} x"),
            )
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 3")
    connection.close()

    store = SqliteStore(tmp_path)
    resources = Resources(store, HashingEncoder())

    assert resources.get("id0").content == "word0 x"
    assert resources.get_by_uri("u0").version == 2
    (hit,) = resources.search("word7").hits
    assert hit.resource.id == "id7"
    assert [one.id for one in resources.list(metadata={"n": 9}).resources] == ["id9"]
    assert resources.list(metadata={"n": 8}).resources == ()
    assert resources.wait_until_embedded(60)
    assert resources.health() == {"resources": OLD // 2, "waiting_for_vectors": 0}
    resources.close()
    store.close()
