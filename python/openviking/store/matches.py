"""The lexical answer to one query: the best skills at once, the reasons when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

import numpy as np

from openviking.store.bags import FIELDS
from openviking.types import WordMatch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.store.postings import Postings
    from openviking.store.rows import RowTable

_FIELD_SETS = tuple(
    tuple(name for bit, name in enumerate(FIELDS) if bits >> bit & 1)
    for bits in range(1 << len(FIELDS))
)


@dataclass(frozen=True, slots=True)
class FoundWord:
    """A word of a query: where its stem stands, in how many skills, and how much that tells."""

    text: str
    places: list[tuple[Postings, slice]]
    skills: int


class WordMatches(Sequence[WordMatch]):
    """Lexical hits, best first; what any skill matched is looked up when it is asked for.

    Args:
        ids: of every row of the lexicon.
        row_of: id -> row, of the skills that are there now.
        scores: (rows,) bm25 of every row, 0 where no word of the query stands.
        best: rows of the hits, best first.
        words: the words of the query that were looked up.
    """

    def __init__(
        self,
        ids: Sequence[str],
        row_of: RowTable,
        scores: NDArray[np.float64],
        best: Sequence[int],
        words: Sequence[FoundWord],
    ) -> None:
        self._all_ids = ids
        self._row_of = row_of
        self._scores = scores
        self._best = best
        self._words = words

    @property
    def ids(self) -> list[str]:
        """The ids of the hits, in order."""
        return [self._all_ids[row] for row in self._best]

    @property
    def scores(self) -> list[float]:
        """bm25 of the hits, highest first."""
        scores: list[float] = self._scores[self._best].tolist() if self._best else []
        return scores

    @property
    def looked_up(self) -> dict[str, int]:
        """The words of the query that counted, each with the number of skills that have it."""
        return {word.text: word.skills for word in self._words}

    def scores_of(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """Return bm25 of any skills, hits or not, (len(ids),); 0 where no word matched."""
        row_of, scores = self._row_of, self._scores
        if not len(scores):
            return np.zeros(len(ids))
        rows = row_of.rows(ids)
        found = scores[rows]
        if -1 in rows:
            found[np.array(rows) < 0] = 0.0
        return found

    def explain(self, ids: Sequence[str]) -> list[WordMatch | None]:
        """Say of any skills where they matched, and their rank; None for one without any word."""
        rows = np.array(self._row_of.rows(ids), dtype=np.int64)
        terms: list[list[str]] = [[] for _ in ids]
        fields = [0] * len(ids)
        for word in self._words:
            for at, bits in enumerate(_bits_of(word, rows)):
                if bits:
                    terms[at].append(word.text)
                    fields[at] |= bits
        places = {row: place for place, row in enumerate(self._best, 1)}
        scores = self.scores_of(ids).tolist()
        return [
            WordMatch(
                skill_id,
                scores[at],
                _FIELD_SETS[fields[at]],
                tuple(terms[at]),
                places.get(row) or 1 + int(np.count_nonzero(self._scores > scores[at])),
            )
            if scores[at] > 0.0
            else None
            for at, (skill_id, row) in enumerate(zip(ids, rows.tolist(), strict=True))
        ]

    def of(self, skill_id: str) -> WordMatch | None:
        """Return the match of one skill; None if no word of the query stands there."""
        return self.explain([skill_id])[0]

    def __len__(self) -> int:
        return len(self._best)

    @overload
    def __getitem__(self, at: int) -> WordMatch: ...

    @overload
    def __getitem__(self, at: slice) -> list[WordMatch]: ...

    def __getitem__(self, at: int | slice) -> WordMatch | list[WordMatch]:
        rows = self._best[at] if isinstance(at, slice) else [self._best[at]]
        found = [m for m in self.explain([self._all_ids[row] for row in rows]) if m is not None]
        return found if isinstance(at, slice) else found[0]


def _bits_of(word: FoundWord, rows: NDArray[np.int64]) -> list[int]:
    """Return for each row the fields in which a word stands, as bits."""
    found = np.zeros(len(rows), np.uint8)
    for part, place in word.places:
        held = part.rows[place]
        # A row behind the last one is compared with the last one, and differs.
        at = held.searchsorted(rows)
        found |= part.bits[place].take(at, mode="clip") * (held.take(at, mode="clip") == rows)
    bits: list[int] = found.tolist()
    return bits
