"""Words of skills in memory: bm25 over fields, exact, and as fast for new words as for old ones.

The share that a word gives a skill depends on that skill alone (see store/bags.py), so it is
computed once, when the skill is written. Only how rare a word is depends on the others, and that is
counted when a query asks. An edit therefore touches nothing but its own skill, and a query adds up
one short array for each of its words.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from openviking.store.bags import HASH, K1, WordBag, word_hash
from openviking.store.matches import FoundWord, WordMatches
from openviking.store.postings import Postings, gather, postings_of
from openviking.store.words import FUNCTION_WORDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

_COMMON_ROWS_MIN = 200
_COMMON_SHARE = 0.5
"""A word of more skills than both say tells nothing, and would cost the most."""

_RECENT_MIN, _RECENT_SHARE = 64, 0.125
"""Skills changed since the arrays were built, at most; then they are built anew."""

_MASKS_MAX = 64

_query_hash = lru_cache(maxsize=4096)(word_hash)
"""Queries share their words; a digest costs as much as everything else about a word."""


@dataclass(slots=True, eq=False)
class _State:
    """All words at one moment; never changed, but for what is computed when first asked for.

    Rows number the skills: those of ``base`` first, then one for each of the ``recent`` bags.
    A row whose skill has a newer one, or is gone, is dead.
    """

    ids: list[str]
    row_of: Mapping[str, int]
    is_dead: NDArray[np.bool_]
    base: Postings
    recent: list[WordBag]
    dead_count: int = 0
    masks: dict[frozenset[str], NDArray[np.bool_]] = field(default_factory=dict)
    _recent_postings: Postings | None = None

    def parts(self) -> tuple[Postings, ...]:
        """Return the postings of older and of recent rows."""
        if not self.recent:
            return (self.base,)
        if self._recent_postings is None:
            self._recent_postings = postings_of(self.recent, len(self.ids) - len(self.recent))
        return (self.base, self._recent_postings)

    def mask(self, among: frozenset[str]) -> NDArray[np.bool_]:
        """Return which rows are of *among*; remembered for the sets that are asked for again."""
        found = self.masks.get(among)
        if found is None:
            found = np.zeros(len(self.ids), dtype=np.bool_)
            found[[row for skill_id in among if (row := self.row_of.get(skill_id)) is not None]] = 1
            if len(self.masks) >= _MASKS_MAX:
                self.masks.clear()
            self.masks[among] = found
        return found


_EMPTY = _State([], {}, np.zeros(0, np.bool_), postings_of([], 0), [])


class Lexicon:
    """The words of all skills; safe from any thread. Searches never wait for a change."""

    def __init__(self) -> None:
        self._state = _EMPTY
        self._versions: dict[str, int] = {}
        self._changing = threading.Lock()

    def update(self, bags: Mapping[str, WordBag | None], version: int) -> None:
        """Replace the words of some skills, all at one moment; None takes a skill out.

        Changes may arrive in another order than they were made: of a skill, the one with the
        highest *version* stays.
        """
        with self._changing:
            newer = {
                skill_id: bag
                for skill_id, bag in bags.items()
                if self._versions.get(skill_id, -1) <= version
            }
            self._versions.update(dict.fromkeys(newer, version))
            if newer:
                self._state = _changed(self._state, newer)

    def match(
        self, stems: Mapping[str, str], limit: int, *, among: frozenset[str] | None = None
    ) -> WordMatches:
        """Return the best skills by bm25, best first, ties by id.

        Args:
            stems: word of the query -> its stem.
            limit: skills at most.
            among: only skills of these ids.
        """
        state = self._state
        if limit <= 0 or not stems or not state.ids:
            return WordMatches(state.ids, {}, np.zeros(0), [], [])
        words = _telling(state, stems)
        scores = _scores(state, words)
        if state.dead_count:
            scores[state.is_dead] = 0.0
        if among is not None:
            scores *= state.mask(among)
        return WordMatches(state.ids, state.row_of, scores, _best(state, scores, limit), words)


def _telling(state: _State, stems: Mapping[str, str]) -> list[FoundWord]:
    """Return the words that tell something, in one order.

    Words of grammar and words of most skills are passed over while there are others: they tell
    nothing about a task, and in a store of few skills chance makes them look rare.
    """
    content: dict[str, str] = {}
    grammar: dict[str, str] = {}
    for word, stem in stems.items():
        (grammar if word in FUNCTION_WORDS else content).setdefault(stem, word)
    limit = max(_COMMON_ROWS_MIN, _COMMON_SHARE * len(state.ids))
    words = _look_up(state, content)
    telling = [word for word in words if word.skills <= limit]
    return telling or words + _look_up(state, grammar)


def _look_up(state: _State, words: Mapping[str, str]) -> list[FoundWord]:
    """Find the stems that stand anywhere; *words* maps each to the word that it came from."""
    # Sorted, so that the order of the words cannot change the last bit of a sum.
    ordered = sorted(words)
    hashes = np.array([_query_hash(stem) for stem in ordered], dtype=HASH)
    parts = [(part, part.places(hashes)) for part in state.parts()]
    found: list[FoundWord] = []
    for at, stem in enumerate(ordered):
        places = [(part, slices[at]) for part, slices in parts if slices[at].stop]
        size = sum(place.stop - place.start for _, place in places)
        if state.dead_count:
            size -= sum(int(state.is_dead[part.rows[place]].sum()) for part, place in places)
        if size:
            found.append(FoundWord(words[stem], places, size))
    return found


def _best(state: _State, scores: NDArray[np.float64], limit: int) -> list[int]:
    """Return the rows of the *limit* highest scores above zero, best first, ties by id."""
    rows = scores.nonzero()[0]
    found = scores[rows]
    if len(rows) > limit:
        # All that tie with the last place stay in, so that ids decide and not row numbers.
        near = found >= np.partition(found, len(rows) - limit)[len(rows) - limit]
        rows, found = rows[near], found[near]
    order = (-found).argsort(kind="stable")
    ranked: list[int] = rows[order].tolist()
    descending: list[float] = found[order].tolist()
    if len(set(descending)) < len(descending):
        ids = state.ids
        keys = sorted(
            (-score, ids[row], row) for score, row in zip(descending, ranked, strict=True)
        )
        ranked = [row for _, _, row in keys]
    return ranked[:limit]


def _scores(state: _State, words: Sequence[FoundWord]) -> NDArray[np.float64]:
    """Add up bm25 for every row, dead ones included."""
    count = len(state.ids) - state.dead_count
    rows: list[NDArray[np.int64]] = []
    gains: list[NDArray[np.float32]] = []
    for word in words:
        rarity = math.log(1.0 + (count - word.skills + 0.5) / (word.skills + 0.5))
        for part, place in word.places:
            rows.append(part.rows[place])
            gains.append(part.shares[place] * np.float32((K1 + 1.0) * rarity))
    if not rows:
        return np.zeros(len(state.ids))
    # One pass that adds in the order of the words: equal skills get equal sums.
    sums = np.bincount(np.concatenate(rows), np.concatenate(gains), len(state.ids))
    return sums.astype(np.float64, copy=False)


def _changed(state: _State, bags: Mapping[str, WordBag | None]) -> _State:
    """Return the state after a change; recent rows join the base when they have become many."""
    ids, row_of = list(state.ids), dict(state.row_of)
    fresh = {skill_id: bag for skill_id, bag in bags.items() if bag is not None}
    is_dead = np.concatenate([state.is_dead, np.zeros(len(fresh), np.bool_)])
    for skill_id in bags:
        row = row_of.pop(skill_id, None)
        if row is not None:
            is_dead[row] = True
    row_of.update(zip(fresh, range(len(ids), len(ids) + len(fresh)), strict=True))
    ids += fresh
    recent = [*state.recent, *fresh.values()]
    dead_count = int(is_dead.sum())
    changed = _State(ids, row_of, is_dead, state.base, recent, dead_count)
    if max(len(recent), dead_count) > max(_RECENT_MIN, _RECENT_SHARE * len(ids)):
        return _compacted(changed)
    return changed


def _compacted(state: _State) -> _State:
    """Return the same words in one piece, without dead rows."""
    parts = state.parts()
    counts = [np.diff(part.starts) for part in parts]
    hashes = [np.repeat(part.hashes, count) for part, count in zip(parts, counts, strict=True)]
    rows = np.concatenate([part.rows for part in parts])
    lives = ~state.is_dead[rows]
    renumbered = np.cumsum(~state.is_dead, dtype=np.int64) - 1
    # Base rows are lower than recent ones, so a stable sort keeps the rows of a word ascending.
    base = gather(
        np.concatenate(hashes)[lives],
        renumbered[rows[lives]],
        np.concatenate([part.shares for part in parts])[lives],
        np.concatenate([part.bits for part in parts])[lives],
    )
    ids = [skill_id for skill_id, dead in zip(state.ids, state.is_dead, strict=True) if not dead]
    row_of = {skill_id: row for row, skill_id in enumerate(ids)}
    return _State(ids, row_of, np.zeros(len(ids), np.bool_), base, [])
