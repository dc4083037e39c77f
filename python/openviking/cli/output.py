"""Printing: JSON for programs, tables for people."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
_SPACES = {ord(space): " " for space in "\t\n\r\v\f"}


def print_json(value: Any) -> None:
    """Print one JSON document, on one line."""
    click.echo(json.dumps(value, ensure_ascii=False, default=str))


def plain(text: str) -> str:
    """Return *text* on one line, control characters made visible.

    Skills come from strangers: their text must not move the cursor or recolour a terminal.
    """
    return text.translate(_SPACES).translate(_CONTROLS)


def visible(text: str) -> str:
    """Return *text* with its lines and tabs, other control characters made visible."""
    return text.replace("\r\n", "\n").translate(
        {code: mark for code, mark in _CONTROLS.items() if chr(code) not in "\n\t"}
    )


def short(text: str, width: int) -> str:
    """Return *text* on one line, cut to *width* characters with an ellipsis."""
    line = plain(text)
    return line if len(line) <= width else f"{line[: width - 1].rstrip()}…"


def print_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print left-aligned columns; numbers are right-aligned."""
    cells = [[plain(str(cell)) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
    is_number = [
        bool(rows) and all(isinstance(row[column], (int, float)) for row in rows)
        for column in range(len(heads))
    ]

    def line(values: Sequence[str]) -> str:
        aligned = [
            value.rjust(width) if right else value.ljust(width)
            for value, width, right in zip(values, widths, is_number, strict=True)
        ]
        return "  ".join(aligned).rstrip()

    click.secho(line(heads), bold=True)
    for row in cells:
        click.echo(line(row))


def bytes_text(count: float) -> str:
    """Write a number of bytes as a person reads it, e.g. ``109.4 MB`` (powers of 1000)."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"
