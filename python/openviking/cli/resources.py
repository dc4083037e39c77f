"""``openviking resources``: long-term memory, kept under URIs; needs no model."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from openviking.cli.options import State, common, json_object, pass_state, storage
from openviking.cli.output import print_json, print_table, short, visible
from openviking.cli.records import resource_record
from openviking.cli.resources_search import search
from openviking.cli.resources_transfer import export_command, import_command
from openviking.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.resources import Resources
    from openviking.types import Resource


@click.group()
def command() -> None:
    """Store and read long-term memory: texts under URIs of your choice.

    Putting a text under a URI that exists makes a new version; the URI then means the new one.

    \b
    Examples:
      openviking resources put viking://user/name "The user is called Olga."
      openviking resources get viking://user/name
      openviking resources list --prefix viking://user/
      openviking resources search "what is the user's name"
      openviking resources import notes/ --prefix viking://notes/
    """


@command.command()
@click.argument("uri")
@click.argument("content", required=False)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="Read the content from this UTF-8 file; - is standard input.",
)
@click.option("--type", "resource_type", default="memory", show_default=True, help="Its kind.")
@click.option("--session", "session_id", help="Tell this session of it by a system message.")
@click.option("--metadata", help="A JSON object that is kept beside it.")
@click.option("--ttl", "ttl_s", type=float, help="Seconds after which it vanishes.")
@storage
@common
@pass_state
def put(
    state: State,
    uri: str,
    content: str | None,
    path: Path | None,
    resource_type: str,
    session_id: str | None,
    metadata: str | None,
    ttl_s: float | None,
) -> None:
    """Store CONTENT, or a file, under URI; when this returns, it is on disk.

    \b
    Examples:
      openviking resources put viking://notes/1 "Deploys happen on Tuesdays." --type note
      openviking resources put viking://docs/readme --file README.md
      git log -5 | openviking resources put viking://git/log --file -
    """
    if (content is None) == (path is None):
        raise click.UsageError("give CONTENT or --file FILE")
    text = content if content is not None else _read(path or Path("-"))
    with _opened(state) as resources:
        stored = resources.put(
            text,
            uri,
            resource_type=resource_type,
            session_id=session_id,
            metadata=json_object(metadata),
            ttl_s=ttl_s,
        )
    if state.is_json:
        print_json(resource_record(stored))
    else:
        click.echo(f"{stored.id} (version {stored.version})")


@command.command()
@click.argument("name", metavar="URI|ID")
@storage
@common
@pass_state
def get(state: State, name: str) -> None:
    """Print the content that a URI means now, or one version by its id."""
    with _opened(state) as resources:
        found = _find(resources, name)
    if state.is_json:
        print_json(resource_record(found))
    elif sys.stdout.isatty():
        click.echo(visible(found.content))
    else:
        # Into a file or a pipe goes exactly what was stored.
        click.echo(found.content, nl=False)


@command.command("list")
@click.option("--type", "resource_type", help="Only of this kind.")
@click.option("--prefix", help="Only URIs that start like this.")
@click.option("--metadata", help="Only with equal values under the keys of this JSON object.")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@click.option("--after", help="Only URIs behind this one: the `next` of the page before.")
@storage
@common
@pass_state
def list_resources(
    state: State,
    resource_type: str | None,
    prefix: str | None,
    metadata: str | None,
    limit: int,
    after: str | None,
) -> None:
    """List resources by URI, the newest version of each."""
    with _opened(state) as resources:
        page = resources.list(
            resource_type=resource_type,
            prefix=prefix,
            limit=limit,
            after=after,
            metadata=json_object(metadata),
        )
    if state.is_json:
        found = [resource_record(resource) for resource in page.resources]
        print_json({"resources": found, "count": len(found), "next": page.next})
        return
    print_table(
        ("uri", "type", "version", "content"),
        [
            (found.target_uri, found.resource_type, found.version, short(found.content, 60))
            for found in page.resources
        ],
    )
    if page.next is not None:
        click.echo(f"more: --after {page.next}", err=True)


@command.command()
@click.argument("uri")
@click.option("--limit", type=int, default=100, show_default=True, help="At most so many.")
@storage
@common
@pass_state
def versions(state: State, uri: str, limit: int) -> None:
    """List the versions of a URI, the newest first; `get ID` prints one."""
    with _opened(state) as resources:
        found = resources.versions(uri, limit=limit)
    if state.is_json:
        print_json({"target_uri": uri, "versions": [resource_record(one) for one in found]})
        return
    print_table(
        ("version", "id", "stored", "content"),
        [
            (one.version, one.id, f"{one.created_at:%Y-%m-%d %H:%M:%S}", short(one.content, 40))
            for one in found
        ],
    )


@command.command()
@click.argument("name", metavar="URI|ID")
@storage
@common
@pass_state
def rm(state: State, name: str) -> None:
    """Delete a URI with all its versions."""
    with _opened(state) as resources:
        found = _find(resources, name)
        resources.delete(found.id)
    if state.is_json:
        print_json({"deleted": found.target_uri})
    else:
        click.echo(f"deleted {short(found.target_uri, 200)}")


@contextmanager
def _opened(state: State) -> Iterator[Resources]:
    from openviking.resources import Resources

    with state.open_store() as store:
        yield Resources(store)


def _find(resources: Resources, name: str) -> Resource:
    """Return what *name* means: a URI first, else the id of a version."""
    try:
        return resources.get_by_uri(name)
    except NotFoundError:
        pass
    try:
        return resources.get(name)
    except NotFoundError as error:
        raise NotFoundError(f"no resource has the URI or id {name!r}") from error


def _read(path: Path) -> str:
    content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 (byte {content[error.start]:#04x} at offset {error.start}); "
            "resources are texts"
        ) from error


command.add_command(search)
command.add_command(import_command)
command.add_command(export_command)
