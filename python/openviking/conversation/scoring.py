"""Every weight and threshold of the archive search, and the sum that joins the signals.

The score of a message is its *meaning* (pooled cosine of the windows that hold it) plus its *words*
(bm25 in proportion to the best of the query) plus a little for how much it *says*: two turns of one
scene share most of their windows, and of a question and its answer the answer is what is looked
for. Measured on ten dialogues of 600 messages with a hundred questions (benches/dialogues, recall@5
of the one message that holds the answer, int8 build): words alone 0.49, windows alone 0.78, meaning
and words 0.77, all three 0.90. Without words it would be 0.93 here, for half of these questions
share no word with their answer; where questions quote more, words are the stronger side, so they
keep a moderate weight. The talk between the scenes is short, which flatters the last step.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOWS_SCANNED = 60
"""Windows taken from the index."""

WORD_HITS = 60
"""Messages taken from the lexical side."""

WINDOW_SHARES = (0.5, 0.3, 0.2)
"""What the windows that end 0, 1 and 2 turns behind a message count for its meaning."""

PREVIOUS_WORDS = 0.3
"""Share of the bm25 of the turn before that counts for a message: an answer often lacks the words
of the question before it."""

WORDS_WEIGHT = 0.15
"""What the best lexical match adds to a cosine when its words are as rare as words can be."""

WORDS_SURE = 8.0
"""bm25 points at which a best match counts half."""

SAID_WEIGHT = 0.08
"""What a message of many telling words has over an empty one ("Tell me!")."""

SAID_WORDS = 6
"""Telling words beyond which more do not matter."""

ASKED_PENALTY = 0.04
"""What a message loses that is itself a question."""

RERANKED = 40
"""Messages whose text is looked at before the last sorting; what they say moves a score by at most
0.12, and these are the best by meaning and words."""

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


_WORD = re.compile(r"\w+")


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


def said_score(content: str) -> float:
    """Return what a message gains by what it says."""
    # The beginning of a long text is enough to reach the most that counts.
    words = set(_WORD.findall(content[:400].lower())) - STOP_WORDS
    gain = SAID_WEIGHT * min(len(words), SAID_WORDS) / SAID_WORDS
    return gain - ASKED_PENALTY if content.rstrip().endswith("?") else gain


def fused_score(meaning: float, words: float, best_words: float) -> float:
    """Join both signals; *best_words* is the highest of this query, *words* this message's."""
    return meaning + WORDS_WEIGHT * words / (best_words + WORDS_SURE)
