"""A function inside FTS5 that tells which columns each term of a query was found in."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw


def register(connection: apsw.Connection) -> None:
    """Make ``term_columns(table)`` known to *connection*.

    For the row at hand it gives one byte per term of the query, in order; bit c is set if the term
    stands in column c.
    """
    connection.register_fts5_function("term_columns", _term_columns)


def _term_columns(row: apsw.FTS5ExtensionApi, *_: apsw.SQLiteValue) -> bytes:
    return bytes(
        sum(1 << column for column in row.phrase_columns(term)) for term in range(row.phrase_count)
    )
