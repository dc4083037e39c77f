"""Words of skills in memory: bm25 over fields, exact, and as fast for new words as for old ones.

The share that a word gives a skill depends on that skill alone (see store/bags.py), so it is
computed once, when the skill is written. Only how rare a word is depends on the others, and that is
counted when a query asks. An edit therefore touches nothing but its own skill, and a query adds up
one short array for each of its words.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.store.bags import K1, WordBag
from openviking.store.matches import Sizes, WordMatches
from openviking.store.postings import gather, postings_of
from openviking.store.rows import RowTable
from openviking.vectors.postings import Matches

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from openviking.vectors.postings import Postings, Word

_COMMON_ROWS_MIN = 200
_COMMON_SHARE = 0.5
"""A word of more skills than both say tells nothing, and would cost the most."""

_RECENT_MAX = 64
"""Bags that wait to be sorted into arrays: each search after a change sorts as many."""

_DEAD_MIN, _DEAD_SHARE = 64, 0.125
"""Dead rows at most; then the arrays are built anew without them."""

_MERGED_FROM = 0.5
"""An array that has grown to this share of the one before it is merged with it. So a row is sorted
as often as the rows double, and a query meets a dozen arrays at most."""


@dataclass(slots=True, eq=False)
class _State:
    """All words at one moment; never changed, but for what is computed when first asked for.

    Rows number the skills: those of the ``older`` arrays in their order, then one for each of the
    ``recent`` bags. A row whose skill has a newer one, or is gone, is dead. ``ids`` grows with
    every state that follows, which has the same list: the rows of this one are as many as
    ``is_dead`` is long. ``sizes`` counts the different words of each row, ``word_count`` those of
    the rows that live, each row's by itself.
    """

    ids: list[str]
    row_of: RowTable
    is_dead: NDArray[np.bool_]
    sizes: NDArray[np.int32]
    older: tuple[Postings, ...]
    recent: tuple[WordBag, ...]
    dead_count: int = 0
    word_count: int = 0
    _recent_postings: Postings | None = None

    @property
    def rows(self) -> int:
        """Count the rows, dead ones included."""
        return len(self.is_dead)

    @property
    def words_per_text(self) -> float:
        """Mean of the different words of a skill; 0 if there are none."""
        return self.word_count / max(1, self.rows - self.dead_count)

    def parts(self) -> tuple[Postings, ...]:
        """Return the postings of older and of recent rows."""
        if not self.recent:
            return self.older
        if self._recent_postings is None:
            self._recent_postings = postings_of(self.recent, self.rows - len(self.recent))
        return (*self.older, self._recent_postings)


def _empty() -> _State:
    return _State([], RowTable({}, {}), np.zeros(0, np.bool_), np.zeros(0, np.int32), (), ())


class Lexicon:
    """The words of all skills; safe from any thread. Searches never wait for a change."""

    def __init__(self) -> None:
        self._state = _empty()
        self._versions: dict[str, int] = {}
        self._long_gone: frozenset[str] = frozenset()
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
            if _is_mostly_dead(self._state):
                self._state = _compacted(self._state)
                self._forget_versions()

    def _forget_versions(self) -> None:
        """Drop the versions of what has been gone since the last time; no change is that late."""
        row_of = self._state.row_of
        self._versions = {
            skill_id: version
            for skill_id, version in self._versions.items()
            if skill_id not in self._long_gone or row_of.get(skill_id) is not None
        }
        self._long_gone = frozenset(
            skill_id for skill_id in self._versions if row_of.get(skill_id) is None
        )

    def match(self, texts: Sequence[Sequence[Word]], limit: int = 0) -> WordMatches:
        """Add up bm25 for all skills.

        Args:
            texts: the words of the whole request, then of its parts.
            limit: skills at most that are named as hits, best first, ties by id; the answer knows
                the others as well.
        """
        state = self._state
        found = Matches(
            state.parts(),
            texts,
            state.is_dead,
            state.dead_count,
            common=max(_COMMON_ROWS_MIN, _COMMON_SHARE * state.rows),
            scale=K1 + 1.0,
        )
        sizes = Sizes(state.sizes, state.words_per_text)
        return WordMatches(state.ids, state.row_of, state.is_dead, found, limit, sizes)


def _changed(state: _State, bags: Mapping[str, WordBag | None]) -> _State:
    """Return the state after a change."""
    fresh = {skill_id: bag for skill_id, bag in bags.items() if bag is not None}
    added = np.array([len(bag.hashes) for bag in fresh.values()], np.int32)
    is_dead = np.concatenate([state.is_dead, np.zeros(len(fresh), np.bool_)])
    sizes = np.concatenate([state.sizes, added])
    replaced = [row for skill_id in bags if (row := state.row_of.get(skill_id)) is not None]
    is_dead[replaced] = True
    rows = dict.fromkeys(bags, -1) | dict(zip(fresh, range(state.rows, len(is_dead)), strict=True))
    # Behind the rows of every earlier state, none of which looks there.
    state.ids.extend(fresh)
    older, recent = state.older, (*state.recent, *fresh.values())
    if len(recent) > _RECENT_MAX:
        older, recent = _merged((*older, postings_of(recent, len(is_dead) - len(recent)))), ()
    dead_count = state.dead_count + len(replaced)
    word_count = state.word_count + int(added.sum()) - int(sizes[replaced].sum())
    row_of = state.row_of.changed(rows)
    return _State(state.ids, row_of, is_dead, sizes, older, recent, dead_count, word_count)


def _merged(parts: tuple[Postings, ...]) -> tuple[Postings, ...]:
    """Merge the last arrays while they are not much smaller than the ones before them."""
    while len(parts) > 1 and len(parts[-1]) > _MERGED_FROM * len(parts[-2]):
        parts = (*parts[:-2], _joined(parts[-2:]))
    return parts


def _joined(parts: Sequence[Postings]) -> Postings:
    # Rows of a part are lower than those of the next: a stable sort keeps the rows of a word
    # ascending.
    return gather(
        np.concatenate([part.hashes() for part in parts]),
        np.concatenate([part.rows() for part in parts]),
        np.concatenate([part.shares() for part in parts]),
        np.concatenate([part.bits() for part in parts]),
    )


def _is_mostly_dead(state: _State) -> bool:
    return state.dead_count > max(_DEAD_MIN, _DEAD_SHARE * state.rows)


def _compacted(state: _State) -> _State:
    """Return the same words in one piece, without dead rows."""
    whole = _joined(state.parts())
    rows = whole.rows()
    lives = ~state.is_dead[rows]
    renumbered = np.cumsum(~state.is_dead, dtype=np.int32) - 1
    part = gather(
        whole.hashes()[lives], renumbered[rows[lives]], whole.shares()[lives], whole.bits()[lives]
    )
    alive = zip(state.ids, state.is_dead.tolist(), strict=False)
    ids = [skill_id for skill_id, is_dead in alive if not is_dead]
    row_of = RowTable({skill_id: row for row, skill_id in enumerate(ids)}, {})
    sizes = state.sizes[~state.is_dead]
    is_dead = np.zeros(len(ids), np.bool_)
    return _State(ids, row_of, is_dead, sizes, (part,), (), word_count=state.word_count)
