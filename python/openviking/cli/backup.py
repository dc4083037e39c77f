"""``openviking backup`` and ``openviking restore``: the whole storage as one verified file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, pass_state, storage, storage_hint
from openviking.cli.output import bytes_text, print_json

if TYPE_CHECKING:
    from collections.abc import Mapping


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Overwrite PATH if it exists.")
@storage
@common
@pass_state
def backup_command(state: State, path: Path, replace: bool) -> None:
    """Copy the storage to the file PATH, also while a server writes to it.

    The copy is one moment of the storage and holds every write that was answered before the command
    began. Every page of it is verified before it gets its name; if anything fails, PATH is as it
    was.

    \b
    Examples:
      openviking backup /backups/openviking-$(date +%F).db
      openviking backup latest.db --replace --storage /data/openviking
    """
    from openviking.cli.progress import ProgressLine
    from openviking.store import back_up

    with ProgressLine("copy", unit="pages") as line:
        made = back_up(state.settings().storage.path, path, replace=replace, progress=line)
    if state.is_json:
        print_json({"path": str(made.path), "bytes": made.size_bytes, **made.counts})
    else:
        click.echo(f"{made.path}: {_described(made.counts)}, {bytes_text(made.size_bytes)}")


@click.command()
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--replace", is_flag=True, help="Keep the present database aside and replace it.")
@storage
@common
@pass_state
def restore_command(state: State, path: Path, replace: bool) -> None:
    """Make the storage what the backup PATH holds; stop the server before.

    PATH is verified, and takes its place in one step. A database that is there is refused unless
    --replace is given; it is then kept beside the new one, named openviking.db.before-TIME.

    \b
    Examples:
      openviking restore /backups/openviking-2026-01-31.db --storage /data/new
      openviking restore latest.db --replace
    """
    from openviking.store import restore

    with storage_hint():
        done = restore(path, state.settings().storage.path, replace=replace)
    if state.is_json:
        aside = None if done.aside is None else str(done.aside)
        print_json({"path": str(done.path), "aside": aside, **done.counts})
        return
    click.echo(f"{done.path}: {_described(done.counts)}")
    if done.aside is not None:
        click.echo(f"the database before: {done.aside}")


def _described(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
