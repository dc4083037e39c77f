"""Lexical search of skills: bm25 by FTS5, one term at a time, remembered until the skills change.

FTS5 takes about a microsecond for every row in which a term of the query stands, so a question in
common words costs it several milliseconds at some thousand skills. But bm25 of a query is the sum
of bm25 of its terms, and the terms that stand in many rows are the ones that questions repeat. Each
term is therefore asked for once; a query then adds up a few arrays. Nothing is approximated.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.store.sqlite import skills
from openviking.store.words import query_terms
from openviking.types import WordMatch

if TYPE_CHECKING:
    from collections.abc import Sequence

    import apsw
    from numpy.typing import NDArray

_FIELDS = ("name", "description", "category", "examples", "body")
_FIELD_SETS = tuple(
    tuple(name for bit, name in enumerate(_FIELDS) if bits >> bit & 1)
    for bits in range(1 << len(_FIELDS))
)

# A name is a title of a few chosen words and says most about a skill; a description is written to
# be matched; examples are true requests but of one kind each; a body of thousands of words mentions
# many things in passing. bm25 multiplies these into the term's count before that count saturates.
_RANK = "bm25(skill_words, 8.0, 4.0, 2.0, 3.0, 1.0)"

_POSTINGS = f"""
SELECT rowid, -{_RANK}, term_columns(skill_words) FROM skill_words
WHERE skill_words MATCH ? ORDER BY rowid
"""  # noqa: S608 - constants of this module

_BYTES_MAX = 8 * 2**20
"""Memory of remembered terms; a row of a term takes 9 bytes, so this holds 900,000 rows."""

_COMMON_ROWS_MIN = 200
"""Below this a term is cheap to ask for, however large its share of the skills is."""

_ROW, _SCORE, _BITS = np.dtype(np.int32), np.dtype(np.float32), np.dtype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Postings:
    """Where one term stands: ascending row numbers, bm25 in each, and its fields as bits."""

    rows: NDArray[np.int32]
    scores: NDArray[np.float32]
    fields: NDArray[np.uint8]


class KnownWords:
    """What is known of one state of the skills; a new state begins with a new object.

    Safe for threads, which at worst ask for the same term twice.
    """

    def __init__(self, version: int) -> None:
        self.version = version
        self._postings: dict[str, _Postings | None] = {}
        self._ids: dict[int, str] | None = None
        self._bytes = 0
        self._changing = threading.Lock()

    def ids(self, connection: apsw.Connection) -> dict[int, str]:
        """Return the id of every skill by row number."""
        if self._ids is None:
            rows = connection.execute("SELECT number, id FROM skills")
            self._ids = {int(number): str(skill_id) for number, skill_id in rows}
        return self._ids

    def postings(self, connection: apsw.Connection, term: str) -> _Postings | None:
        """Return where *term* stands; None if in most skills, so that it tells nothing."""
        if term in self._postings:
            return self._postings[term]
        count = int(
            connection.execute(
                "SELECT count(*) FROM skill_words WHERE skill_words MATCH ?", (f'"{term}"',)
            ).get
        )
        is_common = count > max(_COMMON_ROWS_MIN, len(self.ids(connection)) / 2)
        found = None if is_common else read_postings(connection, term)
        # A term that stands nowhere is remembered too, at the price of its name.
        size = 200 + count * (_ROW.itemsize + _SCORE.itemsize + _BITS.itemsize)
        with self._changing:
            if self._bytes + size > _BYTES_MAX:
                # Starting over costs one slow query now and then; the frequent terms are back soon.
                self._postings.clear()
                self._bytes = 0
            self._postings[term] = found
            self._bytes += size
        return found


class WordMemory:
    """Gives each read what is known of exactly the state that it sees. Safe for threads."""

    def __init__(self) -> None:
        self._newest = KnownWords(-1)
        self._changing = threading.Lock()

    def of(self, connection: apsw.Connection) -> KnownWords:
        """Return what is known of the skills as *connection* sees them in its transaction."""
        version = skills.version(connection)
        with self._changing:
            if version > self._newest.version:
                self._newest = KnownWords(version)
            if version == self._newest.version:
                return self._newest
        # This read began before a change that others know already: it is the last of its kind.
        return KnownWords(version)


def read_postings(connection: apsw.Connection, term: str) -> _Postings:
    """Ask FTS5 where *term* stands."""
    rows: list[Any] = connection.execute(_POSTINGS, (f'"{term}"',)).fetchall()
    numbers, scores, fields = zip(*rows, strict=True) if rows else ((), (), ())
    return _Postings(
        np.array(numbers, dtype=_ROW),
        np.array(scores, dtype=_SCORE),
        np.array(fields, dtype=_BITS),
    )


def match(
    connection: apsw.Connection, memory: WordMemory, query: str, limit: int
) -> list[WordMatch]:
    """Return the best skills by bm25, best first, ties by id; no words, no matches."""
    # In one order, so that the order of the words cannot change the last bit of a sum.
    terms = sorted(query_terms(query))
    known = memory.of(connection)
    found = {term: known.postings(connection, term) for term in terms}
    telling = {term: at for term, at in found.items() if at is not None and len(at.rows)}
    if not telling:
        common = [term for term, postings in found.items() if postings is None]
        telling = {term: read_postings(connection, term) for term in common}
    if not telling or limit <= 0:
        return []
    ids = known.ids(connection)
    scores = np.zeros(max(ids) + 1, dtype=_SCORE)
    for postings in telling.values():
        scores[postings.rows] += postings.scores
    return _describe(telling, scores, _best(scores, ids, limit), ids)


def _best(scores: NDArray[np.float32], ids: dict[int, str], limit: int) -> list[int]:
    """Return up to *limit* rows with a score, the highest first, ties by id."""
    rows = np.flatnonzero(scores)
    if len(rows) > limit:
        # All that tie with the last place stay in, so that ids decide and not row numbers.
        last = np.partition(scores[rows], len(rows) - limit)[len(rows) - limit]
        rows = rows[scores[rows] >= last]
    order = sorted(
        zip((-scores[rows]).tolist(), rows.tolist(), strict=True),
        key=lambda pair: (pair[0], ids[pair[1]]),
    )
    return [row for _, row in order[:limit]]


def _describe(
    telling: dict[str, _Postings],
    scores: NDArray[np.float32],
    best: Sequence[int],
    ids: dict[int, str],
) -> list[WordMatch]:
    """Say for each of the *best* rows which terms it holds, and in which fields."""
    rows = np.array(best, dtype=_ROW)
    bits = np.zeros((len(telling), len(rows)), dtype=_BITS)
    for number, postings in enumerate(telling.values()):
        at = np.searchsorted(postings.rows, rows)
        at[at == len(postings.rows)] = 0
        bits[number] = np.where(postings.rows[at] == rows, postings.fields[at], 0)
    terms = list(telling)
    return [
        WordMatch(
            id=ids[row],
            score=score,
            fields=_FIELD_SETS[anywhere],
            terms=tuple(term for term, here in zip(terms, column, strict=True) if here),
        )
        for row, score, anywhere, column in zip(
            best,
            scores[rows].tolist(),
            np.bitwise_or.reduce(bits, axis=0).tolist(),
            bits.T.tolist(),
            strict=True,
        )
    ]
