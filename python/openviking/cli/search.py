"""``openviking search`` and ``openviking skills search``: the skills for a task."""

from __future__ import annotations

import click

from openviking.cli.options import State, common, model, pass_state, storage
from openviking.cli.output import plain, print_json, short
from openviking.cli.records import hit_record


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option(
    "-k", "--max-results", type=int, help="Skills at most; default retrieval.max_results, 10."
)
@click.option("--category", help="Only this category, subcategory or category/subcategory.")
@click.option("--hierarchical", is_flag=True, help="Let parents and sub-skills follow a hit.")
@click.option("--why", "shows_why", is_flag=True, help="Say what matched, and both ranks.")
@storage
@model
@common
@pass_state
def search_command(
    state: State,
    query: tuple[str, ...],
    max_results: int | None,
    category: str | None,
    hierarchical: bool,
    shows_why: bool,
) -> None:
    """Find the skills for a task described in QUERY, best first; none if none fits.

    The storage is searched directly, so no server may be using it; with one running, ask it:
    POST /skills/search.

    \b
    Examples:
      openviking search clean a messy CSV file
      openviking search "deploy to kubernetes" -k 3 --why
      openviking search "write release notes" --category writing --json
    """
    with state.open_engine() as engine:
        found = engine.search_skills(
            " ".join(query), k=max_results, category=category, hierarchical=hierarchical
        )
    if state.is_json:
        print_json(
            {
                "query": found.query,
                "found_count": found.found_count,
                "category": category,
                "skills": [hit_record(hit) for hit in found.hits],
            }
        )
        return
    if not found.hits:
        click.echo("no skill fits", err=True)
    for hit in found.hits:
        click.echo(f"{hit.score:.3f}  ", nl=False)
        click.secho(plain(hit.skill.id), bold=True, nl=False)
        click.echo(f"  {short(hit.skill.description, 90)}")
        if shows_why:
            why = hit.why
            terms = ", ".join(why.terms) or "none"
            click.echo(
                f"       meaning {why.meaning:.3f} (rank {why.semantic_rank or '-'}), words "
                f"{why.words:.2f} (rank {why.lexical_rank or '-'}): {plain(terms)}"
            )


command = search_command
