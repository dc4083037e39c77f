from __future__ import annotations

import os
import resource as limits
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import apsw
import pytest
from tests.store.conftest import entry, skill

from openviking.errors import StoreError, StoreInUseError
from openviking.store import SqliteStore
from openviking.store.sqlite import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

MEGABYTE = "m" * 2**20


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A folder with a closed store of some size."""
    store = SqliteStore(tmp_path)
    for at in range(20):
        store.append_message("s", "user", f"{at} " * 2000, {})
    store.put_skills([entry(skill(f"s{at}", body="some words " * 1000)) for at in range(20)])
    store.close()
    return tmp_path


def in_new_process(program: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - this interpreter, our own text
        [sys.executable, "-c", program, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_second_process_is_refused_and_told_who_is_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    second = in_new_process(
        "import sys, pathlib; from openviking.store import SqliteStore; "
        "SqliteStore(pathlib.Path(sys.argv[1]))",
        tmp_path,
    )
    assert f"already in use by process {os.getpid()}" in second.stderr
    assert "StoreInUseError" in second.stderr
    store.append_message("s", "user", "still fine", {})
    store.close()
    SqliteStore(tmp_path).close()


def test_a_second_store_in_this_process_is_refused_too(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    with pytest.raises(StoreInUseError, match="already in use"):
        SqliteStore(tmp_path)
    store.close()


def test_a_forked_child_may_not_use_its_parents_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    child = os.fork()
    if child == 0:
        # No pytest code may run here: answer by the exit status alone.
        try:
            store.append_message("s", "user", "from the child", {})
        except StoreError:
            os._exit(7)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    assert store.messages("s", last=1) == []
    store.close()


def test_a_full_store_refuses_the_large_write_and_goes_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, bytes_max=2 * 2**20)
    store.append_message("s", "user", MEGABYTE, {})
    with pytest.raises(StoreError, match=r"openviking\.db.*full") as caught:
        store.append_message("s", "user", MEGABYTE * 2, {})
    assert isinstance(caught.value.__cause__, apsw.FullError)
    assert store.append_message("s", "user", "small", {}).seq == 2
    store.close()
    again = SqliteStore(tmp_path)
    assert [len(message.content) for message in again.messages("s", last=9)] == [2**20, 5]
    again.close()


@pytest.fixture
def _small_disk() -> Iterator[None]:
    """Let no file of this process grow beyond 1 MiB, as if the disk were full."""
    before = limits.getrlimit(limits.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits.setrlimit(limits.RLIMIT_FSIZE, (2**20, before[1]))
    yield
    limits.setrlimit(limits.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.usefixtures("_small_disk")
def test_a_disk_that_takes_no_more_bytes_fails_one_write_and_keeps_the_rest(
    tmp_path: Path,
) -> None:
    store = SqliteStore(tmp_path)
    store.append_message("s", "user", "before", {})
    with pytest.raises(StoreError, match=r"openviking\.db"):
        store.append_message("s", "user", MEGABYTE * 2, {})
    assert store.append_message("s", "user", "after", {}).seq == 2
    store.close()
    again = SqliteStore(tmp_path)
    assert [message.content for message in again.messages("s", last=9)] == ["before", "after"]
    again.close()


@pytest.mark.parametrize("folder", ["/proc/openviking", "/dev/null", "/dev/null/below"])
def test_a_path_that_cannot_be_written_is_named(folder: str) -> None:
    with pytest.raises(StoreError, match=folder):
        SqliteStore(Path(folder))


@pytest.fixture
def open_to_all(filled: Path) -> Iterator[Path]:
    """A store's folder that other users reach, which they do not below pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(shutil.copytree(filled, name, dirs_exist_ok=True))
        folder.chmod(0o777)
        (folder / "openviking.lock").chmod(0o666)
        yield folder


def open_without_rights(folder: Path) -> str:
    """Open and check the store as a user who may do only what the file modes say."""
    program = (
        "import os, sys, pathlib; from openviking.store import SqliteStore\n"
        # Root may write anywhere; nobody may not.
        "if os.geteuid() == 0: os.seteuid(65534)\n"
        "SqliteStore(pathlib.Path(sys.argv[1])).check()"
    )
    return in_new_process(program, folder).stderr


def test_a_read_only_folder_is_refused(open_to_all: Path) -> None:
    (open_to_all / "openviking.lock").unlink()
    open_to_all.chmod(0o555)
    refusal = open_without_rights(open_to_all)
    assert "StoreError" in refusal
    assert f"{open_to_all}: expected a folder that can be written; Permission denied" in refusal


def test_a_read_only_database_file_is_refused(open_to_all: Path) -> None:
    (open_to_all / "openviking.db").chmod(0o444)
    refusal = open_without_rights(open_to_all)
    assert "StoreError" in refusal
    assert "read-only; make both writable" in refusal


def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "openviking.db"
    file.write_bytes(b"not a database at all " * 500)
    with pytest.raises(StoreError, match=r"openviking\.db.*not a database.*move the file"):
        SqliteStore(tmp_path)
    assert file.read_bytes() == b"not a database at all " * 500


def test_a_database_of_another_program_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "openviking.db"
    with apsw.Connection(str(file)) as foreign:
        foreign.execute("CREATE TABLE theirs (x)")
    foreign.close()
    before = file.read_bytes()
    with pytest.raises(StoreError, match="another program"):
        SqliteStore(tmp_path)
    assert file.read_bytes() == before


def test_a_newer_schema_is_refused_and_left_alone(filled: Path) -> None:
    connection = apsw.Connection(str(filled / "openviking.db"))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(StoreError, match="schema 99"):
        SqliteStore(filled)


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.95])
def test_a_truncated_database_is_refused_with_advice(filled: Path, kept: float) -> None:
    file = filled / "openviking.db"
    os.truncate(file, int(file.stat().st_size * kept))
    with pytest.raises(StoreError, match=r"openviking\.db.*damaged.*backup"):
        SqliteStore(filled)


def test_damage_in_the_middle_is_a_store_error_where_it_is_met(filled: Path) -> None:
    file = filled / "openviking.db"
    size = file.stat().st_size
    with file.open("r+b") as raw:
        raw.seek(4096)
        raw.write(b"\xff" * (size - 4096))
    with pytest.raises(StoreError, match="damaged"):  # noqa: PT012 - either step may meet it
        store = SqliteStore(filled)
        try:
            store.messages("s", last=5)
        finally:
            store.close()


def test_an_interrupted_first_start_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "openviking.db").touch()
    store = SqliteStore(tmp_path)
    assert store.append_message("s", "user", "m", {}).seq == 1
    store.close()


def test_a_refused_open_releases_the_folder(filled: Path) -> None:
    file = filled / "openviking.db"
    whole = file.read_bytes()
    file.write_bytes(b"garbage" * 1000)
    with pytest.raises(StoreError):
        SqliteStore(filled)
    file.write_bytes(whole)
    store = SqliteStore(filled)
    assert len(store.messages("s", last=100)) == 20
    store.close()


def test_deleting_gives_space_back_to_the_file_system(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    ids = [f"s{at}" for at in range(50)]
    store.put_skills([entry(skill(i, body="words " * 10_000), passages=4) for i in ids])
    large = store.stats()["bytes"]
    store.delete_skills(ids)
    assert store.stats()["bytes"] < large / 4
    store.close()
    assert (tmp_path / "openviking.db").stat().st_size < large / 4


def test_the_file_is_marked_as_ours_and_survives_a_power_cut_by_setting(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    store.check()
    store.close()
    header = (tmp_path / "openviking.db").read_bytes()[:100]
    user_version, application_id = struct.unpack_from(">I4xI", header, 60)
    assert (application_id, user_version) == (0x4F564B31, schema.VERSION)
    assert header[18:20] == b"\x02\x02", "the file is not in WAL mode"


def test_a_store_without_a_path_is_gone_when_closed() -> None:
    store = SqliteStore(None)
    store.append_message("s", "user", "m", {})
    file = store.path
    assert file.exists()
    store.close()
    assert not file.parent.exists()
