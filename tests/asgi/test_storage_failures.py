"""Full disk and locked database over HTTP: refused with 503, never half done, and then it goes on.

The full disk of the real process is a limit on the size of its files (RLIMIT_FSIZE), which needs no
rights and can be lifted while the process runs; to SQLite both are a write that is not taken.
"""

from __future__ import annotations

import resource as limits
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from tests.asgi.conftest import open_client
from tests.asgi.test_server import Process

from openviking.config import Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore
from openviking.store.resources import ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient

WRITES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/resources", {"content": "x" * 100_000, "target_uri": "refused"}),
    ("POST", "/conversation", {"session_id": "refused", "message": "hello"}),
    ("POST", "/skills", {"name": "refused", "description": "Refused", "body": "# How"}),
]


def test_a_full_disk_refuses_every_write_serves_reads_and_then_goes_on(tmp_path: Path):
    with Process(tmp_path) as process:
        process.start()
        kept = {"content": "kept", "target_uri": "kept"}
        assert process.ask("POST", "/resources", kept)[0] == 200
        _, hard = limits.prlimit(process.child.pid, limits.RLIMIT_FSIZE)
        # The log may not grow any more: it is larger than this already.
        limits.prlimit(process.child.pid, limits.RLIMIT_FSIZE, (4096, hard))
        for method, path, body in WRITES:
            status, headers, answer = process.ask(method, path, body)
            assert (status, headers["retry-after"]) == (503, "5"), answer
            assert b"openviking.db" in answer
        assert process.ask("GET", "/resources/uri:kept")[0] == 200
        assert process.ask("GET", "/health")[0] == 503
        assert process.ask("GET", "/livez")[0] == 200

        limits.prlimit(process.child.pid, limits.RLIMIT_FSIZE, (hard, hard))
        for method, path, body in WRITES:
            status, _, answer = process.ask(method, path, body)
            assert status in {200, 201}, answer
        assert process.ask("GET", "/health")[0] == 200
    store = SqliteStore(tmp_path)
    page = store.resources.page(ResourceFilter(), limit=10, after=None)
    assert [(one.target_uri, one.version) for one in page.resources] == [
        ("kept", 1), ("refused", 1),
    ]  # fmt: skip
    assert [one.role for one in store.messages("refused", last=10)] == ["user", "assistant"]
    store.close()


def test_a_start_on_a_full_disk_ends_with_its_reason_and_leaves_nothing_half(tmp_path: Path):
    with Process(tmp_path) as process:
        limits.prlimit(process.child.pid, limits.RLIMIT_FSIZE, (0, limits.RLIM_INFINITY))
        process.tell()
        assert process.end() != 0
        assert str(tmp_path) in "".join(process.log)
    store = SqliteStore(tmp_path)
    store.check()
    store.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def impatient(folder: Path) -> Iterator[CheckedClient]:
    """A client of a store that waits a moment only for a lock, and may be 2 MB large."""
    store = SqliteStore(folder, busy_timeout_s=0.05, bytes_max=2 << 20)
    with (
        Engine.open(Settings(), encoder=HashingEncoder(), store=store) as engine,
        open_client(engine) as client,
    ):
        yield client


def test_a_database_that_another_program_locks_refuses_writes_until_it_is_free(
    impatient: CheckedClient, folder: Path
):
    other = apsw.Connection(str(folder / "openviking.db"))
    other.execute("BEGIN IMMEDIATE")
    for method, path, body in WRITES:
        response = impatient.request(method, path, json=body)
        assert response.status_code == 503, response.text
        assert response.headers["retry-after"] == "5"
        assert "locked" in response.json()["detail"]
    assert impatient.get("/resources").json()["count"] == 0
    other.execute("ROLLBACK")
    other.close()
    for method, path, body in WRITES:
        assert impatient.request(method, path, json=body).status_code in {200, 201}


def test_a_store_that_is_full_takes_writes_again_when_something_was_deleted(
    impatient: CheckedClient,
):
    body = {"content": "y" * 1_200_000, "target_uri": "large"}
    assert impatient.post("/resources", json=body).status_code == 200
    full = impatient.post("/resources", json=body | {"target_uri": "too much"})
    assert (full.status_code, full.headers["retry-after"]) == (503, "5")
    assert "free some space" in full.json()["detail"]
    assert impatient.get("/resources").json()["count"] == 1
    assert impatient.delete("/resources/uri:large").status_code == 200
    again = impatient.post("/resources", json=body | {"target_uri": "fits now"})
    assert again.status_code == 200
