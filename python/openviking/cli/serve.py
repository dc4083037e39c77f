"""``openviking serve``: the HTTP server, which is a distribution of its own."""

from __future__ import annotations

import importlib.util
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, model, pass_state, setting, storage
from openviking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from openviking.config import Settings


@click.command()
@setting("--host", key="server.host", text="Address to bind; default 127.0.0.1.")
@setting("--port", key="server.port", kind=int, text="TCP port; default 8002.")
@setting(
    "--skills",
    key="skills.folders",
    kind=click.Path(),
    multiple=True,
    text="Folder of SKILL.md files, imported and watched; of equal names, a later folder's wins.",
)
@setting(
    "--commands",
    key="commands.folders",
    kind=click.Path(),
    multiple=True,
    text="Folder of slash commands, one Markdown file each; may be given several times.",
)
@storage
@model
@common
@click.option("--pull", "is_pulling", is_flag=True, help="Fetch and build the model if missing.")
@click.option(
    "--replica",
    "is_replica",
    is_flag=True,
    help="If another server holds the storage, work in a folder replica-N below it.",
)
@pass_state
def command(state: State, is_pulling: bool, is_replica: bool) -> None:
    """Run the HTTP server until Ctrl-C or SIGTERM; running requests are finished first.

    The port answers at once; /readyz turns 200 when the model is loaded. Nothing is downloaded
    unless --pull is given. A request log goes to standard error, one JSON line each
    (LOG_FORMAT=console for people, LOG_LEVEL=WARNING for less).

    \b
    Examples:
      openviking serve
      openviking serve --pull --skills ~/.agent/skills --skills examples/skills
      openviking serve --host 0.0.0.0 --port 8000 --storage /data/openviking
    """
    if importlib.util.find_spec("openviking_asgi") is None:
        raise ConfigError(
            "the server is a distribution of its own, openviking-asgi, and is not installed; "
            "run `pip install ./asgi` in the OpenViking repository"
        )
    settings = state.settings()
    _check_folders(settings)
    from openviking.cli.pulling import require
    from openviking.encoder.allocator import spare_memory

    spare_memory()

    with _ending_on_sigterm():
        require(settings, is_pulling=is_pulling)
    if is_replica:
        from openviking.cli.replica import claim_storage

        path, _lock = claim_storage(settings.storage.path)
        state.overrides.setdefault("storage", {})["path"] = path
        settings = state.settings()
        click.echo(f"storage: {path}", err=True)
    from openviking_asgi.server import serve

    serve(settings)


def _check_folders(settings: Settings) -> None:
    """Refuse a folder that does not exist: the server would wait for it in silence."""
    for key, folders in (
        ("skills.folders", settings.skills.folders),
        ("commands.folders", settings.commands.folders),
    ):
        for folder in folders:
            if not folder.is_dir():
                source = settings.sources[key]
                raise ConfigError(
                    f"{source}: {key}: expected a folder, but {folder} is none; make it first, or "
                    "correct the path"
                )


@contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """End at once on SIGTERM; the server has a handler of its own.

    As process 1 of a container a process ignores SIGTERM unless it handles it, and a first pull
    takes minutes.
    """

    def end(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
