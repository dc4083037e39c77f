"""``openviking skills disable`` and ``enable``: switches that outlive every edit of the file."""

from __future__ import annotations

import click

from openviking.cli.options import State, common, model, pass_state, storage
from openviking.cli.output import plain, print_json
from openviking.cli.records import switched_record

_IDS = click.argument("skill_ids", nargs=-1, required=True, metavar="ID...")


@click.command()
@_IDS
@storage
@model
@common
@pass_state
def disable(state: State, skill_ids: tuple[str, ...]) -> None:
    """Hide skills from searches, lists, families and counts; their files stay as they are.

    The switch belongs to the ID: it outlasts restarts, imports and edits, and a file of the same
    name in another folder does not take the place of the skill. `rm` forgets it, `skills list
    --all` shows it. A running server holds the storage: ask that with PATCH /skills/ID.

    \b
    Examples:
      openviking skills disable regex-help
      openviking skills disable pdf csv --json
      curl -X PATCH localhost:8002/skills/pdf -H 'Content-Type: application/json' \\
           -d '{"disabled": true}'
    """
    _turn(state, skill_ids, is_disabled=True)


@click.command()
@_IDS
@storage
@model
@common
@pass_state
def enable(state: State, skill_ids: tuple[str, ...]) -> None:
    """Undo `disable`; says so if the file itself keeps the skill from being found.

    A running server holds the storage: ask that with PATCH /skills/ID and {"disabled": false}.

    \b
    Examples:
      openviking skills enable regex-help
      openviking skills enable pdf csv --json
    """
    _turn(state, skill_ids, is_disabled=False)


def _turn(state: State, skill_ids: tuple[str, ...], *, is_disabled: bool) -> None:
    wanted = "true" if is_disabled else "false"
    over_http = f'PATCH /skills/{skill_ids[0]} with {{"disabled": {wanted}}}'
    with state.open_skills(over_http) as skills:
        found = skills.disable(skill_ids) if is_disabled else skills.enable(skill_ids)
    if state.is_json:
        print_json([switched_record(switched) for switched in found])
        return
    for switched in found:
        click.echo(f"{plain(switched.id)}: {plain(switched.message)}")
