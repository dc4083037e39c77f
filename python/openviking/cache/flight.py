"""Single flight: what one thread is computing, others wait for instead of computing it too."""

from __future__ import annotations

import threading
from copy import copy
from typing import TYPE_CHECKING, NamedTuple

from openviking.errors import InputError, OpenVikingError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openviking.cache.memory import CachedEmbedding


class Landing(NamedTuple):
    """What a flight brought: the embedding, and whether a cache had it rather than the model."""

    entry: CachedEmbedding
    is_cached: bool


class Flight:
    """One computation under way; ends exactly once, with a result or an error."""

    __slots__ = ("_done", "_error", "_result")

    def __init__(self) -> None:
        self._done = threading.Event()
        self._result: Landing | None = None
        self._error: BaseException | None = None

    def land(self, result: Landing) -> None:
        """Hand the result to everyone who waits."""
        self._result = result
        self._done.set()

    def crash(self, error: BaseException) -> None:
        """Hand the error to everyone who waits; nothing after a landing."""
        if not self._done.is_set():
            self._error = error
            self._done.set()

    def wait(self) -> Landing | None:
        """Return the result; None if the computation failed for a reason that may not be ours.

        An InputError can be about another text of the other thread's call, and an interrupt was
        meant for that thread alone: in both cases the caller should try on its own.

        Raises:
            OpenVikingError: the computing thread's error, such as a failing model.
        """
        self._done.wait()
        error = self._error
        if isinstance(error, OpenVikingError) and not isinstance(error, InputError):
            # A copy, because each raise writes its own traceback into the exception.
            raise copy(error) from error
        return self._result


class Flights:
    """The computations under way, by key. Safe for threads."""

    def __init__(self) -> None:
        self._by_key: dict[bytes, Flight] = {}
        self._changing = threading.Lock()

    def board(self, keys: Iterable[bytes]) -> tuple[dict[bytes, Flight], dict[bytes, Flight]]:
        """Split *keys* into (ours to compute, others' to wait for).

        Whoever gets a flight to compute must end it with land() or crash() and then remove() it.
        """
        ours: dict[bytes, Flight] = {}
        theirs: dict[bytes, Flight] = {}
        with self._changing:
            for key in keys:
                if key in ours:
                    continue
                flight = self._by_key.get(key)
                if flight is None:
                    ours[key] = self._by_key[key] = Flight()
                else:
                    theirs[key] = flight
        return ours, theirs

    def remove(self, keys: Iterable[bytes]) -> None:
        """Forget finished flights: from now on the cache knows the results, or nobody does."""
        with self._changing:
            for key in keys:
                del self._by_key[key]
