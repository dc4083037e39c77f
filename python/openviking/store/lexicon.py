"""Words of skills in memory: bm25 over fields, exact, and as fast for new words as for old ones.

The share that a word gives a skill depends on that skill alone (see :func:`word_bag`), so it is
computed once, when the skill is written, and kept beside it. Only how rare a word is depends on the
others, and that is counted when a query asks. An edit therefore touches nothing but its own skill,
and a query adds up one short array for each of its words.

Words are known by 64 bits of their BLAKE2b digest: among a million words, the chance that any two
share them is one in thirty million.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING, overload

import numpy as np

from openviking.store.words import FUNCTION_WORDS
from openviking.types import WordMatch

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

FIELDS = ("name", "description", "category", "examples", "body")

# A name is a title of a few chosen words and says most about a skill; a description is written to
# be matched; examples are true requests but of one kind each; a body mentions much in passing.
_WEIGHTS = (8.0, 4.0, 1.0, 2.0, 1.0)

# Words of a usual field, about the medians of 2,874 real skills. They are constants, not means of
# the store, so that no skill's share moves when another one changes.
_LENGTHS = (4.0, 30.0, 4.0, 40.0, 700.0)

# Share of a field's length that counts against a word: in a body, the longer the more is mentioned
# in passing; a short description is short for want of care as often as for precision.
_SLOPES = (0.5, 0.5, 0.25, 0.5, 0.75)

# Where the repetition of a word saturates: the value that bm25 is usually given.
_K1 = 1.2

_COMMON_ROWS_MIN = 200
_COMMON_SHARE = 0.5
"""A word of more skills than both say tells nothing, and would cost the most."""

_RECENT_MIN, _RECENT_SHARE = 64, 0.125
"""Skills changed since the arrays were built, at most; then they are built anew."""

_MASKS_MAX = 64
_HASH, _SHARE, _BITS = np.dtype("<i8"), np.dtype("<f4"), np.dtype("u1")
BYTES_PER_WORD = _HASH.itemsize + _SHARE.itemsize + _BITS.itemsize
_FIELD_SETS = tuple(
    tuple(name for bit, name in enumerate(FIELDS) if bits >> bit & 1)
    for bits in range(1 << len(FIELDS))
)


@dataclass(frozen=True, slots=True, eq=False)
class WordBag:
    """The words of one skill: (n,) hashes ascending, shares in (0, 1), and fields as bits."""

    hashes: NDArray[np.int64]
    shares: NDArray[np.float32]
    bits: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Return the stored form, little-endian."""
        parts = (self.hashes.astype(_HASH), self.shares.astype(_SHARE), self.bits)
        return b"".join(part.tobytes() for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> WordBag:
        """Read the stored form; raises ValueError if it is none."""
        count, rest = divmod(len(data), BYTES_PER_WORD)
        if rest:
            raise ValueError(f"{len(data)} bytes are no whole number of words")
        return cls(
            np.frombuffer(data, _HASH, count),
            np.frombuffer(data, _SHARE, count, count * _HASH.itemsize),
            np.frombuffer(data, _BITS, count, count * (_HASH.itemsize + _SHARE.itemsize)),
        )


def word_hash(stem: str) -> int:
    """Return the number that stands for a stem."""
    return int.from_bytes(blake2b(stem.encode(), digest_size=8).digest(), "little", signed=True)


def word_bag(fields: Sequence[Sequence[str]]) -> WordBag:
    """Weigh the stems of one skill, given field by field in the order of ``FIELDS``.

    The share of a word is t / (k1 + t), where t sums its counts over the fields, each times the
    field's weight and divided by 1 - b + b * length / usual length, b being the field's slope: bm25
    with fields (BM25F).
    """
    sums: dict[str, float] = {}
    bits: dict[str, int] = {}
    for number, stems in enumerate(fields):
        slope = _SLOPES[number]
        gain = _WEIGHTS[number] / (1.0 - slope + slope * len(stems) / _LENGTHS[number])
        for stem in stems:
            sums[stem] = sums.get(stem, 0.0) + gain
            bits[stem] = bits.get(stem, 0) | 1 << number
    ordered = sorted((word_hash(stem), stem) for stem in sums)
    weights = np.array([sums[stem] for _, stem in ordered], dtype=np.float64)
    return WordBag(
        np.array([number for number, _ in ordered], dtype=_HASH),
        (weights / (_K1 + weights)).astype(_SHARE),
        np.array([bits[stem] for _, stem in ordered], dtype=_BITS),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Postings:
    """Words of many rows: of word w, the rows are ``rows[starts[w]:starts[w + 1]]``, ascending."""

    hashes: NDArray[np.int64]
    starts: NDArray[np.int64]
    rows: NDArray[np.int64]
    shares: NDArray[np.float32]
    bits: NDArray[np.uint8]

    def places(self, hashes: NDArray[np.int64]) -> list[slice]:
        """Return for each hash where its rows stand; an empty slice if nowhere."""
        if not len(self.hashes):
            return [slice(0, 0)] * len(hashes)
        at = np.minimum(np.searchsorted(self.hashes, hashes), len(self.hashes) - 1)
        is_known = self.hashes[at] == hashes
        return [
            slice(start, stop) if known else slice(0, 0)
            for start, stop, known in zip(
                self.starts[at].tolist(),
                self.starts[at + 1].tolist(),
                is_known.tolist(),
                strict=True,
            )
        ]


def _gather(
    hashes: NDArray[np.int64],
    rows: NDArray[np.int64],
    shares: NDArray[np.float32],
    bits: NDArray[np.uint8],
) -> _Postings:
    """Sort (hash, row) pairs, given with ascending rows, by hash."""
    order = np.argsort(hashes, kind="stable")
    words, starts = np.unique(hashes[order], return_index=True)
    ends = np.append(starts, len(hashes)).astype(np.int64)
    return _Postings(words, ends, rows[order], shares[order], bits[order])


def _of_bags(bags: Sequence[WordBag], first_row: int) -> _Postings:
    counts = [len(bag.hashes) for bag in bags]
    rows = np.repeat(np.arange(first_row, first_row + len(bags), dtype=np.int64), counts)
    return _gather(
        np.concatenate([np.empty(0, np.int64), *(bag.hashes for bag in bags)]),
        rows,
        np.concatenate([np.empty(0, np.float32), *(bag.shares for bag in bags)]),
        np.concatenate([np.empty(0, np.uint8), *(bag.bits for bag in bags)]),
    )


@dataclass(slots=True, eq=False)
class _State:
    """All words at one moment; never changed, but for what is computed when first asked for.

    Rows number the skills: those of ``base`` first, then one for each of the ``recent`` bags.
    A row whose skill has a newer one, or is gone, is dead.
    """

    ids: list[str]
    row_of: Mapping[str, int]
    is_dead: NDArray[np.bool_]
    base: _Postings
    recent: list[WordBag]
    dead_count: int = 0
    masks: dict[frozenset[str], NDArray[np.bool_]] = field(default_factory=dict)
    _recent_postings: _Postings | None = None

    def parts(self) -> tuple[_Postings, ...]:
        """Return the postings of older and of recent rows."""
        if not self.recent:
            return (self.base,)
        if self._recent_postings is None:
            self._recent_postings = _of_bags(self.recent, len(self.ids) - len(self.recent))
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


_EMPTY = _State([], {}, np.zeros(0, np.bool_), _of_bags([], 0), [])


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
        self,
        stems: Mapping[str, str],
        limit: int,
        *,
        among: frozenset[str] | None = None,
        also: Iterable[str] = (),
    ) -> WordMatches:
        """Return the best skills by bm25, best first, ties by id.

        Args:
            stems: word of the query -> its stem.
            limit: skills at most, beside those of *also*.
            among: only skills of these ids.
            also: ids that are wanted whatever their place, if any word of the query stands there.
        """
        state = self._state
        if limit <= 0 or not stems or not state.ids:
            return WordMatches([], [], state, [])
        words = _telling(state, stems)
        scores = _scores(state, words)
        if state.dead_count:
            scores[state.is_dead] = 0.0
        if among is not None:
            scores *= state.mask(among)
        best, ranks = _best(state, scores, limit, also)
        return WordMatches(
            list(zip(best, scores[best].tolist(), ranks, strict=True)),
            [state.ids[row] for row in best],
            state,
            words,
        )


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of a query: where its stem stands, and in how many skills."""

    text: str
    places: list[tuple[_Postings, slice]]
    skills: int


class WordMatches(Sequence[WordMatch]):
    """Lexical hits, best first; what each of them matched is looked up when it is asked for.

    Attributes:
        ids: of all hits, in order.
        scores: id -> bm25.
    """

    def __init__(
        self,
        found: list[tuple[int, float, int]],
        ids: list[str],
        state: _State,
        words: list[_Word],
    ) -> None:
        self._found = found
        self._state = state
        self._words = words
        self._at = {skill_id: at for at, skill_id in enumerate(ids)}
        self.ids: Sequence[str] = ids
        self.scores: Mapping[str, float] = {
            skill_id: score for skill_id, (_, score, _) in zip(ids, found, strict=True)
        }

    def of(self, skill_id: str) -> WordMatch | None:
        """Return the match of one skill; None if it is not among the hits."""
        at = self._at.get(skill_id)
        return None if at is None else self[at]

    def __len__(self) -> int:
        return len(self._found)

    @overload
    def __getitem__(self, at: int) -> WordMatch: ...

    @overload
    def __getitem__(self, at: slice) -> list[WordMatch]: ...

    def __getitem__(self, at: int | slice) -> WordMatch | list[WordMatch]:
        if isinstance(at, slice):
            return [self[number] for number in range(*at.indices(len(self)))]
        row, score, rank = self._found[at]
        terms, fields = [], 0
        for word in self._words:
            bits = _bits_of(word, row)
            if bits:
                terms.append(word.text)
                fields |= bits
        skill_id = self._state.ids[row]
        return WordMatch(skill_id, score, _FIELD_SETS[fields], tuple(terms), rank)


def _bits_of(word: _Word, row: int) -> int:
    """Return the fields of a row in which a word stands, as bits."""
    for part, place in word.places:
        rows = part.rows[place]
        at = int(np.searchsorted(rows, row))
        if at < len(rows) and rows[at] == row:
            return int(part.bits[place][at])
    return 0


def _telling(state: _State, stems: Mapping[str, str]) -> list[_Word]:
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


def _look_up(state: _State, words: Mapping[str, str]) -> list[_Word]:
    """Find the stems that stand anywhere; *words* maps each to the word that it came from."""
    # Sorted, so that the order of the words cannot change the last bit of a sum.
    ordered = sorted(words)
    hashes = np.array([word_hash(stem) for stem in ordered], dtype=_HASH)
    parts = [(part, part.places(hashes)) for part in state.parts()]
    found: list[_Word] = []
    for at, stem in enumerate(ordered):
        places = [(part, slices[at]) for part, slices in parts if slices[at].stop]
        size = sum(place.stop - place.start for _, place in places)
        if state.dead_count:
            size -= sum(int(state.is_dead[part.rows[place]].sum()) for part, place in places)
        if size:
            found.append(_Word(words[stem], places, size))
    return found


def _best(
    state: _State, scores: NDArray[np.float64], limit: int, also: Iterable[str]
) -> tuple[list[int], list[int]]:
    """Return the rows to report, the highest score first, ties by id; and the rank of each."""
    rows = np.flatnonzero(scores)
    ascending = np.sort(scores[rows])
    if len(rows) > limit:
        # All that tie with the last place stay in, so that ids decide and not row numbers.
        rows = rows[scores[rows] >= ascending[-limit]]
    top = _in_order(state, scores, rows)[:limit]
    ranks = list(range(1, len(top) + 1))
    more = {row for skill_id in also if (row := state.row_of.get(skill_id)) is not None}
    more.difference_update(top)
    beyond = np.array(sorted(more), dtype=np.int64)
    rest = _in_order(state, scores, beyond[scores[beyond] > 0.0])
    higher = np.searchsorted(ascending, scores[rest], side="right")
    return top + rest, ranks + (len(ascending) - higher + 1).tolist()


def _scores(state: _State, words: Sequence[_Word]) -> NDArray[np.float64]:
    """Add up bm25 for every row, dead ones included."""
    count = len(state.ids) - state.dead_count
    rows: list[NDArray[np.int64]] = []
    gains: list[NDArray[np.float32]] = []
    for word in words:
        rarity = math.log(1.0 + (count - word.skills + 0.5) / (word.skills + 0.5))
        for part, place in word.places:
            rows.append(part.rows[place])
            gains.append(part.shares[place] * np.float32((_K1 + 1.0) * rarity))
    if not rows:
        return np.zeros(len(state.ids))
    # One pass that adds in the order of the words: equal skills get equal sums.
    sums = np.bincount(np.concatenate(rows), np.concatenate(gains), len(state.ids))
    return sums.astype(np.float64, copy=False)


def _in_order(state: _State, scores: NDArray[np.float64], rows: NDArray[np.int64]) -> list[int]:
    """Sort *rows*, the highest score first, ties by id."""
    numbers = rows.tolist()
    ids = [state.ids[row] for row in numbers]
    ordered = sorted(zip((-scores[rows]).tolist(), ids, numbers, strict=True))
    return [row for _, _, row in ordered]


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
    base = _gather(
        np.concatenate(hashes)[lives],
        renumbered[rows[lives]],
        np.concatenate([part.shares for part in parts])[lives],
        np.concatenate([part.bits for part in parts])[lives],
    )
    ids = [skill_id for skill_id, dead in zip(state.ids, state.is_dead, strict=True) if not dead]
    row_of = {skill_id: row for row, skill_id in enumerate(ids)}
    return _State(ids, row_of, np.zeros(len(ids), np.bool_), base, [])
