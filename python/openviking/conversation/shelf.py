"""The vectors of one namespace in memory, loaded when it is first searched."""

from __future__ import annotations

import threading
from bisect import bisect_right, insort
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from openviking.conversation.passages import NEIGHBOURS
from openviking.index import Index
from openviking.vectors import normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.types import MessageVectors, Namespace, Vectors

Place: TypeAlias = tuple[int, int]
"""Number of the session and ``seq``: what identifies a message while it is ranked."""

VECTORS_MAX = 200_000
"""Vectors that all shelves hold together (some 800 MB at 768 numbers); the namespace that was not
searched for longest goes first, and is loaded again when it is asked. Of a namespace that has more,
the newest are held; older messages are found by their words."""

_OVERFLOW = 1.1
"""A shelf that outgrew the limit so far is loaded anew with its newest vectors."""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose vector it is: the message's number, its session's number, its ``seq`` there."""

    message: int
    session: int
    seq: int


@dataclass(slots=True)
class _Session:
    """The vectors of one session: ascending ``seqs``, and the numbers of the vectors of each."""

    seqs: list[int] = field(default_factory=list)
    numbers: dict[int, list[int]] = field(default_factory=dict)


class Shelf:
    """All vectors of a namespace. One thread at a time may put; any may read meanwhile.

    Args:
        dim: width of the vectors.
    """

    def __init__(self, dim: int) -> None:
        self._index = Index(dim)
        self._owners: dict[int, Owner] = {}
        self._sessions: dict[int, _Session] = {}

    def __len__(self) -> int:
        return len(self._index)

    def put(self, loaded: MessageVectors) -> None:
        """Add vectors; those that are there already are replaced."""
        if not len(loaded.numbers):
            return
        columns = (loaded.numbers, loaded.messages, loaded.sessions, loaded.seqs)
        for number, *owner in zip(*(column.tolist() for column in columns), strict=True):
            if number not in self._owners:
                self._own(number, Owner(*owner))
        self._index.replace(loaded.numbers, normalize(loaded.vectors))

    def _own(self, number: int, owner: Owner) -> None:
        self._owners[number] = owner
        session = self._sessions.setdefault(owner.session, _Session())
        if owner.seq in session.numbers:
            session.numbers[owner.seq].append(number)
        else:
            session.numbers[owner.seq] = [number]
            insort(session.seqs, owner.seq)

    def owner(self, number: int) -> Owner | None:
        """Return whose vector this is."""
        return self._owners.get(number)

    def numbers_of(self, session: int) -> list[int]:
        """Return the numbers of all vectors of a session."""
        held = self._sessions.get(session)
        return [] if held is None else [n for group in list(held.numbers.values()) for n in group]

    def numbers_at(self, place: Place) -> list[int]:
        """Return the numbers of the vectors of one message."""
        held = self._sessions.get(place[0])
        return [] if held is None else held.numbers.get(place[1], [])

    def window(self, place: Place) -> list[Place]:
        """Return the messages that were embedded with the one at *place*, itself included."""
        session, seq = place
        held = self._sessions.get(session)
        seqs = [] if held is None else held.seqs
        at = bisect_right(seqs, seq)
        return [(session, other) for other in seqs[max(0, at - NEIGHBOURS - 1) : at]]

    def windows_with(self, place: Place) -> list[Place]:
        """Return *place* and the messages behind it that were embedded with it, in order."""
        session, seq = place
        held = self._sessions.get(session)
        seqs = [] if held is None else held.seqs
        at = bisect_right(seqs, seq)
        return [place, *((session, other) for other in seqs[at : at + NEIGHBOURS])]

    def nearest(
        self, query: Vectors, k: int, allow: Sequence[int] | None = None
    ) -> dict[int, float]:
        """Return up to *k* numbers of vectors with their cosines, best first.

        Args:
            query: (1, dim) float32, unit length.
            k: vectors at most.
            allow: numbers that may come; all if None.
        """
        if k < 1 or not len(self._index) or (allow is not None and not len(allow)):
            return {}
        chosen = None if allow is None else np.array(allow, dtype=np.int64)
        ids, scores = self._index.search(query, k, allow=chosen)
        return dict(zip(ids[0].tolist(), scores[0].tolist(), strict=True))


class Shelves:
    """The shelves in use. Safe for threads.

    Args:
        load: reads the newest vectors of a namespace, at most so many, from the store.
        dim: width of the vectors.
        vectors_max: see VECTORS_MAX.
    """

    def __init__(
        self,
        load: Callable[[Namespace, int], MessageVectors],
        dim: int,
        vectors_max: int = VECTORS_MAX,
    ) -> None:
        self._load = load
        self._dim = dim
        self._vectors_max = vectors_max
        self._shelves: OrderedDict[Namespace, Shelf] = OrderedDict()
        self._changing = threading.Lock()

    def of(self, namespace: Namespace) -> Shelf:
        """Return the shelf of a namespace, loaded if need be."""
        with self._changing:
            shelf = self._shelves.get(namespace)
            if shelf is None:
                shelf = Shelf(self._dim)
                shelf.put(self._load(namespace, self._vectors_max))
                self._shelves[namespace] = shelf
                self._make_room()
            self._shelves.move_to_end(namespace)
            return shelf

    def add(self, namespace: Namespace, added: MessageVectors) -> None:
        """Add new vectors, if the namespace is loaded."""
        with self._changing:
            shelf = self._shelves.get(namespace)
            if shelf is not None:
                shelf.put(added)
                self._make_room()

    def forget(self, namespace: Namespace | None = None) -> None:
        """Drop the shelf of a namespace, or all: the next search loads what the store has then."""
        with self._changing:
            if namespace is None:
                self._shelves.clear()
            else:
                self._shelves.pop(namespace, None)

    def _make_room(self) -> None:
        for namespace, shelf in list(self._shelves.items()):
            if len(shelf) > self._vectors_max * _OVERFLOW:
                del self._shelves[namespace]
        while len(self._shelves) > 1 and self._held() > self._vectors_max:
            self._shelves.popitem(last=False)

    def _held(self) -> int:
        return sum(len(shelf) for shelf in self._shelves.values())
