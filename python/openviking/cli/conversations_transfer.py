"""``openviking conversations export | import``: JSON lines, one message each."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from openviking.cli.options import State, common, namespace, pass_state, storage
from openviking.cli.output import print_json
from openviking.cli.progress import ProgressLine

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.types import Namespace


@click.command("export")
@click.argument("session_id", metavar="[SESSION]", required=False)
@click.option("--output", "path", type=click.Path(path_type=Path), help="Write to this file.")
@namespace
@storage
@common
@pass_state
def export_command(
    state: State, whose: Namespace, session_id: str | None, path: Path | None
) -> None:
    """Write a session, or all of them, as JSON lines: what `import` takes.

    A file is written beside its name and renamed when it is whole.

    \b
    Examples:
      openviking conversations export 6f1c... > one.jsonl
      openviking conversations export --user ann --output ann.jsonl
    """
    from openviking.conversation import History

    count = 0
    with state.open_store() as store, ExitStack() as stack:
        lines = History(store.conversations, whose).export_lines(session_id)
        first = next(lines, None)
        partial = None if path is None else path.with_name(f"{path.name}.partial")
        out = sys.stdout if partial is None else stack.enter_context(partial.open("w", -1, "utf-8"))
        for line in [] if first is None else [first]:
            out.write(f"{line}\n")
            count += 1
        for line in lines:
            out.write(f"{line}\n")
            count += 1
        out.flush()
        if partial is not None and path is not None:
            os.fsync(out.fileno())
            partial.replace(path)
    if path is not None and state.is_json:
        print_json({"path": str(path), "messages": count})
    elif path is not None:
        click.echo(f"{count} messages written to {path}", err=True)


@click.command("import")
@click.argument("path", metavar="FILE", type=click.Path(path_type=Path))
@click.option("--session", "session_id", help="For lines that name no session_id.")
@namespace
@storage
@common
@pass_state
def import_command(state: State, whose: Namespace, path: Path, session_id: str | None) -> None:
    """Append a history from FILE (- is standard input); nothing in it is answered.

    Each line is a JSON object with role and content, and where known session_id, timestamp
    (ISO 8601), metadata and seq. What is there already is passed over: after an interruption, or
    after a wrong line was mended, run the same command again. The messages are found by their
    words at once, and by meaning when a server has next been started.

    \b
    Examples:
      openviking conversations import history.jsonl --user ann
      zcat old.jsonl.gz | openviking conversations import - --session old
    """
    from openviking.conversation import History

    with ExitStack() as stack:
        file: IO[bytes] = (
            sys.stdin.buffer if str(path) == "-" else stack.enter_context(path.open("rb"))
        )
        total = 0 if str(path) == "-" else path.stat().st_size
        store = stack.enter_context(state.open_store())
        progress = stack.enter_context(ProgressLine("import", unit="bytes"))
        reader = _Reader(file)
        done = History(store.conversations, whose).import_lines(
            reader.lines(), session_id, progress=lambda _: progress(reader.bytes_read, total)
        )
    if state.is_json:
        print_json({"appended": done.appended, "known": done.known, "sessions": done.sessions})
        return
    click.echo(
        f"{done.appended} messages appended, {done.known} were there already, "
        f"{done.sessions} sessions"
    )


class _Reader:
    """The lines of a file, and how many bytes they were.

    Args:
        file: open for reading bytes.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.bytes_read = 0

    def lines(self) -> Iterator[str]:
        """Yield lines as text; what is not UTF-8 becomes what the import refuses by its line."""
        for number, line in enumerate(self._file):
            self.bytes_read += len(line)
            text = line.decode("utf-8", "surrogateescape")
            # Editors on Windows put a byte order mark in front.
            yield text.removeprefix("\ufeff") if number == 0 else text
