"""``openviking skills doctor``: what makes skills hard to find."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, model, storage
from openviking.cli.output import plain, print_json
from openviking.cli.progress import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.skills.doctor import Diagnosis


@click.command("doctor")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--stored", is_flag=True, help="Also compare with the stored skills.")
@click.option("--strict", is_flag=True, help="Exit with 1 if anything was found.")
@storage
@model
@common
@click.pass_context
def command(ctx: click.Context, paths: tuple[Path, ...], stored: bool, strict: bool) -> None:
    """Tell authors what makes the skills under each PATH hard to find; without PATH, the stored.

    Looks for descriptions that are missing, vague or the same as another's, for skills that
    compete for the same requests, and for bodies that are longer than the encoder reads. Names the
    neighbours that would be found instead. Files need the model, but no storage; stored skills
    need no model.

    Also says which file is not used because a later PATH has a skill of the same name, as `skills
    import` and `serve --skills` would do it, and which one gets another id than its name gives.

    \b
    Examples:
      openviking skills doctor
      openviking skills doctor ~/.agent/skills ./.agent/skills
      openviking skills doctor new-skills --stored
      openviking skills doctor examples/skills --json
    """
    state = ctx.find_object(State) or State()
    if not paths:
        found = _of_stored(state)
    else:
        found = _beside_stored(state, paths) if stored else _of_files(state, paths)
    ill = [diagnosis for diagnosis in found if diagnosis.complaints]
    if state.is_json:
        print_json([asdict(diagnosis) for diagnosis in found])
    else:
        for diagnosis in ill:
            _print(diagnosis)
        click.echo(f"{len(found)} skills: {len(ill)} could be easier to find")
    if strict and ill:
        ctx.exit(1)


def _of_files(state: State, paths: tuple[Path, ...]) -> Sequence[Diagnosis]:
    from openviking.skills.doctor import diagnose

    with closing(state.open_encoder()) as encoder, ProgressLine("doctor", unit="skills") as line:
        return diagnose(paths, encoder, line)


def _beside_stored(state: State, paths: tuple[Path, ...]) -> Sequence[Diagnosis]:
    with state.open_engine() as engine, ProgressLine("doctor", unit="skills") as line:
        return engine.skills.diagnose(paths, line)


def _of_stored(state: State) -> Sequence[Diagnosis]:
    with state.open_skills() as skills:
        return skills.diagnose()


def _print(diagnosis: Diagnosis) -> None:
    click.secho(plain(diagnosis.name), bold=True, nl=False)
    click.echo(f"  {plain(diagnosis.path)}")
    for complaint in diagnosis.complaints:
        click.echo(f"  {complaint.problem}: {plain(complaint.advice)}")
    if any(c.problem in {"collision", "description-duplicate"} for c in diagnosis.complaints):
        for near in diagnosis.neighbours:
            click.echo(f"    {near.cosine:.2f}  {plain(near.name)}  {plain(near.path)}")
