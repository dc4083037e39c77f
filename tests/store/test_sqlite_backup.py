"""Backups made while others write, and what restoring refuses; every file is opened afterwards."""

from __future__ import annotations

import os
import shutil
import threading
from typing import TYPE_CHECKING

import apsw
import pytest
from tests.store.conftest import entry, skill
from tests.store.test_sqlite_failures import in_new_process

from openviking.errors import ConflictError, StoreError, StoreInUseError
from openviking.store import SqliteStore, back_up, restore
from openviking.store.resources import NewResource, ResourceFilter

if TYPE_CHECKING:
    from pathlib import Path

WRITERS = 3


def uris(store: SqliteStore) -> set[str]:
    found, after = set[str](), None
    while True:
        page = store.resources.page(ResourceFilter(), limit=1000, after=after)
        found |= {one.target_uri for one in page.resources}
        after = page.next
        if after is None:
            return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a closed store that holds something of everything."""
    store = SqliteStore(tmp_path / "storage")
    store.resources.put([NewResource(f"text {at}", f"u{at}") for at in range(300)])
    store.put_skills([entry(skill("s", body="words " * 1000), passages=4)])
    store.append_message("s", "user", "hello", {})
    store.close()
    return tmp_path / "storage"


def test_a_backup_of_a_busy_store_holds_every_write_answered_before_it_began(folder: Path):
    store = SqliteStore(folder)
    acknowledged: list[str] = []
    has_written, stop = threading.Event(), threading.Event()

    def write(number: int) -> None:
        at = 0
        while not stop.is_set():
            uri = f"w{number}-{at}"
            store.resources.put([NewResource("x" * 5000, uri)])
            acknowledged.append(uri)
            at += 1
            if at > 5:
                has_written.set()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    assert has_written.wait(60)
    before, copies = set(acknowledged), list[int]()
    target = folder.parent / "backup.db"
    # In a process of its own, as it is in life.
    made = in_new_process(
        "import sys, pathlib; from openviking.store import back_up; "
        "back_up(*map(pathlib.Path, sys.argv[1:]))",
        folder,
        target,
    )
    assert made.returncode == 0, made.stderr
    back_up(folder, target, replace=True, progress=lambda done, _: copies.append(done))
    stop.set()
    for writer in writers:
        writer.join()
    store.close()

    assert copies[-1] >= 1
    assert sorted(path.name for path in folder.parent.iterdir()) == ["backup.db", "storage"]
    restored = restore(target, folder.parent / "other")
    again = SqliteStore(folder.parent / "other")
    found = uris(again)
    assert before <= found <= set(acknowledged) | {f"u{at}" for at in range(300)}
    assert len(found) == restored.counts["resources"]
    assert again.skill_digests("b1").keys() == {"s"}
    again.check()
    again.close()


def test_a_backup_does_not_see_what_is_written_while_it_is_copied(folder: Path):
    store = SqliteStore(folder)
    reports: list[int] = []

    def write_meanwhile(done: int, pages: int) -> None:
        reports.append(done)
        assert reports.count(done) == 1, "the copy began anew"
        if len(reports) in {3, 20}:
            store.resources.put([NewResource("y" * 50_000, f"late {len(reports)}, {pages}")])

    made = back_up(folder, folder.parent / "b.db", progress=write_meanwhile, pages_at_once=1)
    assert len(reports) > 20
    assert made.counts["resources"] == 300
    assert len(uris(store)) == 302
    store.close()


def test_a_backup_after_a_crash_holds_what_only_the_log_has(folder: Path):
    crashed = in_new_process(
        "import os, sys, pathlib; from openviking.store import SqliteStore; "
        "from openviking.store.resources import NewResource\n"
        "store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "store.resources.put([NewResource('x', 'in the log')])\n"
        "os.kill(os.getpid(), 9)",
        folder,
    )
    assert crashed.returncode == -9
    back_up(folder, folder.parent / "b.db")
    restore(folder.parent / "b.db", folder.parent / "other")
    store = SqliteStore(folder.parent / "other")
    assert "in the log" in uris(store)
    store.close()


def test_an_existing_file_is_left_alone_unless_it_may_be_replaced(folder: Path):
    target = folder.parent / "b.db"
    target.write_text("precious")
    with pytest.raises(ConflictError, match="--replace"):
        back_up(folder, target)
    assert target.read_text() == "precious"
    back_up(folder, target, replace=True)
    assert target.read_bytes()[:6] == b"SQLite"


def test_a_backup_of_nothing_or_to_nowhere_is_refused(folder: Path, tmp_path: Path):
    with pytest.raises(StoreError, match="nothing to back up"):
        back_up(tmp_path / "none", tmp_path / "b.db")
    with pytest.raises(StoreError, match="missing"):
        back_up(folder, tmp_path / "missing" / "b.db")
    assert not (tmp_path / "b.db").exists()


def damage(file: Path) -> None:
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(size // 2)
        raw.write(os.urandom(size // 4))


def test_a_damaged_store_gives_no_backup_and_a_damaged_backup_no_store(folder: Path):
    target = folder.parent / "b.db"
    back_up(folder, target)
    damage(folder / "openviking.db")
    with pytest.raises(StoreError, match="damaged"):
        back_up(folder, folder.parent / "c.db")
    damage(target)
    with pytest.raises(StoreError, match="damaged"):
        restore(target, folder.parent / "other")
    left = {path.name for path in folder.parent.rglob("*")}
    assert left <= {"storage", "other", "b.db", "openviking.lock", "openviking.db",
                    "openviking.db-wal", "openviking.db-shm"}  # fmt: skip
    assert not (folder.parent / "other" / "openviking.db").exists()


@pytest.mark.parametrize("kind", ["missing", "text", "foreign", "newer", "empty", "raw"])
def test_what_is_no_backup_is_refused(folder: Path, kind: str):
    target = folder.parent / "b.db"
    if kind == "text":
        target.write_text("not a database " * 500)
    elif kind == "empty":
        target.touch()
    elif kind in {"newer", "raw"}:
        shutil.copy(folder / "openviking.db", target)
    if kind in {"foreign", "newer"}:
        with apsw.Connection(str(target)) as other:
            other.execute("CREATE TABLE x (y); PRAGMA user_version = 99")
        other.close()
    if kind == "raw":
        target.with_name("b.db-wal").write_bytes(b"some log")
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(StoreError, match=r"b\.db"):
        restore(target, folder.parent / "other")
    assert not (folder.parent / "other" / "openviking.db").exists()
    assert set(before) <= set(folder.parent.rglob("*"))


def test_a_store_in_use_is_not_restored_over(folder: Path):
    target = folder.parent / "b.db"
    back_up(folder, target)
    store = SqliteStore(folder)
    with pytest.raises(StoreInUseError):
        restore(target, folder, replace=True)
    store.check()
    store.close()


def test_the_database_before_is_kept_aside_whole(folder: Path):
    target = folder.parent / "b.db"
    back_up(folder, target)
    store = SqliteStore(folder)
    store.resources.put([NewResource("newer", "newer")])
    store.close()
    with pytest.raises(ConflictError, match="--replace"):
        restore(target, folder)
    done = restore(target, folder, replace=True)
    store = SqliteStore(folder)
    assert "newer" not in uris(store)
    store.close()
    assert done.aside is not None
    restore(done.aside, folder, replace=True)
    store = SqliteStore(folder)
    assert "newer" in uris(store)
    store.close()
