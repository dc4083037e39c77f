"""Every weight and threshold of the archive search, and the sum that joins both signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOWS_SCANNED = 100
"""Windows taken from the index."""

WORD_HITS = 100
"""Messages taken from the lexical side."""

WINDOW_SHARES = (0.5, 0.3, 0.2)
"""What the windows that end 0, 1 and 2 turns behind a message count for its meaning."""

NEIGHBOUR_WORDS = 0.3
"""Share of the bm25 of the turn before and the turn behind that counts for a message: an answer
often lacks the words of the question before it."""

WORDS_WEIGHT = 0.35
"""What the best lexical match adds to a cosine when its words are as rare as words can be."""

WORDS_SURE = 8.0
"""bm25 points at which a best match counts half."""

RELEVANT_MEANING = 0.30
"""A message below this cosine has nothing to do with the question."""

# Function words stand in most turns: they cost time and tell nothing. Words that begin a question
# are among them; "not" and "no" change a meaning but do not find it.
STOP_WORDS = frozenset(
    # As text, for a list of these would fill a page.
    """a about after again all also am an and any are as at be because been before being but by can
    could d did do does doing don for from had has have having he her here hers him his how i if in
    into is it its just ll m me more most my no nor not now of off on once only or other our out
    over own re s same she should so some such t than that the their them then there these they
    this those through to too under until up ve very was we were what when where which while who
    whom whose why will with would you your yours yes ok okay oh yeah""".split()  # noqa: SIM905 - see above
)


def window_meaning(cosines: Sequence[float | None]) -> float | None:
    """Pool the cosines of the windows that hold a message, its own first; None if none is known."""
    known = [
        (share, cosine)
        for share, cosine in zip(WINDOW_SHARES, cosines, strict=False)
        if cosine is not None
    ]
    if not known:
        return None
    return sum(share * cosine for share, cosine in known) / sum(share for share, _ in known)


def fused_score(meaning: float, words: float, best_words: float) -> float:
    """Join both signals; *best_words* is the highest of this query, *words* this message's."""
    return meaning + WORDS_WEIGHT * words / (best_words + WORDS_SURE)
