"""``openviking resources import`` and ``export``: folders and JSON Lines."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, pass_state, storage
from openviking.cli.output import plain, print_json
from openviking.errors import InputError

if TYPE_CHECKING:
    from openviking.resources import ImportReport, Resources


@click.command("import")
@click.argument("source", type=click.Path(path_type=Path, exists=True), metavar="FOLDER|FILE")
@click.option("--prefix", help="What the URIs begin with; default viking://NAME-OF-THE-FOLDER/.")
@click.option("--type", "resource_type", default="document", show_default=True, help="Their kind.")
@click.option("--prune", is_flag=True, help="Delete what this folder had before and has no more.")
@storage
@common
@click.pass_context
def import_command(
    ctx: click.Context, source: Path, prefix: str | None, resource_type: str, prune: bool
) -> None:
    """Store every text of a folder (.md, .markdown, .txt, .text, .rst), or an exported .jsonl file.

    A file whose content has not changed is passed over, so the same import can be repeated. Files
    that are binary, not UTF-8 or too large are named, and the others are stored; then the exit code
    is 1. A running server embeds what it finds; stop it before, for a storage serves one process.

    \b
    Examples:
      openviking resources import docs/ --prefix viking://handbook/
      openviking resources import docs/ --prefix viking://handbook/ --prune
      openviking resources import resources.jsonl
    """
    from openviking.resources import Resources

    state = ctx.ensure_object(State)
    with state.open_store() as store:
        resources = Resources(store)
        if source.is_dir():
            report = _import_folder(resources, source, prefix, resource_type, prune=prune)
        else:
            if prefix is not None or prune:
                raise click.UsageError("--prefix and --prune speak of a folder")
            report = _import_file(resources, source)
    _print(state, report)
    if report.problems:
        ctx.exit(1)


def _import_folder(
    resources: Resources, folder: Path, prefix: str | None, resource_type: str, *, prune: bool
) -> ImportReport:
    from openviking.cli.progress import ProgressLine
    from openviking.resources import FolderImport

    chosen = prefix if prefix is not None else f"viking://{folder.resolve().name}/"
    job = FolderImport(folder, chosen, resource_type, prune=prune)
    with ProgressLine("import", unit="files") as line:
        return job.run(resources, line)


def _import_file(resources: Resources, path: Path) -> ImportReport:
    from openviking.resources import import_lines

    with path.open("rb") as file:
        # A broken byte must cost its own line only.
        return import_lines(resources, (line.decode("utf-8", "surrogateescape") for line in file))


def _print(state: State, report: ImportReport) -> None:
    if state.is_json:
        print_json(asdict(report))
        return
    click.echo(
        f"{report.stored} stored, {report.unchanged} unchanged, {report.pruned} pruned, "
        f"{len(report.problems)} not stored"
    )
    for problem in report.problems:
        click.echo(f"{plain(problem.path)}: {plain(problem.reason)}", err=True)


@click.command("export")
@click.argument("path", type=click.Path(path_type=Path), metavar="FILE|-")
@click.option("--type", "resource_type", help="Only of this kind.")
@click.option("--prefix", help="Only URIs that start like this.")
@click.option("--versions", "with_versions", is_flag=True, help="Earlier versions too.")
@storage
@common
@pass_state
def export_command(
    state: State, path: Path, resource_type: str | None, prefix: str | None, with_versions: bool
) -> None:
    """Write resources as JSON Lines, one a line; `import` reads them back whole.

    \b
    Examples:
      openviking resources export resources.jsonl
      openviking resources export - --prefix viking://handbook/ | jq .target_uri
    """
    from openviking.resources import Resources, export_lines

    if path.exists() and str(path) != "-":
        raise InputError(f"{path}: exists; remove it, or choose another name", loc=("path",))
    with state.open_store() as store:
        lines = export_lines(
            Resources(store),
            prefix=prefix,
            resource_type=resource_type,
            with_versions=with_versions,
        )
        if str(path) == "-":
            for line in lines:
                sys.stdout.write(f"{line}\n")
            return
        count = 0
        with path.open("x", encoding="utf-8") as file:
            for line in lines:
                file.write(f"{line}\n")
                count += 1
    if state.is_json:
        print_json({"exported": count, "path": str(path)})
    else:
        click.echo(f"{count} exported to {path}")
