"""A function inside FTS5 that tells in which columns the one term of a query was found."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import apsw

_COLUMNS = 5

# Called for every row of a term, so each step counts: one look-up instead of a sum.
_BITS = {
    found: sum(1 << column for column in found)
    for count in range(_COLUMNS + 1)
    for found in combinations(range(_COLUMNS), count)
}


def register(connection: apsw.Connection) -> None:
    """Make ``term_columns(table)`` known to *connection*.

    For the row at hand it gives a number whose bit c is set if the term stands in column c; the
    query must be a single term.
    """
    connection.register_fts5_function("term_columns", _term_columns)


def _term_columns(row: apsw.FTS5ExtensionApi, *_: apsw.SQLiteValue) -> int:
    return _BITS[row.phrase_columns(0)]
