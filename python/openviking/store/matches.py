"""The lexical answer to one query: sums for all skills at once, reasons when they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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


@dataclass(frozen=True, slots=True, eq=False)
class FoundWords:
    """The words of a query that tell something.

    Attributes:
        texts: the w words.
        skills: how many have each.
        places: parts of a lexicon, and where in each the words stand, (w, 2).
        gains: (w,) float32, how much each tells.
    """

    texts: list[str]
    skills: list[int]
    places: list[tuple[Postings, NDArray[np.int64]]]
    gains: NDArray[np.float32]


class WordMatches(Sequence[WordMatch]):
    """Lexical hits, best first; what any skill matched is looked up when it is asked for.

    Args:
        ids: of every row of the lexicon; may be longer than there are rows.
        row_of: id -> row, of the skills that are there now; of one moment, so that what is derived
            from it can be kept as long as it comes again.
        is_dead: (rows,) bool, rows of skills that are there no longer.
        words: the words of the query that were looked up.
        limit: hits at most.
    """

    def __init__(
        self,
        ids: Sequence[str],
        row_of: RowTable,
        is_dead: NDArray[np.bool_],
        words: FoundWords,
        limit: int,
    ) -> None:
        self._all_ids = ids
        self.row_of = row_of
        self._words = words
        self._limit = limit
        count = len(is_dead) + 1
        sums = [part.sums(ranges, words.gains, count) for part, ranges in words.places]
        self.by_row: NDArray[np.float64] = sum(sums[1:], sums[0]) if sums else np.zeros(count)
        """(rows + 1,) bm25 of every row, 0 where no word stands; row -1 is that of no skill."""
        if is_dead.any():
            self.by_row[:-1][is_dead] = 0.0

    @cached_property
    def _best(self) -> list[int]:
        """The rows of the highest scores above zero, best first, ties by id."""
        rows, limit = self.by_row.nonzero()[0], self._limit
        if limit <= 0:
            return []
        found = self.by_row[rows]
        if len(rows) > limit:
            # All that tie with the last place stay in, so that ids decide and not row numbers.
            near = found >= np.partition(found, len(rows) - limit)[len(rows) - limit]
            rows, found = rows[near], found[near]
        order = (-found).argsort(kind="stable")
        ranked: list[int] = rows[order].tolist()
        descending: list[float] = found[order].tolist()
        if len(set(descending)) < len(descending):
            ids = self._all_ids
            scored = zip(descending, ranked, strict=True)
            ranked = [row for _, _, row in sorted((-score, ids[row], row) for score, row in scored)]
        return ranked[:limit]

    @property
    def ids(self) -> list[str]:
        """The ids of the hits, in order."""
        return [self._all_ids[row] for row in self._best]

    @property
    def scores(self) -> list[float]:
        """bm25 of the hits, highest first."""
        scores: list[float] = self.by_row[self._best].tolist() if self._best else []
        return scores

    @property
    def looked_up(self) -> dict[str, int]:
        """The words of the query that counted, each with the number of skills that have it."""
        return dict(zip(self._words.texts, self._words.skills, strict=True))

    def scores_of(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """Return bm25 of any skills, hits or not, (len(ids),); 0 where no word matched."""
        return self.by_row[self.row_of.rows(ids)]

    def where(self, rows: NDArray[np.int64]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return for each row the fields in which words stand, and the words; -1 is no row."""
        terms: list[list[str]] = [[] for _ in rows]
        fields = [0] * len(rows)
        for part, ranges in self._words.places:
            found = part.fields(ranges, rows)
            words, places = found.nonzero()
            bits = found[words, places]
            for word, at, bit in zip(words.tolist(), places.tolist(), bits.tolist(), strict=True):
                terms[at].append(self._words.texts[word])
                fields[at] |= bit
        return [
            (_FIELD_SETS[bits], tuple(words)) for bits, words in zip(fields, terms, strict=True)
        ]

    def explain(self, ids: Sequence[str]) -> list[WordMatch | None]:
        """Say of any skills where they matched, and their rank; None for one without any word."""
        rows = np.array(self.row_of.rows(ids), dtype=np.int64)
        places = {row: place for place, row in enumerate(self._best, 1)}
        scores: list[float] = self.by_row[rows].tolist()
        return [
            WordMatch(
                skill_id,
                score,
                *where,
                places.get(row) or 1 + int(np.count_nonzero(self.by_row > score)),
            )
            if score > 0.0
            else None
            for skill_id, row, score, where in zip(
                ids, rows.tolist(), scores, self.where(rows), strict=True
            )
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
