"""The root command: help, versions, exit codes and errors."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from openviking.cli import main
from openviking.cli.app import COMMANDS

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Spawn


def leaves(command: click.Command, words: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(command, click.Group):
        return [words]
    found = []
    context = click.Context(command)
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        assert child is not None
        found += leaves(child, (*words, name))
    return found


def test_help_lists_every_command_and_imports_no_library_that_it_does_not_need(
    environ: dict[str, str],
):
    code = (
        "import sys\n"
        "from openviking.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "slow = {'onnxruntime', 'numpy', 'onnx', 'tokenizers', 'apsw', 'usearch', 'yaml',\n"
        "        'redis', 'msgspec', 'starlette', 'openviking_asgi', 'asyncio'}\n"
        "assert not slow & set(sys.modules), slow & set(sys.modules)\n"
    )

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    for name, (_, text) in COMMANDS.items():
        assert f"  {name}" in done.stdout
        assert text in done.stdout


@pytest.mark.parametrize("words", leaves(main), ids=" ".join)
def test_every_command_explains_itself_and_each_of_its_options(run: Run, words: tuple[str, ...]):
    result = run(*words, "--help")

    command: click.Command = main
    for word in words:
        assert isinstance(command, click.Group)
        child = command.get_command(click.Context(command), word)
        assert child is not None
        command = child
    assert result.exit_code == 0
    assert len(command.help or "") > 30
    options = [param for param in command.params if isinstance(param, click.Option)]
    assert all(option.help for option in options)
    assert {"--json", "--debug", "--config"} <= {flag for option in options for flag in option.opts}


def test_the_listed_summary_of_a_command_is_the_one_it_gives_itself():
    for name, (_, text) in COMMANDS.items():
        command = main.get_command(click.Context(main), name)
        assert command is not None
        assert command.get_short_help_str(200).split()[0] in text.split()[0] + (command.help or "")


def test_version(run: Run):
    result = run("--version")

    assert result.exit_code == 0
    assert result.stdout.startswith("openviking 0.")


def test_a_misspelt_command_is_a_usage_error_with_a_hint(run: Run):
    result = run("skills", "serch", "x")

    assert result.exit_code == 2
    assert result.stdout == ""
    assert "Did you mean 'search'?" in result.stderr
    assert "openviking: error: " in result.stderr


@pytest.mark.parametrize(
    ("words", "kind", "code"),
    [
        (["--json", "nonsense"], "UsageError", 2),
        (["search", "--json"], "MissingParameter", 2),
        (["config", "show", "--json", "--config", "/no/ov.conf"], "ConfigError", 2),
        (["resources", "get", "no-such", "--json"], "NotFoundError", 1),
        (["probe", "--json", "--url", "http://127.0.0.1:1/"], "BackendError", 1),
    ],
)
def test_with_json_an_error_is_one_json_line_on_standard_error(
    run: Run, words: list[str], kind: str, code: int
):
    result = run(*words)

    error = json.loads(result.stderr)["error"]
    assert result.exit_code == error["exit_code"] == code
    assert kind in {error["type"], "UsageError"}
    assert error["message"]
    assert result.stdout == ""


def test_json_after_the_end_of_options_is_text(run: Run):
    result = run("resources", "get", "--", "--json")

    assert result.exit_code == 1
    assert result.stderr.startswith("openviking: error: no resource")


def test_a_wrong_setting_is_one_line_without_a_traceback(run: Run, tmp_path: Path):
    conf = tmp_path / "ov.conf"
    conf.write_text('{"server": {"prot": 1}}')

    result = run("config", "show", "--config", conf)

    assert result.exit_code == 2
    assert result.stderr == (
        f"openviking: error: {conf}: unknown key server.prot; did you mean 'port'?\n"
    )


def test_debug_shows_the_traceback_too(run: Run):
    result = run("config", "show", "--config", "/no/ov.conf", "--debug")

    assert "Traceback" in result.stderr
    assert result.stderr.rstrip().endswith("check the path")


def test_an_error_of_the_system_names_the_file(run: Run, tmp_path: Path):
    result = run("resources", "put", "a", "--file", tmp_path / "missing")

    assert result.exit_code == 1
    assert result.stderr == f"openviking: error: {tmp_path}/missing: No such file or directory\n"


def test_ctrl_c_ends_with_130_and_without_a_traceback(environ: dict[str, str]):
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "openviking", "resources", "put", "a", "--file", "-"],
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell lets its background jobs ignore Ctrl-C, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - no threads run here
    )
    with process:
        # It opens its standard input at once and then waits for us.
        reading = Path(f"/proc/{process.pid}/wchan")
        while process.poll() is None and "pipe" not in reading.read_text():
            pass
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 130
    assert b"Traceback" not in errors


def test_a_reader_that_went_away_ends_the_command_in_silence(environ: dict[str, str]):
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [sys.executable, "-m", "openviking", "config", "show"],
        env=environ, stdout=writer, stderr=subprocess.PIPE, check=False, timeout=60,
    )  # fmt: skip
    os.close(writer)

    assert done.returncode == 141
    assert done.stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_is_read_only_in_part_is_no_success(
    spawn: Spawn, environ: dict[str, str], unbuffered: str
):
    spawn("resources", "put", "u", "--file", "-", stdin=b"x" * 1_000_000)

    process = subprocess.Popen(
        [sys.executable, "-m", "openviking", "resources", "get", "u"],
        env=environ | {"PYTHONUNBUFFERED": unbuffered},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(5)
        process.stdout.close()
        errors = process.stderr.read()

    assert process.returncode == 141
    assert errors == b""


def test_a_terminal_that_is_not_utf_8_shows_escapes_instead_of_failing(spawn: Spawn):
    stored = spawn("resources", "put", "a/bird", "🐦")

    shown = spawn("resources", "list", PYTHONIOENCODING="latin-1")

    assert stored.returncode == shown.returncode == 0, shown.stderr
    assert "\\U0001f426" in shown.stdout


def test_the_module_and_the_script_are_the_same_command(environ: dict[str, str]):
    script = Path(sys.executable).with_name("openviking")
    if not script.exists():
        pytest.skip("the package is not installed, only on the path")

    done = subprocess.run(  # noqa: S603 - our own script
        [script, "config", "show", "--json"], env=environ, capture_output=True, check=True
    )

    assert "server.port" in json.loads(done.stdout)["settings"]
