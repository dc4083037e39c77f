"""``openviking eval``: measure skill search on labelled sets."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, model, pass_state
from openviking.cli.output import print_json, print_table
from openviking.cli.progress import ProgressLine

if TYPE_CHECKING:
    from openviking.evaluation import Estimate, Lead, Report

_CACHE_BYTES = 256 << 20


@click.command()
@click.argument("sets", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="SET...")
@click.option("--limit", type=int, help="Ask at most so many questions of each set.")
@model
@common
@pass_state
def command(state: State, sets: tuple[Path, ...], limit: int | None) -> None:
    """Measure how well each labelled SET is answered, and how fast.

    A SET is a folder as BEIR has it (corpus.jsonl, queries.jsonl, qrels/test.tsv) or a MetaTool
    file of questions beside metatool_tools.json. Its skills go into a store of their own; yours
    is not touched. Four rankings are compared: by words alone, by vectors alone, both fused, and
    what a search answers, which is nothing where nothing fits. Intervals are 95 %, by bootstrap;
    a last line for each other ranking says what the fused one has over it, question by question.

    \b
    Examples:
      openviking eval benches/eval/requests
      openviking eval ../shared/data/metatool_single.csv.gz --limit 4000 --json
    """
    from openviking.cache import CachedEncoder, EmbeddingCache
    from openviking.evaluation import evaluate, read_set

    labelled = [read_set(path) for path in sets]
    reports = []
    with closing(CachedEncoder(state.open_encoder(), EmbeddingCache(_CACHE_BYTES))) as encoder:
        for one in labelled:
            with ProgressLine(one.name, unit="texts") as line:
                reports.append(evaluate(one, encoder, limit=limit, progress=line))
            if not state.is_json:
                print_report(reports[-1])
    if state.is_json:
        print_json([asdict(report) for report in reports])


def print_report(report: Report) -> None:
    """Print one set's table."""
    click.echo(f"{report.name}: {report.queries} questions, {report.skills} skills")
    names = list(report.rows[0].estimates)
    print_table(
        ("ranking", *names),
        [
            *((row.method, *(_cell(row.estimates[name]) for name in names)) for row in report.rows),
            *((f"lead over {lead.over}", *_lead_cells(lead)) for lead in report.leads),
        ],
    )
    if any(lead.apart for lead in report.leads):
        click.echo("* the intervals of the fused and of this ranking do not overlap")
    line = f"answered {report.kept:.1%}"
    if report.turned_away is not None:
        line += f"; turned away {report.turned_away:.1%} of {report.unanswerable} unanswerable ones"
    p50, p95 = report.latency_ms
    click.echo(f"{line}; search p50 {p50:.2f} ms, p95 {p95:.2f} ms (vector known)\n")


def _lead_cells(lead: Lead) -> list[str]:
    return [
        f"{found.mean:+.3f} [{found.low:+.3f}, {found.high:+.3f}]" + "*" * (name in lead.apart)
        for name, found in lead.estimates.items()
    ]


def _cell(value: Estimate) -> str:
    return f"{value.mean:.3f} [{value.low:.3f}, {value.high:.3f}]"
