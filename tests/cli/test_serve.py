"""`openviking serve` and `doctor` in real processes, with the real model."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openviking.cli.replica import claim_storage
from openviking.errors import StoreError
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.cli.conftest import Run, Spawn


@contextmanager
def serving(
    environ: dict[str, str], *words: str | Path
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run a server on a free port; yields process and address once the port answers."""
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "openviking", "serve", "--port", "0", *map(str, words)],
        env=environ | {"LOG_LEVEL": "WARNING"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith("OpenViking listens on "):
                _, errors = process.communicate(timeout=30)
                raise AssertionError(line + errors)
            yield process, line.split()[3]
        finally:
            process.terminate()
            process.communicate(timeout=30)


@pytest.fixture
def served(
    environ: dict[str, str], model_dir: Path, tmp_path: Path
) -> Iterator[tuple[subprocess.Popen[str], str, Path]]:
    storage = tmp_path / "storage"
    with serving(environ, "--storage", storage, "--model-dir", model_dir, "--replica") as (
        process,
        address,
    ):
        yield process, address, storage


def test_a_server_gets_ready_refuses_its_storage_to_others_and_ends_in_order(
    served: tuple[subprocess.Popen[str], str, Path],
    environ: dict[str, str],
    spawn: Spawn,
    model_dir: Path,
):
    process, address, storage = served

    probed = spawn("probe", "--wait", "60", "--url", f"{address}/readyz")
    assert probed.returncode == 0, probed.stderr
    with urllib.request.urlopen(f"{address}/health", timeout=10) as answer:  # noqa: S310 - ours
        assert json.load(answer)["status"] == "healthy"

    # The same storage from the command line: refused, with what to do instead.
    for words in (
        ["resources", "put", "u", "t"],
        ["search", "x", "--model-dir", str(model_dir)],
    ):
        refused = spawn(*words, "--storage", storage)
        assert refused.returncode == 1
        assert f"already in use by process {process.pid}" in refused.stderr
        assert "ask it over HTTP" in refused.stderr

    # A replica beside it works in a folder of its own.
    with serving(environ, "--storage", storage, "--model-dir", model_dir, "--replica") as (
        _,
        second,
    ):
        assert spawn("probe", "--wait", "60", "--url", f"{second}/readyz").returncode == 0
        assert (storage / "replica-2" / "openviking.db").exists()

    # The doctor sees both, and blames neither.
    port = address.rpartition(":")[2]
    examined = spawn(
        "doctor", "--json", "--storage", storage, "--port", port, "--model-dir", model_dir
    )
    # Of several findings of one name, the worst comes first.
    found = reversed(json.loads(examined.stdout))
    status = {check["name"]: check["status"] for check in found}
    assert examined.returncode == 0, examined.stdout
    assert status["storage"] == status["port"] == "warning"
    assert status["model"] == status["cpu"] == "ok"

    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 0
    assert spawn("resources", "put", "u", "t", "--storage", storage).returncode == 0


def test_a_full_disk_behind_the_output_is_one_line(environ: dict[str, str]):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "openviking", "config", "show"],
            env=environ, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60,
        )  # fmt: skip

    assert done.returncode == 1
    assert done.stderr == "openviking: error: No space left on device\n"


def test_a_busy_port_is_an_error_that_names_another(spawn: Spawn, model_dir: Path, tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = spawn(
            "serve", "--port", str(port), "--storage", tmp_path / "s", "--model-dir", model_dir
        )
        examined = spawn("doctor", "--port", str(port), "--json", "--model-dir", tmp_path)

    assert done.returncode == 2
    assert f"port {port} on 127.0.0.1 is in use" in done.stderr
    assert f"--port {port + 1}" in done.stderr
    assert "Traceback" not in done.stderr
    status = {check["name"]: check["status"] for check in json.loads(examined.stdout)}
    assert status["port"] == "failed"
    assert examined.returncode == 1


def test_without_the_server_distribution_the_command_to_get_it_is_named(environ: dict[str, str]):
    code = (
        "import sys; sys.modules['openviking_asgi'] = None\n"
        "from openviking.cli import main; main(['serve'])"
    )

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 2
    assert "pip install ./asgi" in done.stderr


@pytest.mark.parametrize("name", ["no-such", "file"])
def test_a_skill_folder_that_is_none_is_refused_at_once(run: Run, tmp_path: Path, name: str):
    (tmp_path / "file").write_text("")

    by_option = run("serve", "--skills", tmp_path / name)
    by_variable = run("serve", OPENVIKING_SKILLS=str(tmp_path / name))

    assert by_option.exit_code == by_variable.exit_code == 2
    assert f"skills.folders: expected a folder, but {tmp_path / name} is none" in by_option.stderr
    assert "OPENVIKING_SKILLS: skills.folders" in by_variable.stderr


def test_a_command_folder_that_is_none_is_refused_at_once(run: Run, tmp_path: Path):
    result = run("serve", "--commands", tmp_path / "no-such")

    assert result.exit_code == 2
    assert f"commands.folders: expected a folder, but {tmp_path / 'no-such'}" in result.stderr


def test_a_storage_that_cannot_be_used_ends_the_server_with_an_error(
    spawn: Spawn, model_dir: Path, tmp_path: Path
):
    (tmp_path / "file").write_text("in the way")

    for words in (["--replica"], []):
        done = spawn(
            "serve", *words, "--port", "0", "--storage", tmp_path / "file", "--model-dir", model_dir
        )

        assert done.returncode == 1
        assert str(tmp_path / "file") in done.stderr
        assert "Traceback" not in done.stderr


def test_the_first_claim_gets_the_storage_itself_and_an_ended_one_is_free_again(tmp_path: Path):
    first, claim = claim_storage(tmp_path)
    second, other = claim_storage(tmp_path)
    os.close(claim)
    again, third = claim_storage(tmp_path)
    os.close(other)
    os.close(third)

    assert first == again == tmp_path
    assert second == tmp_path / "replica-2"


def test_a_claim_passes_over_a_storage_that_an_unclaiming_server_holds(tmp_path: Path):
    store = SqliteStore(tmp_path)
    folder, claim = claim_storage(tmp_path)
    os.close(claim)
    store.close()

    assert folder == tmp_path / "replica-2"


def test_a_claim_on_what_cannot_be_a_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="expected a folder that can be written"):
        claim_storage(tmp_path / "file")


def test_the_doctor_tells_what_is_wrong_and_what_mends_it(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("")

    result = run(
        "doctor", "--json", "--port", "0", "--storage", tmp_path / "file",
        "--model-dir", tmp_path / "none",
        OPENVIKING_SKILLS=str(tmp_path / "no-skills"), OPENVIKING_PROT="1",
        OPENVIKING_COMMANDS=str(tmp_path / "no-commands"),
    )  # fmt: skip

    checks = {check["name"]: check for check in json.loads(result.stdout)}
    assert result.exit_code == 1
    assert checks["settings"]["status"] == "warning"
    assert "OPENVIKING_PORT" in checks["settings"]["detail"]
    assert checks["model"]["status"] == "failed"
    assert "openviking model pull" in checks["model"]["detail"]
    assert checks["storage"]["status"] == "failed"
    assert checks["skills"]["status"] == "failed"
    assert "no-skills" in checks["skills"]["detail"]
    assert checks["commands"]["status"] == "warning"
    assert "no-commands" in checks["commands"]["detail"]
    assert checks["port"]["status"] == "ok"
    assert checks["cpu"]["status"] in {"ok", "warning"}


def test_the_doctor_is_content_with_a_sound_installation(
    spawn: Spawn, model_dir: Path, tmp_path: Path
):
    words = ("doctor", "--port", "0", "--storage", tmp_path / "s", "--model-dir", model_dir)
    looked, written = spawn(*words), spawn(*words, "--write")

    assert looked.returncode == written.returncode == 0, looked.stdout + written.stdout
    assert "failed" not in looked.stdout + written.stdout
    assert "does not exist yet" in looked.stdout
    assert "a write is on disk" in written.stdout
