"""Lexical search of skills by FTS5 and bm25, with a bound on the work of one query.

FTS5 spends about a microsecond on every row in which a term of the query stands, and the common
words of a question stand in most bodies. Their weight in bm25 is near zero, so terms are taken from
the rarest on until the rows to be read reach a bound.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from openviking.store.words import query_terms
from openviking.types import WordMatch

if TYPE_CHECKING:
    import apsw

_FIELDS = ("name", "description", "category", "examples", "body")

# A name is a title of a few chosen words and says most about a skill; a description is written to
# be matched; examples are true requests but of one kind each; a body of thousands of words mentions
# many things in passing. bm25 multiplies these into the term's count before that count saturates.
_RANK = "bm25(8.0, 4.0, 2.0, 3.0, 1.0)"

_ROWS_READ_MAX = 400
_COUNTS_KEPT = 20_000

_FIND = f"""
SELECT skills.id, skill_words.rank, term_columns(skill_words)
FROM skill_words JOIN skills ON skills.number = skill_words.rowid
WHERE skill_words MATCH ? AND skill_words.rank MATCH '{_RANK}'
ORDER BY skill_words.rank LIMIT ?
"""  # noqa: S608 - constants of this module


class WordCounts:
    """In how many skills each term stands: known until the skills change. Safe for threads."""

    def __init__(self) -> None:
        self._rows: dict[str, int] = {}
        self._generation = 0
        self._changing = threading.Lock()

    def forget(self) -> None:
        """Drop all counts, because skills have changed."""
        with self._changing:
            self._rows = {}
            self._generation += 1

    def of(self, connection: apsw.Connection, term: str) -> int:
        """Return the number of skills that hold *term*, as its stem."""
        known = self._rows.get(term)
        if known is not None:
            return known
        generation = self._generation
        found = int(
            connection.execute(
                "SELECT count(*) FROM skill_words WHERE skill_words MATCH ?", (f'"{term}"',)
            ).get
        )
        with self._changing:
            if generation == self._generation and len(self._rows) < _COUNTS_KEPT:
                self._rows[term] = found
        return found


def match(
    connection: apsw.Connection, counts: WordCounts, query: str, limit: int
) -> list[WordMatch]:
    """Return the best skills by bm25, best first, ties by id; no words, no matches."""
    terms = _affordable(connection, counts, query_terms(query))
    if not terms or limit <= 0:
        return []
    expression = " OR ".join(f'"{term}"' for term in terms)
    rows: list[Any] = connection.execute(_FIND, (expression, limit)).fetchall()
    found = [_to_match(row, terms) for row in rows]
    found.sort(key=lambda hit: (-hit.score, hit.id))
    return found


def _affordable(connection: apsw.Connection, counts: WordCounts, terms: list[str]) -> list[str]:
    """Keep the rarest terms whose rows together stay under the bound, at least one."""
    ranked = sorted((rows, term) for term in terms if (rows := counts.of(connection, term)))
    kept: list[str] = []
    total = 0
    for rows, term in ranked:
        total += rows
        if kept and total > _ROWS_READ_MAX:
            break
        kept.append(term)
    return kept


def _to_match(row: tuple[str, float, bytes], terms: list[str]) -> WordMatch:
    skill_id, rank, columns = row
    anywhere = 0
    for bits in columns:
        anywhere |= bits
    return WordMatch(
        id=skill_id,
        score=-rank,
        fields=tuple(name for at, name in enumerate(_FIELDS) if anywhere >> at & 1),
        terms=tuple(term for term, bits in zip(terms, columns, strict=True) if bits),
    )
