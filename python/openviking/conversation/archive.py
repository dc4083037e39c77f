"""Search of the archive: windows near the question and words of the question, fused per message."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.conversation import scoring
from openviking.errors import BackendError, InputError, LimitError, NotFoundError, OverloadedError
from openviking.store.words import query_terms

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from openviking.conversation.shelf import Place, Shelf, Shelves
    from openviking.store.port import ConversationStore
    from openviking.types import Message, MessageHit, Namespace, TextEncoder, Vectors

QUERY_CHARS_MAX = 4000
"""Characters of a query that are used: more than the encoder reads."""

QUERY_CHARS_REFUSED = 1 << 20
"""A longer query is an error."""

HITS_MAX = 1000
"""Messages that one search returns at most."""


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
        text = clean_query(query)
        terms = [term for term in query_terms(text) if term not in scoring.STOP_WORDS]
        words = self._store.match(namespace, session_id, terms, limit=scoring.WORD_HITS)
        degraded = None
        meanings: Mapping[Place, float | None] = {}
        numbers: dict[Place, int] = {(hit.session_number, hit.seq): hit.number for hit in words}
        try:
            vector = self._encoder.encode([text]).vectors
        except (BackendError, OverloadedError) as error:
            degraded = str(error)
        else:
            shelf = self._shelves.of(namespace)
            session = self._session_number(namespace, session_id, words)
            meanings = _meanings(shelf, vector, session, numbers)
        ranked = _ranked(meanings, words)[: limit + 20]
        return ArchiveSearch(query, self._hits(ranked, numbers)[:limit], degraded)

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

    def _hits(
        self,
        ranked: Sequence[tuple[Place, float, float | None, float]],
        numbers: Mapping[Place, int],
    ) -> tuple[ArchiveHit, ...]:
        found = self._store.get_many([numbers[place] for place, *_ in ranked])
        messages = {one.number: one.message for one in found}
        return tuple(
            ArchiveHit(messages[numbers[place]], score, meaning, words)
            for place, score, meaning, words in ranked
            if numbers[place] in messages
        )


def clean_query(query: str) -> str:
    """Return the usable beginning of *query*.

    Raises:
        InputError: the query holds nothing but white space.
        LimitError: it has more than ``QUERY_CHARS_REFUSED`` characters.
    """
    if len(query) > QUERY_CHARS_REFUSED:
        raise LimitError(
            f"query: expected at most {QUERY_CHARS_REFUSED} characters, got {len(query)}",
            loc=("query",),
        )
    # A lone surrogate has no UTF-8 form: neither the tokenizer nor the store could take it.
    text = query.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
    if not text:
        raise InputError("query: expected a question, got nothing", loc=("query",))
    return text[:QUERY_CHARS_MAX].rstrip()


def _meanings(
    shelf: Shelf, vector: Vectors, session: int | None, numbers: dict[Place, int]
) -> dict[Place, float | None]:
    """Return the pooled cosine of every message that is near or was found by words.

    *numbers*, the message number of each place, is completed.
    """
    allowed = None if session is None else shelf.numbers_of(session)
    cosines = shelf.nearest(vector, scoring.WINDOWS_SCANNED, allowed)
    places = set(numbers)
    for number in cosines:
        if (owner := shelf.owner(number)) is not None:
            places.update(shelf.window((owner.session, owner.seq)))
    windows = {window for place in places for window in shelf.windows_with(place)}
    missing = {n for window in windows for n in shelf.numbers_at(window)} - cosines.keys()
    cosines |= shelf.nearest(vector, len(missing), sorted(missing))
    best: dict[Place, float] = {}
    for number, cosine in cosines.items():
        if (owner := shelf.owner(number)) is not None:
            at = (owner.session, owner.seq)
            best[at] = max(cosine, best.get(at, -1.0))
            numbers.setdefault(at, owner.message)
    return {
        place: scoring.window_meaning([best.get(at) for at in shelf.windows_with(place)])
        for place in places
    }


def _ranked(
    meanings: Mapping[Place, float | None], words: Iterable[MessageHit]
) -> list[tuple[Place, float, float | None, float]]:
    """Return (place, score, meaning, words) of every candidate, best first, the newer of equals."""
    bm25 = {(hit.session_number, hit.seq): hit.score for hit in words}
    spread = {
        (session, seq): bm25.get((session, seq), 0.0)
        + scoring.NEIGHBOUR_WORDS
        * max(bm25.get((session, seq - 1), 0.0), bm25.get((session, seq + 1), 0.0))
        for session, seq in meanings.keys() | bm25.keys()
    }
    best = max(spread.values(), default=0.0)
    # A message that has no vector yet is taken to be as near as the farthest that was looked at.
    floor = min((m for m in meanings.values() if m is not None), default=0.0)
    rows: list[tuple[Place, float, float | None, float]] = []
    for place, score in spread.items():
        meaning = meanings.get(place)
        near = floor if meaning is None else meaning
        rows.append((place, scoring.fused_score(near, score, best), meaning, score))
    rows.sort(key=lambda row: (-row[1], -row[0][0], -row[0][1]))
    return rows
