"""Search of the archive: windows near the question and words of the question, fused per message."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from openviking.conversation import scoring
from openviking.errors import BackendError, InputError, LimitError, NotFoundError, OverloadedError
from openviking.retrieval.query import HITS_MAX, clean_query
from openviking.store.words import query_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openviking.conversation.shelf import Place, Shelf, Shelves
    from openviking.store.port import ConversationStore
    from openviking.types import Message, MessageHit, Namespace, TextEncoder, Vectors


@dataclass(frozen=True, slots=True)
class ArchiveHit:
    """A found message.

    Attributes:
        message: the message.
        score: what the hits are sorted by.
        meaning: pooled cosine of the windows that hold it; None if it has no vector yet.
        words: bm25 of the question's words in it and, in part, in its neighbours.
    """

    message: Message
    score: float
    meaning: float | None
    words: float

    @property
    def is_relevant(self) -> bool:
        """Whether it has to do with the question at all; without a vector, words must do."""
        return (
            self.words > 0 if self.meaning is None else (self.meaning >= scoring.RELEVANT_MEANING)
        )


@dataclass(frozen=True, slots=True)
class ArchiveSearch:
    """The answer to a question: *hits* best first; *degraded* says why meaning was not used."""

    query: str
    hits: tuple[ArchiveHit, ...]
    degraded: str | None = None


class Archive:
    """Finds messages of a namespace or of one of its sessions. Safe for threads.

    Args:
        store: where messages and vectors last.
        encoder: turns questions into vectors.
        shelves: the vectors in memory.
    """

    def __init__(self, store: ConversationStore, encoder: TextEncoder, shelves: Shelves) -> None:
        self._store = store
        self._encoder = encoder
        self._shelves = shelves

    def search(
        self, namespace: Namespace, query: str, *, session_id: str | None = None, limit: int = 10
    ) -> ArchiveSearch:
        """Return the messages that fit *query* best.

        If the model fails or is overloaded, words alone decide and ``degraded`` says so.

        Raises:
            InputError: an empty query or a *limit* below 1.
            LimitError: a *limit* or a query that is too large.
            StoreError: the store cannot be read.
        """
        if not 1 <= limit <= HITS_MAX:
            kind = InputError if limit < 1 else LimitError
            raise kind(f"limit: expected 1 to {HITS_MAX}, got {limit}", loc=("limit",))
        text, _ = clean_query(query)
        words = self._store.match(namespace, session_id, _telling(text), limit=scoring.WORD_HITS)
        found = _Candidates(words)
        degraded = None
        try:
            vector = self._encoder.encode([text]).vectors
        except (BackendError, OverloadedError) as error:
            degraded = str(error)
        else:
            session = self._session_number(namespace, session_id, words)
            found.look_near(self._shelves.of(namespace), vector, session)
        ranked = found.ranked()[: max(limit, scoring.RERANKED)]
        return ArchiveSearch(query, self._hits(ranked)[:limit], degraded)

    def _session_number(
        self, namespace: Namespace, session_id: str | None, words: Sequence[MessageHit]
    ) -> int | None:
        if session_id is None:
            return None
        if words:
            return words[0].session_number
        try:
            return self._store.get_session(namespace, session_id).number
        except NotFoundError:
            return -1

    def _hits(self, ranked: Sequence[_Candidate]) -> tuple[ArchiveHit, ...]:
        """Read the messages and sort them for good, by what they say too; newer before equal."""
        found = self._store.get_many([one.number for one in ranked])
        messages = {one.number: one.message for one in found}
        hits = []
        for one in ranked:
            message = messages.get(one.number)
            if message is not None:
                said = scoring.said_score(message.content)
                hit = ArchiveHit(message, one.score + said, one.meaning, one.words)
                hits.append((-hit.score, -one.number, hit))
        return tuple(hit for *_, hit in sorted(hits, key=lambda row: row[:2]))


def _telling(text: str) -> list[str]:
    return [term for term in query_terms(text) if term not in scoring.STOP_WORDS]


@dataclass(frozen=True, slots=True)
class _Candidate:
    number: int
    score: float
    meaning: float | None
    words: float


class _Candidates:
    """The messages that a search looks at, and what speaks for each.

    Args:
        words: lexical hits, best first.
    """

    def __init__(self, words: Iterable[MessageHit]) -> None:
        self._words = {(hit.session_number, hit.seq): hit for hit in words}
        self._numbers = {place: hit.number for place, hit in self._words.items()}
        self._meanings: dict[Place, float | None] = dict.fromkeys(self._words)
        self._previous: dict[Place, Place] = {}

    def look_near(self, shelf: Shelf, vector: Vectors, session: int | None) -> None:
        """Add the messages of near windows, and learn what all candidates mean."""
        allowed = None if session is None else shelf.numbers_of(session)
        cosines = shelf.nearest(vector, scoring.WINDOWS_SCANNED, allowed)
        places = set(self._words)
        windows_with = cache(shelf.windows_with)
        # A turn behind one that holds the words may be the answer to it.
        places.update(behind for at in self._words for behind in windows_with(at)[1:2])
        for number in cosines:
            if (owner := shelf.owner(number)) is not None:
                places.update(shelf.window((owner.session, owner.seq)))
        windows = {window for place in places for window in windows_with(place)}
        missing = {n for window in windows for n in shelf.numbers_at(window)} - cosines.keys()
        cosines |= shelf.nearest(vector, len(missing), sorted(missing))
        best: dict[Place, float] = {}
        for number, cosine in cosines.items():
            if (owner := shelf.owner(number)) is not None:
                at = (owner.session, owner.seq)
                best[at] = max(cosine, best.get(at, -1.0))
                self._numbers.setdefault(at, owner.message)
        for place in places & self._numbers.keys():
            windows_of = windows_with(place)
            self._meanings[place] = scoring.window_meaning([best.get(at) for at in windows_of])
            for before in shelf.window(place)[-2:-1]:
                self._previous[place] = before

    def ranked(self) -> list[_Candidate]:
        """Return every candidate, best first by meaning and words, the newer of equals."""
        words = {place: self._words_of(place) for place in self._meanings}
        best = max(words.values(), default=0.0)
        # A message without a vector yet is taken to be as near as the farthest one looked at.
        floor = min((m for m in self._meanings.values() if m is not None), default=0.0)
        found = [
            _Candidate(
                self._numbers[place],
                scoring.fused_score(floor if meaning is None else meaning, words[place], best),
                meaning,
                words[place],
            )
            for place, meaning in self._meanings.items()
        ]
        return sorted(found, key=lambda one: (-one.score, -one.number))

    def _words_of(self, place: Place) -> float:
        before = self._previous.get(place)
        own, previous = self._words.get(place), None if before is None else self._words.get(before)
        return (own.score if own else 0.0) + scoring.PREVIOUS_WORDS * (
            previous.score if previous else 0.0
        )
