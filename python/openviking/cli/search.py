"""``openviking search`` and ``openviking skills search``: the skills for a task."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, model, pass_state, storage
from openviking.cli.output import plain, print_json, short
from openviking.cli.records import hit_record

if TYPE_CHECKING:
    from openviking.skills import Explanation, Reasons
    from openviking.types import Tier


@click.command()
@click.argument("query", nargs=-1, required=True)
@click.option(
    "-k", "--max-results", type=int, help="Skills at most; default retrieval.max_results, 10."
)
@click.option("--category", help="Only this category, subcategory or category/subcategory.")
@click.option("--hierarchical", is_flag=True, help="Let parents and sub-skills follow a hit.")
@click.option("--why", "shows_why", is_flag=True, help="Say what matched, and both ranks.")
@click.option(
    "--explain", "explains", is_flag=True, help="Spell out every score, and why a query is refused."
)
@click.option(
    "--tier",
    type=click.Choice(["full", "fast"]),
    default="full",
    show_default=True,
    help="Whose vector of the query is used; see `openviking model build-fast`.",
)
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
    explains: bool,
    tier: Tier,
) -> None:
    """Find the skills for a task described in QUERY, best first; none if none fits.

    The storage is searched directly, so no server may be using it; with one running, ask it:
    POST /skills/search.

    \b
    Examples:
      openviking search clean a messy CSV file
      openviking search "deploy to kubernetes" -k 3 --why
      openviking search "write release notes" --category writing --json
      openviking search "how are you" --explain
      openviking search "merge two branches" --tier fast
    """
    with state.open_engine() as engine:
        found = engine.search_skills(
            " ".join(query),
            k=max_results,
            category=category,
            hierarchical=hierarchical,
            explain=explains,
            tier=tier,
        )
    if state.is_json:
        print_json(
            {
                "query": found.query,
                "found_count": found.found_count,
                "category": category,
                "tier": found.tier,
                "skills": [hit_record(hit) for hit in found.hits],
            }
            | ({"explanation": asdict(found.explanation)} if found.explanation else {})
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
    if found.explanation is not None:
        _print_explanation(found.explanation)


def _print_explanation(explanation: Explanation) -> None:
    verdict = "answered" if explanation.fitness.is_fit else "turned away"
    click.secho(f"\n{verdict}: evidence {explanation.fitness.sum}", bold=True)
    known = ", ".join(f"{word} ({count})" for word, count in explanation.words.items())
    click.echo(f"words that count, with the skills that have them: {plain(known) or 'none'}")
    for reasons in explanation.hits:
        _print_reasons("", reasons)
    for reasons in explanation.held_back:
        _print_reasons("held back: ", reasons)


def _print_reasons(prefix: str, reasons: Reasons) -> None:
    click.echo(prefix, nl=False)
    click.secho(plain(reasons.id), bold=True)
    for line in reasons.sum.split("; "):
        click.echo(f"  {line}")
    terms, fields = ", ".join(reasons.terms) or "none", ", ".join(reasons.fields)
    click.echo(f"  words {plain(terms)}" + (f" in {fields}" if fields else ""))
    if reasons.passage:
        click.echo(f"  nearest passage: {short(reasons.passage, 200)}")


command = search_command
