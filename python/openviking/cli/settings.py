"""``openviking config``: the settings in force and where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from openviking.cli.options import State, common, model, pass_state, setting, storage
from openviking.cli.output import print_json, print_table

if TYPE_CHECKING:
    from openviking.config import Settings


@click.group()
def command() -> None:
    """Show the settings in force and their sources."""


@command.command()
@common
@storage
@model
@setting("--host", key="server.host", text="Address to bind.")
@setting("--port", key="server.port", kind=int, text="TCP port.")
@pass_state
def show(state: State) -> None:
    """Print every setting, its value and where the value came from.

    Options win over environment variables, these over the ov.conf file, this over defaults.
    Keys of other OpenViking configurations that have no effect here are listed below the table.

    \b
    Examples:
      openviking config show
      OPENVIKING_PORT=9000 openviking config show --config ov.conf --json
    """
    settings = state.settings()
    values = flatten(settings)
    if state.is_json:
        rows = {
            name: {"value": value, "source": settings.sources.get(name, "default")}
            for name, value in values.items()
        }
        print_json({"settings": rows, "notes": list(settings.notes)})
        return
    print_table(
        ("setting", "value", "from"),
        [
            (name, _text(value), settings.sources.get(name, "default"))
            for name, value in values.items()
        ],
    )
    print_notes(settings)


def flatten(settings: Settings) -> dict[str, Any]:
    """Return ``section.key`` -> value as JSON types, in the order of the settings struct."""
    import msgspec

    document = msgspec.to_builtins(settings, enc_hook=str)
    return {
        f"{section}.{key}": value
        for section, entries in document.items()
        if section not in {"notes", "sources"}
        for key, value in entries.items()
    }


def print_notes(settings: Settings) -> None:
    """Print on standard error what was configured in vain."""
    for note in settings.notes:
        click.echo(f"note: {note}", err=True)


def _text(value: Any) -> str:
    if value is None:
        return "(automatic)"
    if isinstance(value, (list, tuple)):
        return ", ".join(value) or "(none)"
    return str(value)
