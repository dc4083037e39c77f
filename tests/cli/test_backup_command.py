"""`openviking backup` and `restore`, as a person calls them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from openviking.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run, Spawn


def test_a_storage_goes_into_a_file_and_comes_back_elsewhere(run: Run, tmp_path: Path):
    file = tmp_path / "b.db"
    run("resources", "put", "u", "kept", "--storage", tmp_path / "one")

    made = run("backup", file, "--storage", tmp_path / "one", "--json")
    done = run("restore", file, "--storage", tmp_path / "two", "--json")

    assert json.loads(made.stdout)["resources"] == json.loads(done.stdout)["resources"] == 1
    assert run("resources", "get", "u", "--storage", tmp_path / "two").stdout == "kept"


def test_a_backup_is_made_beside_the_process_that_uses_the_storage(spawn: Spawn, tmp_path: Path):
    store = SqliteStore(tmp_path / "one")
    made = spawn("backup", tmp_path / "b.db", "--storage", tmp_path / "one")
    refused = spawn("restore", tmp_path / "b.db", "--storage", tmp_path / "one", "--replace")
    store.close()

    assert made.returncode == 0, made.stderr
    assert "0 resources" in made.stdout
    assert refused.returncode == 1
    assert "already in use" in refused.stderr


def test_what_is_there_is_not_overwritten(run: Run, tmp_path: Path):
    file = tmp_path / "b.db"
    run("resources", "put", "u", "kept", "--storage", tmp_path / "one")
    run("backup", file, "--storage", tmp_path / "one")

    again = run("backup", file, "--storage", tmp_path / "one")
    over = run("restore", file, "--storage", tmp_path / "one")
    replaced = run("restore", file, "--storage", tmp_path / "one", "--replace")

    assert (again.exit_code, over.exit_code, replaced.exit_code) == (1, 1, 0)
    assert "--replace" in again.stderr
    assert "--replace" in over.stderr
    assert "openviking.db.before-" in replaced.stdout
