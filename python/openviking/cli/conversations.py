"""``openviking conversations``: what was said, as it is stored."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from openviking.cli.conversations_transfer import export_command, import_command
from openviking.cli.options import State, common, model, namespace, pass_state, storage
from openviking.cli.output import plain, print_json, print_table, short, visible
from openviking.cli.records import session_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.conversation import ArchiveSearch, History
    from openviking.store import SqliteStore
    from openviking.types import Namespace


@click.group()
def command() -> None:
    """List, read, search, move and delete conversations.

    A running server holds the storage; then ask it instead: GET /conversation and below. Who is
    meant is said by --user and --agent; without them, the sessions of those who named neither.

    \b
    Examples:
      openviking conversations list --user ann
      openviking conversations show 6f1c... --last 20
      openviking conversations search "which database did we choose" --user ann
      openviking conversations export --user ann > ann.jsonl
      openviking conversations import history.jsonl --user ann
    """


@command.command("list")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@click.option("--after", help="Only ids behind this one: the `next` of the page before.")
@namespace
@storage
@common
@pass_state
def list_sessions(state: State, whose: Namespace, limit: int, after: str | None) -> None:
    """List sessions in the order of their ids."""
    with _opened(state, whose) as (history, _):
        page = history.sessions(limit=limit, after=after)
    if state.is_json:
        found = [session_record(session) for session in page.sessions]
        print_json({"sessions": found, "count": len(found), "next": page.next})
        return
    print_table(
        ("session", "messages", "began", "last message"),
        [
            (
                one.id,
                one.message_count,
                f"{one.created_at:%Y-%m-%d %H:%M}",
                f"{one.last_activity:%Y-%m-%d %H:%M}",
            )
            for one in page.sessions
        ],
    )
    if page.next is not None:
        click.echo(f"more: --after {plain(page.next)}", err=True)


@command.command()
@click.argument("session_id", metavar="SESSION")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@click.option("--after", type=int, default=0, help="Only messages behind this number.")
@click.option("--last", type=int, help="Only the last ones, so many.")
@namespace
@storage
@common
@pass_state
def show(
    state: State, whose: Namespace, session_id: str, limit: int, after: int, last: int | None
) -> None:
    """Print the messages of a session, oldest first."""
    from openviking.conversation import message_fields

    with _opened(state, whose) as (history, _):
        if last is not None:
            after = max(0, history.stats(session_id).session.last_seq - last)
        found = history.messages(session_id, after=after, limit=limit if last is None else last)
    following = found[-1].seq if last is None and len(found) == limit else None
    if state.is_json:
        print_json({"messages": [message_fields(one) for one in found], "next": following})
        return
    for one in found:
        click.secho(f"{one.seq}  {plain(one.role)}  {one.created_at:%Y-%m-%d %H:%M}", bold=True)
        click.echo(f"{visible(one.content)}\n")
    if following is not None:
        click.echo(f"more: --after {following}", err=True)


@command.command()
@click.argument("query", nargs=-1, required=True)
@click.option("-k", "--max-results", type=int, default=10, show_default=True, help="At most.")
@click.option("--session", "session_id", help="Only in this session.")
@click.option(
    "--wait",
    "wait_s",
    type=float,
    default=5.0,
    show_default=True,
    help="Seconds to wait for new messages to become findable by meaning; words find them at once.",
)
@namespace
@model
@storage
@common
@pass_state
def search(
    state: State,
    whose: Namespace,
    query: tuple[str, ...],
    max_results: int,
    session_id: str | None,
    wait_s: float,
) -> None:
    """Find messages by meaning and words, best first."""
    with state.open_engine() as engine:
        if not engine.conversations.wait_until_embedded(wait_s):
            click.echo("some messages are found by their words only yet; --wait 600", err=True)
        conversations = engine.conversations.of(whose.user, whose.agent)
        found = conversations.search(" ".join(query), session_id=session_id, limit=max_results)
    _print_found(state, found)


@command.command()
@click.argument("session_ids", metavar="SESSION...", nargs=-1, required=True)
@namespace
@storage
@common
@pass_state
def rm(state: State, whose: Namespace, session_ids: tuple[str, ...]) -> None:
    """Delete sessions with messages, words, vectors, and what was learned from them alone."""
    from openviking.memory import Memories
    from openviking.resources import Resources

    deleted: dict[str, int] = {}
    with _opened(state, whose) as (history, store):
        memories = Memories.of(state.settings().memory, store.memories, Resources(store))
        try:
            for session_id in session_ids:
                deleted[session_id] = history.delete(session_id)
        finally:
            memories.forget()
    if state.is_json:
        print_json({"deleted": deleted})
        return
    for session_id, count in deleted.items():
        click.echo(f"deleted {short(session_id, 200)} with its {count} messages")


@contextmanager
def _opened(state: State, whose: Namespace) -> Iterator[tuple[History, SqliteStore]]:
    from openviking.conversation import History

    with state.open_store() as store:
        yield History(store.conversations, whose), store


def _print_found(state: State, found: ArchiveSearch) -> None:
    from openviking.conversation import message_fields

    if found.degraded is not None:
        click.echo(f"note: {plain(found.degraded)}", err=True)
    if state.is_json:
        rows: list[dict[str, Any]] = [
            message_fields(hit.message)
            | {"score": hit.score, "meaning": hit.meaning, "words": hit.words}
            for hit in found.hits
        ]
        print_json({"query": found.query, "messages": rows})
        return
    if not found.hits:
        click.echo("no message fits", err=True)
    for hit in found.hits:
        one = hit.message
        where = f"{short(one.session_id, 60)}#{one.seq}"
        click.echo(f"{hit.score:6.2f}  ", nl=False)
        click.secho(f"{where}  {plain(one.role)}  ", bold=True, nl=False)
        click.echo(short(one.content, 90))


command.add_command(export_command)
command.add_command(import_command)
