"""Every kind of damage: the examination names it and changes nothing, and a start is refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest
from tests.store.conftest import entry, skill
from tests.store.test_sqlite_failures import in_new_process

from openviking.errors import StoreError
from openviking.store import Finding, SqliteStore, examine
from openviking.store.resources import NewResource

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LOG_ONLY = """
import os, sys, pathlib
from openviking.store import SqliteStore
store = SqliteStore(pathlib.Path(sys.argv[1]))
store.append_message("s", "user", "in the log", {})
os.kill(os.getpid(), 9)
"""
HOLD = """
import sys, pathlib
from openviking.store import SqliteStore
store = SqliteStore(pathlib.Path(sys.argv[1]))
store.append_message("s", "user", "in use", {})
print("open", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with something of everything; copied, never changed."""
    folder = tmp_path_factory.mktemp("sound")
    store = SqliteStore(folder)
    store.resources.put([NewResource(f"text {at} " * 50, f"u{at}") for at in range(200)])
    store.put_skills([entry(skill(f"s{at}", body="words " * 500), passages=4) for at in range(20)])
    store.append_message("s", "user", "hello", {})
    store.close()
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sound, tmp_path / "storage"))


def worst(folder: Path) -> Finding:
    """Examine, and prove that it changed nothing but what is never read again."""
    before = contents(folder)
    found = examine(folder)
    assert contents(folder) == before
    return found[0]


def contents(folder: Path) -> dict[str, bytes | None]:
    if not folder.is_dir():
        return {}
    return {
        path.name: path.read_bytes() if path.is_file() else None
        for path in folder.iterdir()
        if not path.name.endswith("-shm")
    }


def overwrite(file: Path, start: float, share: float, data: bytes = b"\xa5") -> None:
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(int(size * start) // 4096 * 4096)
        raw.write(data * (int(size * share) // len(data)))


def flip_first_page(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.write(b"\0" * 100)


def truncate(share: float) -> Callable[[Path], None]:
    return lambda file: os.truncate(file, int(file.stat().st_size * share))


def run_sql(sql: str) -> Callable[[Path], None]:
    def work(file: Path) -> None:
        connection = apsw.Connection(str(file))
        connection.execute(sql)
        connection.close()

    return work


@pytest.mark.parametrize(
    ("damage", "said", "mend", "is_refused"),
    [
        (flip_first_page, "first page", "restore", True),
        (lambda file: file.write_bytes(b"notes, no database " * 400), "not a database", "restore",
         True),
        (truncate(0.01), "cut off|first page", "restore", True),
        (truncate(0.5), "cut off", "restore", True),
        (truncate(0.98), "cut off", "restore", True),
        (lambda file: overwrite(file, 0.2, 0.5), "damaged", "restore", None),
        (lambda file: overwrite(file, 0.6, 0.02), "damaged", "restore", None),
        (run_sql("PRAGMA user_version = 99"), "schema 99", "move", True),
        (run_sql("PRAGMA application_id = 7"), "another program", "move", True),
        (run_sql("PRAGMA foreign_keys = OFF; DELETE FROM sessions"), "missing one", "restore",
         False),
    ],
    ids=["first-page", "text", "cut-1", "cut-50", "cut-98", "wide", "narrow", "newer", "foreign",
         "orphans"],
)  # fmt: skip
def test_damage_is_found_and_said_with_what_mends_it(
    folder: Path,
    damage: Callable[[Path], None],
    said: str,
    mend: str,
    is_refused: bool | None,  # noqa: FBT001 - a parameter of the test
):
    damage(folder / "openviking.db")
    finding = worst(folder)
    assert finding.status == "failed"
    assert any(part in finding.detail for part in said.split("|")), finding
    assert mend in finding.mend
    before = contents(folder)
    if is_refused:
        with pytest.raises(StoreError):
            SqliteStore(folder)
        assert contents(folder) == before, "a refused start has changed something"


def test_a_sound_store_is_told_with_its_counts(folder: Path):
    finding = worst(folder)
    assert finding.status == "ok"
    assert "20 skills, 200 resources, 1 sessions, 1 messages" in finding.detail


def test_a_log_left_by_a_crash_is_read_and_stays(folder: Path):
    assert in_new_process(LOG_ONLY, folder).returncode == -9
    assert (folder / "openviking.db-wal").stat().st_size
    finding = worst(folder)
    assert (finding.status, "2 messages" in finding.detail) == ("ok", True)
    store = SqliteStore(folder)
    assert [one.content for one in store.messages("s", last=5)] == ["hello", "in the log"]
    store.close()


def test_a_log_that_someone_took_away_is_noticed(folder: Path):
    in_new_process(LOG_ONLY, folder)
    (folder / "openviking.db-wal").unlink()
    finding = worst(folder)
    assert finding.status == "warning"
    assert "missing" in finding.detail
    assert "backup" in finding.mend


def test_a_log_without_its_database_is_no_empty_storage(folder: Path):
    in_new_process(LOG_ONLY, folder)
    (folder / "openviking.db").unlink()
    assert worst(folder).status == "failed"


@contextmanager
def held(folder: Path) -> Iterator[int]:
    with subprocess.Popen(  # noqa: S603 - this interpreter, our own text
        [sys.executable, "-c", HOLD, str(folder)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        yield process.pid
        assert process.stdin is not None
        process.stdin.close()


def test_a_store_in_use_is_examined_beside_its_owner(folder: Path):
    with held(folder) as owner:
        first, *others = examine(folder)
        assert (first.status, first.detail) == (
            "warning", f"{folder}: already in use by process {owner}",
        )  # fmt: skip
        assert "2 messages" in others[-1].detail
    # The lock file stays behind; it holds nobody up.
    assert (folder / "openviking.lock").read_text().strip() == str(owner)
    assert worst(folder).status == "ok"


def test_a_lock_of_a_process_that_is_gone_is_no_finding(folder: Path):
    (folder / "openviking.lock").write_text("4194304\n")
    assert [finding.status for finding in examine(folder)] == ["ok"]
    SqliteStore(folder).close()


@pytest.mark.parametrize("kind", ["none", "empty folder", "empty file"])
def test_what_a_first_start_makes_is_not_missed(tmp_path: Path, kind: str):
    folder = tmp_path / "new"
    if kind != "none":
        folder.mkdir()
    if kind == "empty file":
        (folder / "openviking.db").touch()
    assert worst(folder).status == "ok"
    assert folder.exists() == (kind != "none")


@pytest.mark.parametrize("path", ["/dev/null", "/dev/null/below"])
def test_a_place_that_cannot_hold_a_storage_is_named(path: str):
    (finding,) = examine(Path(path))
    assert finding.status == "failed"
    assert path in finding.detail


def test_a_read_only_folder_is_named(sound: Path):
    program = (
        "import os, sys, pathlib; from openviking.store import examine\n"
        # Root may write anywhere; nobody may not.
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "print(*examine(pathlib.Path(sys.argv[1])), sep='\\n')"
    )
    # Not below pytest's own folder, which other users cannot reach.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(sound, name, dirs_exist_ok=True))
        folder.chmod(0o555)
        told = in_new_process(program, folder)
        folder.chmod(0o755)
    assert f"{folder}: cannot be written" in told.stdout, told.stderr
    assert "status='failed'" in told.stdout
