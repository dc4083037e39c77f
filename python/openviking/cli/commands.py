"""``openviking commands``: list, show, search and sync slash commands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openviking.cli.options import State, common, pass_state, setting
from openviking.cli.output import plain, print_json, print_table, short, visible
from openviking.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from openviking.commands import Command, Commands
    from openviking.commands import Finding as CommandFinding

_folders = setting(
    "--commands",
    key="commands.folders",
    kind=click.Path(),
    multiple=True,
    text="Folder of slash commands, one Markdown file each; may be given several times.",
)


@click.group()
def command() -> None:
    """List, search and sync slash commands.

    A slash command is a Markdown file: front matter with description, agent and model, then
    instructions. Its name is the file's name without the ending. Needs neither model nor storage.

    \b
    Examples:
      openviking commands list --commands examples/commands
      openviking commands search tests --commands examples/commands
      openviking commands sync .agent/workflows --commands examples/commands
    """


def _open(state: State) -> Commands:
    from openviking.commands import Commands

    settings = state.settings()
    folders = settings.commands.folders
    if not folders:
        raise ConfigError(
            "no folder of commands is known; name one with --commands, OPENVIKING_COMMANDS or "
            "commands.folders in ov.conf"
        )
    for folder in folders:
        if not folder.is_dir():
            source = settings.sources.get("commands.folders", "default")
            raise ConfigError(
                f"{source}: commands.folders: expected a folder, but {folder} is none"
            )
    return Commands(folders)


@command.command("list")
@_folders
@common
@pass_state
def list_commands(state: State) -> None:
    """List all commands by name; what is odd about their files goes to standard error."""
    commands = _open(state)
    if state.is_json:
        print_json(
            {
                "commands": [_record(found) for found in commands.list()],
                "findings": [asdict(finding) for finding in commands.findings()],
            }
        )
        return
    print_table(
        ("command", "agent", "description"),
        [
            (f"/{found.name}", found.agent or "", short(found.description, 80))
            for found in commands.list()
        ],
    )
    for finding in commands.findings():
        if finding.severity != "info":
            click.echo(_finding_line(finding), err=True)


@command.command()
@click.argument("name", metavar="NAME")
@_folders
@common
@pass_state
def show(state: State, name: str) -> None:
    """Print one command: its fields and instructions."""
    commands = _open(state)
    found = commands.find(name)
    if found is None:
        known = ", ".join(f"/{one}" for one in commands.names()) or "none"
        raise NotFoundError(f"there is no command /{name.removeprefix('/')}; known are {known}")
    if state.is_json:
        print_json(_record(found) | {"instructions": found.instructions})
        return
    click.secho(f"/{plain(found.name)}", bold=True)
    fields = {
        "description": found.description,
        "agent": found.agent,
        "model": found.model,
        "path": found.path,
    }
    for field, text in fields.items():
        if text:
            click.echo(f"{field:<12} {plain(text)}")
    click.echo(f"\n{visible(found.instructions)}")


@command.command()
@click.argument("query", nargs=-1, required=True)
@_folders
@common
@pass_state
def search(state: State, query: tuple[str, ...]) -> None:
    """Find commands in which words of QUERY stand, best first."""
    hits = _open(state).search(" ".join(query))
    if state.is_json:
        print_json([_record(hit.command) | {"score": hit.score} for hit in hits])
        return
    if not hits:
        click.echo("no command fits", err=True)
    for hit in hits:
        click.echo(f"{hit.score:6.2f}  ", nl=False)
        click.secho(f"/{plain(hit.command.name)}", bold=True, nl=False)
        click.echo(f"  {short(hit.command.description, 90)}")


@command.command()
@click.argument("target", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--force", is_flag=True, help="Replace also what was written or changed in DIR.")
@_folders
@common
@pass_state
def sync(state: State, target: Path, force: bool) -> None:
    """Copy all command files into DIR, an agent's folder of workflows.

    Files are replaced in one step each. What a person wrote or changed in DIR is kept and named;
    a copy whose command is gone is removed.

    \b
    Examples:
      openviking commands sync .agent/workflows
      openviking commands sync ~/.claude/commands --commands examples/commands --json
    """
    report = _open(state).sync(target, is_forced=force)
    if state.is_json:
        print_json(asdict(report))
        return
    click.echo(
        f"{len(report.added)} added, {len(report.updated)} updated, {len(report.unchanged)} "
        f"unchanged, {len(report.removed)} removed, {len(report.kept)} kept"
    )
    for name in report.kept:
        click.echo(f"kept as it is: {plain(name)} (--force replaces it)", err=True)


def _record(found: Command) -> dict[str, Any]:
    record = asdict(found)
    del record["instructions"]
    return record


def _finding_line(finding: CommandFinding) -> str:
    place = finding.path if finding.line is None else f"{finding.path}:{finding.line}"
    return f"{finding.severity:<7} {finding.code:<20} {plain(place)}: {plain(finding.message)}"
