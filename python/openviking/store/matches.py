"""The lexical answer to a request: sums for all skills at once, reasons when they are asked for."""

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

    from openviking.store.rows import RowTable
    from openviking.vectors.postings import Matches

FIELD_SETS = tuple(
    tuple(name for bit, name in enumerate(FIELDS) if bits >> bit & 1)
    for bits in range(1 << len(FIELDS))
)
"""What the bits of a posting stand for: the names of the fields."""


@dataclass(frozen=True, slots=True, eq=False)
class Sizes:
    """How many different words skills have.

    Attributes:
        by_row: (rows,) of each row, dead ones included.
        mean: over the rows that are not dead; 0 if there are none.
    """

    by_row: NDArray[np.int32]
    mean: float

    def of(self, rows: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the sizes of *rows* (n,), (n,); 0 for -1, which is none."""
        sizes: NDArray[np.int32] = np.append(self.by_row, np.int32(0)).take(rows)
        return sizes


class WordMatches(Sequence[WordMatch]):
    """Lexical hits of a request, best first; what any skill matched is looked up when asked for.

    Args:
        ids: of every row of the lexicon; may be longer than there are rows.
        row_of: id -> row, of the skills that are there now; of one moment, so that what is derived
            from it can be kept as long as it comes again.
        is_dead: (rows,) bool, rows of skills that are there no longer.
        found: the words of the request and of its parts, as rows have them.
        limit: hits at most.
        sizes: how many different words each row has.
    """

    def __init__(
        self,
        ids: Sequence[str],
        row_of: RowTable,
        is_dead: NDArray[np.bool_],
        found: Matches,
        limit: int,
        sizes: Sizes,
    ) -> None:
        self._all_ids = ids
        self.row_of = row_of
        self._is_dead = is_dead
        self.found = found
        self._limit = limit
        self.sizes = sizes

    @cached_property
    def sums(self) -> NDArray[np.float64]:
        """bm25 of every row, 0 where no word stands, (rows + 1, t).

        By the words of the whole request, then of each part; row -1 is that of no skill. Dead rows
        have sums as well.
        """
        return self.found.sums()

    @cached_property
    def _by_row(self) -> NDArray[np.float64]:
        """(rows + 1,) bm25 of the whole request, 0 for dead rows."""
        by_row: NDArray[np.float64] = self.sums[:, 0].copy()
        by_row[:-1][self._is_dead] = 0.0
        return by_row

    @cached_property
    def _best(self) -> list[int]:
        """The rows of the highest scores above zero, best first, ties by id."""
        limit = self._limit
        if limit <= 0:
            return []
        rows = self._by_row.nonzero()[0]
        found = self._by_row[rows]
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
        scores: list[float] = self._by_row[self._best].tolist() if self._best else []
        return scores

    @property
    def term_count(self) -> int:
        """Number of words of the whole request that counted."""
        return self.found.word_count

    @property
    def looked_up(self) -> dict[str, int]:
        """The words of the whole request that counted, each with the number of skills with it."""
        return self.found.looked_up()

    def scores_of(self, ids: Sequence[str]) -> NDArray[np.float64]:
        """Return bm25 of any skills, hits or not, (len(ids),); 0 where no word matched."""
        scores: NDArray[np.float64] = self.sums[:, 0].take(self.row_of.rows(ids))
        return scores

    def where(self, rows: Sequence[int]) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return for each row the fields in which words stand, and the words; -1 is no row."""
        return [(FIELD_SETS[bits], words) for bits, words in self.found.standing(rows)]

    def explain(self, ids: Sequence[str]) -> list[WordMatch | None]:
        """Say of any skills where they matched, and their rank; None for one without any word."""
        rows = self.row_of.rows(ids)
        places = {row: place for place, row in enumerate(self._best, 1)}
        scores: list[float] = self._by_row.take(rows).tolist()
        return [
            WordMatch(
                skill_id,
                score,
                *where,
                places.get(row) or 1 + int(np.count_nonzero(self._by_row > score)),
            )
            if score > 0.0
            else None
            for skill_id, row, score, where in zip(ids, rows, scores, self.where(rows), strict=True)
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
