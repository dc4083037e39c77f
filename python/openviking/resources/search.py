"""Search of resources: pieces near the question and words of the question, fused per resource."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import BackendError, OverloadedError
from openviking.resources import scoring
from openviking.resources.passages import quote, trimmed
from openviking.retrieval.fusion import fused_score
from openviking.retrieval.query import clean_query
from openviking.store.words import FUNCTION_WORDS, query_terms

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.resources.nearby import Nearby
    from openviking.retrieval.background import Background
    from openviking.store.matches import WordMatches
    from openviking.store.resources import FoundResource, ResourceFilter, ResourceStore
    from openviking.types import Resource, RowIds, TextEncoder, WordMatch

_FIELD_NAMES = {"name": "title", "category": "uri", "body": "content"}
"""What the fields of words are for a resource; its type counts as part of the URI."""


@dataclass(frozen=True, slots=True)
class ResourcePassage:
    """The part of the content that fits: ``content[start:end]``, which is *text*."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class ResourceWhy:
    """Why a resource was found.

    Attributes:
        meaning: cosine of the question and the nearest piece; None while it has no vectors.
        words: bm25 of the question's words, 0 if none occurs.
        semantic_rank: place by meaning among all candidates, from 1; None without vectors.
        lexical_rank: place by words, from 1; None if no word matched.
        fields: where words matched: title, uri, content.
        terms: the words that matched.
    """

    meaning: float | None
    words: float
    semantic_rank: int | None
    lexical_rank: int | None
    fields: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResourceHit:
    """A found resource, its fused score, the passage that fits, and why it was found."""

    resource: Resource
    score: float
    passage: ResourcePassage
    why: ResourceWhy


@dataclass(frozen=True, slots=True)
class ResourceSearch:
    """The answer to one question.

    Attributes:
        query: as it was given.
        hits: best first; empty if nothing is near.
        truncated: whether only the beginning of the query was used.
        degraded: why meaning was not used; None if it was.
    """

    query: str
    hits: tuple[ResourceHit, ...]
    truncated: bool = False
    degraded: str | None = None


class Finder:
    """Searches the newest versions of all resources. Safe for threads.

    Args:
        store: where resources last.
        encoder: turns questions into vectors; None if there is no model: words alone then decide.
        nearby: the vectors in memory.
        background: small talk and the like, which a question must be farther from than from what it
            finds; None if there is no model.
    """

    def __init__(
        self,
        store: ResourceStore,
        encoder: TextEncoder | None,
        nearby: Nearby,
        background: Background | None,
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._nearby = nearby
        self._background = background

    def search(self, query: str, k: int, chosen: ResourceFilter) -> ResourceSearch:
        """Return up to *k* resources that have to do with *query*, best first."""
        text, is_cut = clean_query(query)
        allowed = None if chosen.is_open else self._store.numbers(chosen)
        # Of a filtered search, more are asked for: most of them may not be allowed.
        taken = max(scoring.WORD_HITS, k) if allowed is None else scoring.WORD_HITS_FILTERED
        words = self._store.match(text, taken)
        candidates = _Candidates(text, words, allowed, max(scoring.WORD_HITS, k))
        degraded = None
        try:
            if self._encoder is None or self._background is None:
                degraded = "no model is loaded; words alone were looked for"
            else:
                vector = self._encoder.encode([text]).vectors
                if not self._nearby.is_whole:
                    degraded = "vectors are still being read; not all were compared"
                candidates.near_min = max(scoring.NEAR_MIN, self._background.resemblance(vector[0]))
                scanned = max(scoring.PIECES_SCANNED, k * scoring.PIECES_PER_HIT)
                candidates.add_near(self._nearby.nearest(vector, scanned, allowed))
                candidates.add_near(self._nearby.best_of(vector, candidates.without_piece()))
        except (BackendError, OverloadedError) as error:
            degraded = str(error)
        return ResourceSearch(query, self._hits(candidates, k), is_cut, degraded)

    def _hits(self, candidates: _Candidates, k: int) -> tuple[ResourceHit, ...]:
        """Read the best ones; those that vanished meanwhile make room for the next."""
        ranked, hits = candidates.ranked(), list[ResourceHit]()
        while ranked and len(hits) < k:
            batch, ranked = ranked[: k - len(hits)], ranked[k - len(hits) :]
            found = self._store.get_many([number for number, _ in batch])
            scores = dict(batch)
            matches = candidates.words.explain([str(one.number) for one in found])
            for one, match in zip(found, matches, strict=True):
                hits.append(candidates.hit(one, scores[one.number], match))
        return tuple(hits)


class _Candidates:
    """The versions that a search looks at, by number, and what speaks for each.

    Args:
        text: the question.
        words: lexical answer.
        allowed: the only versions that may be found; all if None.
        limit: of them, taken from the lexical side.
    """

    def __init__(self, text: str, words: WordMatches, allowed: RowIds | None, limit: int) -> None:
        self.words = words
        self.near_min = scoring.NEAR_MIN
        """Cosine from which a piece has to do with the question."""
        self._cosines: list[float] = []
        self._telling = frozenset(query_terms(text)) - FUNCTION_WORDS
        self._pieces: dict[int, tuple[int, float] | None] = dict.fromkeys(
            map(int, words.ids) if allowed is None else _best_of(words, allowed, limit)
        )

    def add_near(self, pieces: dict[int, tuple[int, float]]) -> None:
        """Note the nearest piece of versions."""
        self._pieces.update(pieces)

    def without_piece(self) -> list[int]:
        """Return the versions whose meaning is not known yet."""
        return [number for number, piece in self._pieces.items() if piece is None]

    def ranked(self) -> list[tuple[int, float]]:
        """Return (number, score) of what has to do with the question, best first."""
        self._cosines = sorted(-piece[1] for piece in self._pieces.values() if piece is not None)
        numbers = list(self._pieces)
        pieces = list(self._pieces.values())
        bm25 = self.words.scores_of([str(number) for number in numbers])
        is_known = np.array([piece is not None for piece in pieces], dtype=bool)
        meaning = np.array([scoring.UNKNOWN_MEANING if p is None else p[1] for p in pieces])
        score = fused_score(meaning, bm25)
        is_near = np.where(is_known, meaning >= self.near_min, bm25 > 0)
        is_near |= (bm25 >= scoring.NEAR_WORDS_MIN) & (meaning >= scoring.NEAR_WORDS_MEANING_MIN)
        self._add_complete(numbers, bm25, is_near)
        ranked = sorted(
            (-value, number)
            for value, number, near in zip(score.tolist(), numbers, is_near.tolist(), strict=True)
            if near
        )
        return [(number, -value) for value, number in ranked]

    def _add_complete(
        self, numbers: list[int], bm25: NDArray[np.float64], is_near: NDArray[np.bool_]
    ) -> None:
        """Count as near what holds every word of the question that tells something."""
        places = np.flatnonzero(~is_near & (bm25 > 0)).tolist()
        if not self._telling or not places:
            return
        matches = self.words.explain([str(numbers[at]) for at in places])
        for at, match in zip(places, matches, strict=True):
            is_near[at] = match is not None and self._telling.issubset(match.terms)

    def hit(self, found: FoundResource, score: float, match: WordMatch | None) -> ResourceHit:
        """Describe a found version: what of it fits, and why."""
        piece = self._pieces[found.number]
        content = found.resource.content
        if piece is not None and piece[0] < len(found.spans):
            start, end = trimmed(content, *map(int, found.spans[piece[0]]))
        else:
            start, end = quote(content, () if match is None else match.terms)
        why = ResourceWhy(
            meaning=None if piece is None else piece[1],
            words=0.0 if match is None else match.score,
            semantic_rank=None if piece is None else 1 + bisect_left(self._cosines, -piece[1]),
            lexical_rank=None if match is None else match.rank,
            fields=() if match is None else tuple(_FIELD_NAMES[name] for name in match.fields),
            terms=() if match is None else match.terms,
        )
        return ResourceHit(
            found.resource, score, ResourcePassage(content[start:end], start, end), why
        )


def _best_of(words: WordMatches, allowed: RowIds, limit: int) -> Sequence[int]:
    """Return the best *limit* of the allowed versions in which a word of the query stands."""
    if not len(allowed):
        return []
    if len(allowed) > scoring.WORD_HITS_FILTERED:
        is_allowed = np.zeros(int(allowed.max()) + 1, dtype=bool)
        is_allowed[allowed] = True
        hits = np.array(words.ids, dtype=np.int64)
        known = hits[hits < len(is_allowed)]
        found: list[int] = known[is_allowed[known]].tolist()
        if len(found) >= limit or len(hits) < scoring.WORD_HITS_FILTERED:
            return found[:limit]
    scores = words.scores_of([str(number) for number in allowed.tolist()])
    matched = np.flatnonzero(scores)
    order = matched[np.lexsort((allowed[matched], -scores[matched]))]
    best: list[int] = allowed[order[:limit]].tolist()
    return best
