"""``openviking embed``: texts to vectors, from arguments, a file or standard input."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import click

from openviking.cli.options import State, common, model, pass_state
from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from openviking.types import Embeddings, TextEncoder

_BATCH = 256
_LINE_BYTES_MAX = 4 << 20


@click.command()
@click.argument("texts", nargs=-1)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path),
    help="Read the texts from this UTF-8 file, one a line; - is standard input.",
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="Write here instead: .npy gives one (n, 768) float32 array, .jsonl JSON lines.",
)
@click.option("--skip-empty", is_flag=True, help="Pass over empty lines instead of refusing them.")
@model
@common
@pass_state
def command(
    state: State,
    texts: tuple[str, ...],
    path: Path | None,
    output: Path | None,
    skip_empty: bool,
) -> None:
    """Turn TEXTS, or the lines of a file or of standard input (-), into vectors of unit length.

    Prints one JSON object a line: text, embedding, tokens, truncated. Texts longer than 384 tokens
    are cut and marked as truncated. A line that is empty or not UTF-8 stops the run and is named.

    \b
    Examples:
      openviking embed "how do I rotate logs?"
      openviking embed - < questions.txt > vectors.jsonl
      openviking embed --file questions.txt --output vectors.npy
    """
    if texts == ("-",):
        texts, path = (), path or Path("-")
    if bool(texts) == (path is not None):
        raise click.UsageError("give TEXTS, or --file FILE, or - for standard input")
    if output is not None and output.suffix not in {".npy", ".jsonl"}:
        raise click.BadParameter(f"{output}: expected a name ending in .npy or .jsonl")
    source = enumerate(texts, 1) if path is None else read_lines(path)
    encoder = state.open_encoder()
    with contextlib.closing(encoder):
        batches = embed_batches(encoder, source, skip_empty=skip_empty)
        if output is None:
            write_json_lines(batches, sys.stdout)
        else:
            write_file(batches, output, encoder.dim)


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its line end); ``-`` is standard input.

    Raises:
        InputError: a line is not UTF-8 or longer than 4 MiB; everything before it was yielded.
    """
    name = "standard input" if str(path) == "-" else str(path)
    with contextlib.ExitStack() as stack:
        if str(path) == "-":
            file: IO[bytes] = sys.stdin.buffer
        else:
            file = stack.enter_context(path.open("rb"))
        for number in range(1, sys.maxsize):
            line = file.readline(_LINE_BYTES_MAX + 1)
            if not line:
                return
            if len(line) > _LINE_BYTES_MAX:
                raise InputError(f"{name}: line {number} is longer than {_LINE_BYTES_MAX} bytes")
            try:
                text = line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise InputError(
                    f"{name}: line {number} is not UTF-8 (byte {line[error.start]:#04x} at column "
                    f"{error.start + 1}); convert the text, e.g. with iconv -t utf-8"
                ) from error
            yield number, text.rstrip("\r\n")


def embed_batches(
    encoder: TextEncoder, texts: Iterable[tuple[int, str]], *, skip_empty: bool
) -> Iterator[tuple[list[str], Embeddings]]:
    """Yield texts with their embeddings, at most 256 at a time.

    What was read before a bad line is still yielded; then the bad line's error is raised.
    """
    batch: list[str] = []
    failure: InputError | None = None
    stream = _checked(texts, skip_empty=skip_empty)
    while failure is None:
        try:
            batch.extend(itertools.islice(stream, _BATCH))
        except InputError as error:
            failure = error
        if not batch:
            break
        yield batch, encoder.encode(batch)
        batch = []
    if failure is not None:
        raise failure


def _checked(texts: Iterable[tuple[int, str]], *, skip_empty: bool) -> Iterator[str]:
    for number, text in texts:
        if text.strip():
            yield text
        elif not skip_empty:
            raise InputError(f"text {number} is empty; --skip-empty passes over empty ones")


def write_json_lines(batches: Iterable[tuple[list[str], Embeddings]], stream: IO[str]) -> None:
    """Write one JSON object a text and flush after each batch."""
    for texts, found in batches:
        rows = zip(texts, found.vectors, found.token_counts, found.truncated, strict=True)
        for text, vector, tokens, truncated in rows:
            # Nine significant digits name a float32 exactly.
            line = {
                "text": text,
                "embedding": [float(f"{value:.9g}") for value in vector.tolist()],
                "tokens": int(tokens),
                "truncated": bool(truncated),
            }
            stream.write(json.dumps(line, ensure_ascii=False) + "\n")
        stream.flush()


def write_file(batches: Iterable[tuple[list[str], Embeddings]], output: Path, dim: int) -> None:
    """Write all or nothing: into a new file beside *output*, then renamed."""
    partial = output.with_name(f".{output.name}.{os.getpid()}.partial")
    try:
        if output.suffix == ".npy":
            with partial.open("xb") as file:
                _write_npy(batches, file, dim)
        else:
            with partial.open("x", encoding="utf-8") as lines:
                write_json_lines(batches, lines)
        partial.replace(output)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _write_npy(batches: Iterable[tuple[list[str], Embeddings]], file: IO[bytes], dim: int) -> None:
    import numpy as np

    blocks = [found.vectors for _, found in batches]
    np.save(file, np.concatenate(blocks) if blocks else np.zeros((0, dim), np.float32))
