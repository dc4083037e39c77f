"""Every weight and threshold of skill search, with its reason, and the sum of both signals.

The score of a skill for a query is ``meaning + weight * bm25 / (best + WORDS_SURE)``:

- *meaning* is the cosine of the query with the skill's summary, raised by a share of what its best
  other passage has over it. A long body has more passages and so more chances of a lucky match;
  a share below one keeps such skills in place, and a skill without a body loses nothing.
- *bm25* is taken in proportion to the *best* bm25 of this query, because its scale moves with the
  length of the query and the size of the store; the constant in the divisor lets a query whose best
  match is weak count less. Fusing by rank would forget how sure each side is.
- *weight* grows with how far the best match stands out from the next ones: a word that names one
  skill decides more than words that many skills share.

``openviking eval`` measures this sum beside words and vectors alone. It is flat about these values:
halving or doubling one of them moves nDCG@10 by less than 0.01 on every set that was tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

PASSAGE_SHARE = 0.7
"""Share of the best passage's lead over the summary that counts."""

WORDS_WEIGHT = 0.15
"""What a best lexical match that does not stand out adds to a cosine at most."""

WORDS_STANDOUT = 0.12
"""What it adds more if no other skill has any of the words."""

STANDOUT_HITS = 9
"""Next matches with which the best one is compared."""

WORDS_SURE = 10.0
"""bm25 points at which a best match counts half: a few common words stay below, a name is above."""

PASSAGES_SCANNED = 120
"""Passages taken from the index: some forty skills, four times what is usually asked for."""

PASSAGES_PER_HIT = 8
"""Passages taken for each skill that is asked for: the passages of a usual skill."""

WORD_HITS = 50
"""Skills taken from the lexical side."""

KNOWN_SEARCHES_MAX = 512
"""Answers kept until a skill changes, for a question that is asked again."""

KNOWN_HITS_MAX = 20
"""Answers with more hits are not kept: with this many they take some 8 MB together."""

MEANING_MIN = 0.10
"""A skill below this cosine is unrelated, whatever words it shares with the query."""

UNKNOWN_MEANING = 0.25
"""Taken for a skill that matched by words while its vectors are being made anew."""

RESEMBLANCE_SHARE = 0.5
"""Share of a query's likeness to small talk and the like that counts against it."""

FIT_MIN = -0.09
"""Evidence from which a query is about the skills: about one real request in sixty is below."""

WORDS_EVIDENCE = 0.006
"""What one bm25 point of the best lexical match adds to the cosine when fitness is judged."""

WORDS_EVIDENCE_MAX = 25.0
"""bm25 points that are counted for that: a sentence whose rare words all occur."""


def meaning_score(
    summary: NDArray[np.float64], best_passage: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Pool the cosines of each skill; *best_passage* is -1 if no passage came near the query."""
    lead = summary + PASSAGE_SHARE * (best_passage - summary)
    return np.where(best_passage > summary, lead, summary)


def words_weight(scores: Sequence[float]) -> float:
    """Return the weight of words for a query, from the bm25 of its best matches, best first."""
    if not scores:
        return WORDS_WEIGHT
    others = scores[1 : 1 + STANDOUT_HITS]
    standout = 1.0 - sum(others) / (STANDOUT_HITS * scores[0])
    return WORDS_WEIGHT + WORDS_STANDOUT * standout


def fused_score(
    meaning: NDArray[np.float64], bm25: NDArray[np.float64], best: float, weight: float
) -> NDArray[np.float64]:
    """Join both signals of each skill; *best* is the query's highest bm25, 0 stands for no word."""
    return meaning + weight * bm25 / (best + WORDS_SURE)


def fits(best: float, best_words: float, usual_best: float, resemblance: float) -> bool:
    """Whether the best skill stands out enough for the query to be about the skills at all.

    The evidence is what the best skill has over what this collection gives to anybody, less a share
    of the query's likeness to what is no task, plus its rare words. Because the collection itself
    sets the bar, one threshold serves 60 skills and 3,000.

    Args:
        best: highest meaning of any skill.
        best_words: highest bm25 of any skill.
        usual_best: highest meaning that a sentence that is no task gets on average.
        resemblance: highest cosine of the query and such a sentence.
    """
    words = WORDS_EVIDENCE * min(best_words, WORDS_EVIDENCE_MAX)
    return best - usual_best - RESEMBLANCE_SHARE * resemblance + words >= FIT_MIN
