"""What people say that is no task for any skill: what a best hit must stand out from.

A fixed bar cannot tell whether a query is about the skills at all: among three thousand skills one
is a little like anything. These sentences can, in two ways. What they get from a collection is what
it gives to anybody; and a query that is nearer to them than to every skill is one of them.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np

from openviking.vectors import search

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeAlias

    from numpy.typing import NDArray

    from openviking.types import TextEncoder, Vectors

    BestCosines: TypeAlias = Callable[[Vectors], NDArray[np.float32]]
    """Queries (q, dim) -> the highest cosine that a collection gives to each, (q,), or none."""

SENTENCES = (
    "hello there",
    "hey, how is it going?",
    "thank you very much",
    "great, that worked",
    "good evening",
    "see you later",
    "yes",
    "no, not that one",
    "please go on",
    "what do you mean by that?",
    "sorry, I did not understand",
    "you are very helpful",
    "what is your name?",
    "are you a human or a machine?",
    "can you help me?",
    "I am bored",
    "I had a bad day",
    "my brother lives in Canada",
    "we went to the beach last summer",
    "this is a test",
    "blah blah blah",
    "lorem ipsum dolor sit amet",
    "sdkfjh wieurh",
    "... ?!",
    "1234567890",
    "aaaaaaaaaaaa",
    "what time is it?",
    "who was the first person on the moon?",
    "how far away is the sun?",
    "why do cats purr?",
    "what is the tallest mountain on earth?",
    "when did the second world war end?",
    "how do birds fly?",
    "is there life on other planets?",
    "what language do people speak in Brazil?",
    "who wrote Hamlet?",
    "tell me something interesting",
    "sing a song for me",
    "what should I wear today?",
    "my shoes are wet",
    "the neighbours are loud again",
    "how do I get rid of hiccups?",
    "which football team is the best?",
    "paint the garden fence",
    "sharpen a kitchen knife",
    "feed the goldfish",
    "what is love?",
    "once upon a time there was a king",
)
"""Courtesy, small talk, noise, questions of general knowledge and chores, in plain English."""

LIKE_SENTENCES = 5
"""Sentences most like a query that are looked at: about as many as there are of each kind."""


class Background:
    """The sentences as vectors, encoded once, at the latest for the first search. Safe for threads.

    Args:
        encoder: not closed here.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._lock = threading.Lock()
        self._known: Vectors | None = None

    def warm(self) -> None:
        """Encode the sentences now, so that no search has to wait for them."""
        self._vectors  # noqa: B018 - the property does the work, once

    @property
    def is_warm(self) -> bool:
        """Whether the sentences are encoded."""
        return self._known is not None

    @property
    def _vectors(self) -> Vectors:
        with self._lock:
            if self._known is None:
                self._known = self._encoder.encode(SENTENCES).vectors
            return self._known

    def resemblance(self, query: NDArray[np.float32]) -> float:
        """Return the mean cosine of *query* (dim,) and the sentences most like it.

        Of one sentence, chance would decide: a query may share a single word with it.
        """
        _, cosines = search(query[np.newaxis], self._vectors, LIKE_SENTENCES)
        nearest: list[float] = cosines[0].tolist()
        return sum(nearest) / len(nearest)

    def usual_best(self, nearest: BestCosines) -> float:
        """Return the mean, over the sentences, of the highest cosine in a collection; 0 if none.

        Args:
            nearest: looks the sentences up among all passages of the collection.
        """
        cosines = nearest(self._vectors)
        return float(cosines.mean()) if cosines.size else 0.0
