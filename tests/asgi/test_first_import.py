"""While watched folders are imported for the first time, an answer without skills says so."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.asgi.conftest import BlockedEncoder, open_client

from openviking.config import Settings
from openviking.engine import Engine
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient


def search(client: CheckedClient) -> dict[str, object]:
    body = {"query": "paint the fence", "tier": "full"}
    answer: dict[str, object] = client.post("/skills/search", json=body).json()
    return answer


def is_completed(client: CheckedClient) -> bool:
    return bool(client.get("/migration/status").json()["status"] == "completed")


def test_until_the_folders_are_imported_search_and_migration_say_what_is_missing(tmp_path: Path):
    for number in range(3):
        folder = tmp_path / "skills" / f"paint-{number}"
        folder.mkdir(parents=True)
        text = f"---\nname: paint-{number}\ndescription: Paint the fence {number}\n---\n"
        (folder / "SKILL.md").write_text(text)
    passages, store = BlockedEncoder(), SqliteStore(tmp_path / "s")
    passages.may_end.set()
    with Engine.open(Settings(), encoder=passages, store=store) as engine:
        engine.warm()
        with open_client(engine) as client:
            assert "note" not in search(client)
            assert is_completed(client)
            passages.may_end.clear()
            passages.has_begun.clear()
            engine.skills.watch([tmp_path / "skills"])
            assert passages.has_begun.wait(10)

            early = search(client)
            waiting = client.get("/migration/status").json()

            passages.may_end.set()
            deadline = time.monotonic() + 15
            while not is_completed(client):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            late = search(client)

    assert early["found_count"] == 0
    assert "not imported yet" in str(early["note"])
    assert (waiting["status"], waiting["pending"] > 0) == ("in_progress", True)
    assert "note" not in late
    assert late["found_count"] == 3
