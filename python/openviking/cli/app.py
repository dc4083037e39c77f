"""The root command: which commands there are, and how every failure ends.

Exit codes: 0 done; 1 it failed; 2 the command line, a setting or the input is wrong; 130 stopped by
Ctrl-C; 141 the reader of our output went away.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, Any, NoReturn

import click

from openviking.cli.options import State, common
from openviking.errors import ConfigError, InputError, OpenVikingError

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED, EXIT_BROKEN_PIPE = 1, 2, 130, 141

# In the order in which a newcomer meets them; the text is shown without importing the module.
COMMANDS = {
    "serve": ("openviking.cli.serve", "Run the HTTP server."),
    "model": ("openviking.cli.model", "Fetch, list, verify and remove the embedding model."),
    "skills": ("openviking.cli.skills", "Import, search, check and show skills."),
    "commands": ("openviking.cli.commands", "List, search and sync slash commands."),
    "search": ("openviking.cli.search", "Find the skills for a task."),
    "embed": ("openviking.cli.embed", "Turn texts into vectors."),
    "conversations": (
        "openviking.cli.conversations",
        "List, search, export, import and delete conversations.",
    ),
    "resources": ("openviking.cli.resources", "Store and read long-term memory."),
    "config": ("openviking.cli.settings", "Show the settings in force and their sources."),
    "eval": ("openviking.cli.eval", "Measure skill search on labelled sets."),
    "backup": (
        "openviking.cli.backup:backup_command",
        "Copy the storage, also while it is in use.",
    ),
    "restore": ("openviking.cli.backup:restore_command", "Put a backup in place of the storage."),
    "doctor": ("openviking.cli.doctor", "Check model, storage, CPU and port."),
    "probe": ("openviking.cli.probe", "Ask a running server whether it is ready."),
}


class Root(click.Group):
    """The root group: imports a command when it is used, and turns every failure into an exit."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in teaching order."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None if there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name or "command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, so that help imports none of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command and flush, so that a reader that went away is noticed here."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            raise click.exceptions.Exit(EXIT_BROKEN_PIPE) from None
        return result

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: FBT002 - click's signature
        **extra: Any,
    ) -> NoReturn:
        """Run and exit; ``obj`` may bring a prepared State."""
        del standalone_mode
        words = sys.argv[1:] if args is None else list(args)
        state = extra.pop("obj", None) or State()
        state.is_json = (
            "--json" in words[: words.index("--")] if "--" in words else ("--json" in words)
        )
        _prepare_output()
        code = _run(super().main, words, prog_name or "openviking", complete_var, state, extra)
        _settle_output()
        sys.exit(code)


def _run(
    run: Any, words: list[str], name: str, complete: str | None, state: State, extra: dict[str, Any]
) -> int:
    """Call click's own *run* and translate what it raises into an exit code."""
    try:
        code = run(words, name, complete, standalone_mode=False, obj=state, **extra)
    except (click.Abort, click.ClickException, OpenVikingError, OSError) as error:
        if state.is_debug:
            traceback.print_exception(error)
        if isinstance(error.__cause__, KeyboardInterrupt):
            return EXIT_INTERRUPTED
        if isinstance(error, click.UsageError) and error.ctx and not state.is_json:
            click.echo(f"{error.ctx.get_usage()}\n", err=True)
        return _report(state, error, _message(error))
    return code if isinstance(code, int) else 0


def _prepare_output() -> None:
    """Make standard output whole and safe for any text."""
    if isinstance(getattr(sys.stdout, "buffer", None), io.RawIOBase):
        # PYTHONUNBUFFERED, as containers set it: a write that the system takes only in part, on a
        # full disk for one, would lose the rest without an error.
        sys.stdout = open(  # noqa: SIM115 - it stays open as long as the process
            sys.stdout.fileno(), "w", encoding=sys.stdout.encoding, closefd=False
        )
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that is not UTF-8 must not turn a skill's name into a crash.
            stream.reconfigure(errors="backslashreplace")


def _settle_output() -> None:
    """Drop output that cannot be written: Python flushes once more at exit, and would complain."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _message(error: Exception) -> str:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, click.Abort):
        return "stopped: the question was not answered with yes"
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}"
    return str(error)


def _report(state: State, error: Exception, message: str) -> int:
    is_usage = isinstance(error, (click.UsageError, ConfigError, InputError))
    code = EXIT_USAGE if is_usage else EXIT_FAILED
    if state.is_json:
        body = {"type": type(error).__name__, "message": message, "exit_code": code}
        click.echo(json.dumps({"error": body}, ensure_ascii=False), err=True)
    else:
        click.echo(f"openviking: error: {message}", err=True)
    return code


def _show_version(ctx: click.Context, param: click.Parameter, is_asked: bool) -> None:
    del param
    if is_asked and not ctx.resilient_parsing:
        from openviking.version import __version__

        click.echo(f"openviking {__version__}")
        ctx.exit()


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done, 1 failed, 2 wrong command line, setting or input, 130 Ctrl-C.",
)
@common
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Print the version.",
)
def main() -> None:
    """Embeddings, skill search and memory for AI agents on one CPU machine.

    \b
    First steps:
      openviking model pull                   fetch and build the embedding model, once
      openviking skills import examples/skills
      openviking search "clean a messy CSV file"
      openviking serve                        the same over HTTP, on 127.0.0.1:8002

    Settings come from options, else environment variables, else the ov.conf file named by --config
    or OPENVIKING_CONFIG_FILE, else defaults: `openviking config show` prints what is in force.
    """
