"""``openviking resources search``: resources by meaning and words, with the passage that fits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, json_object, model, pass_state, storage
from openviking.cli.output import plain, print_json, short
from openviking.cli.records import found_resource_record

if TYPE_CHECKING:
    from openviking.engine import Engine

_SILENT_S = 1.0
_EMBED_TIMEOUT_S = 600.0


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option("-k", "--max-results", type=int, default=10, show_default=True, help="At most.")
@click.option("--type", "resource_type", help="Only of this kind.")
@click.option("--prefix", help="Only URIs that start like this.")
@click.option("--metadata", help="Only with equal values under the keys of this JSON object.")
@click.option("--session", "session_id", help="Only what was stored for this session.")
@click.option("--why", "shows_why", is_flag=True, help="Say what matched, and both ranks.")
@storage
@model
@common
@pass_state
def search(
    state: State,
    query: tuple[str, ...],
    max_results: int,
    resource_type: str | None,
    prefix: str | None,
    metadata: str | None,
    session_id: str | None,
    shows_why: bool,
) -> None:
    """Find the resources that have to do with QUERY, best first; none if nothing is near.

    Resources that are not embedded yet are embedded first. The storage is searched directly, so no
    server may be using it; with one running, ask it: POST /resources/search.

    \b
    Examples:
      openviking resources search "when do we deploy"
      openviking resources search rollback -k 3 --prefix viking://docs/ --why
      openviking resources search tests --metadata '{"language": "python"}' --json
    """
    with state.open_engine() as engine:
        _embed(engine)
        found = engine.resources.search(
            " ".join(query),
            k=max_results,
            resource_type=resource_type,
            prefix=prefix,
            metadata=json_object(metadata),
            session_id=session_id,
        )
    if state.is_json:
        hits = [found_resource_record(hit) for hit in found.hits]
        print_json({"query": found.query, "found_count": len(hits), "resources": hits})
        return
    if not found.hits:
        click.echo("nothing is near", err=True)
    for hit in found.hits:
        click.echo(f"{hit.score:.3f}  ", nl=False)
        click.secho(plain(hit.resource.target_uri), bold=True, nl=False)
        click.echo(f"  {short(hit.passage.text, 90)}")
        if shows_why:
            why = hit.why
            meaning = "-" if why.meaning is None else f"{why.meaning:.3f}"
            click.echo(
                f"       meaning {meaning} (rank {why.semantic_rank or '-'}), words "
                f"{why.words:.2f} (rank {why.lexical_rank or '-'}): "
                f"{plain(', '.join(why.terms) or 'none')}"
            )


def _embed(engine: Engine) -> None:
    """Wait for the vectors of what is new, and say so if that takes a while."""
    if engine.resources.wait_until_embedded(_SILENT_S):
        return
    click.echo("waiting for the vectors of new resources; what is done stays done", err=True)
    if not engine.resources.wait_until_embedded(_EMBED_TIMEOUT_S):
        click.echo("some resources are found by their words only yet", err=True)
