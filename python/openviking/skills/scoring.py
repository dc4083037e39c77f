"""Every weight and threshold of skill search, with its reason, and the sum of both signals.

The score of a skill for a query is ``meaning + WORDS_WEIGHT * bm25``:

- *meaning* is the cosine of the query with the skill's summary; if another passage of the skill is
  nearer, half of its lead is added. A long body has more passages and so more chances of a lucky
  match; a share keeps such skills in place, and a skill without a body loses nothing. For a request
  of several sentences it is the mean of what the whole gets and of what its best part gets.
- *bm25* is that of the words, weighed as everywhere: see retrieval/fusion.py. For a request of
  several sentences a share of what its best part gets is added.

``openviking eval`` measures this sum beside words and vectors alone. It is flat about these values:
a third more or less of one of them moves nDCG@10 by less than 0.01 on every set that was tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.vectors.postings import pool_words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PASSAGE_SHARE = 0.5
"""Share of the best passage's lead over the summary that counts."""

PART_SHARE = 0.5
"""Share of a request's meaning that its best part decides, if it has parts."""

PART_WORDS_SHARE = 0.2
"""Share of the bm25 of a request's best part that is added to that of the whole: a skill for one of
several tasks has its words in one sentence, chance scatters them over all. Of the whole nothing is
taken away, for in a request with one aim all its sentences speak for the same skill."""

NEAR_SKILLS = 20
"""Skills whose place by meaning alone is told: nine of ten hits have one. Five would spare a search
0.1 to 0.35 ms, and tell it of every second hit."""

FAMILY_SKILLS = 50
"""Best skills among which a relative counts as found by itself."""

KNOWN_SEARCHES_MAX = 512
"""Answers kept until a skill changes, for a question that is asked again."""

KNOWN_HITS_MAX = 20
"""Answers with more hits are not kept: with this many they take some 8 MB together."""

SCORE_MIN = 0.10
"""A skill with a lower score is unrelated: a cosine of 0.1, or a common word or two, is chance."""

UNKNOWN_MEANING = 0.25
"""Taken for a skill that matched by words while its vectors are being made anew."""

RESEMBLANCE_SHARE = 0.75
"""Share of a query's likeness to small talk and the like that counts against it."""

FIT_MIN = -0.14
"""Evidence from which a query is about the skills: one real request in two hundred is below."""

WORDS_EVIDENCE_MAX = 25.0
"""bm25 points of the best skill that are counted when fitness is judged: a sentence whose rare
words all occur. The longer a tale, the more words of it stand somewhere by chance."""


def meaning_score(summary: float, best_passage: float) -> float:
    """Pool the cosines of a skill, as the index does."""
    return summary + PASSAGE_SHARE * max(0.0, best_passage - summary)


def pool_request(
    sums: NDArray[np.float64], rows: NDArray[np.int64], base: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Pool the words of a request and of its parts.

    Words that tell nothing are looked up only if there are no others, as in some part there may not
    be: no part has more of a skill's words than the whole.

    Args:
        sums: (t, n) bm25 of the whole, then of its parts.
        rows: (g,) place of each group in these; -1 for one without words.
        base: (g,) what stands in for the meaning of each group.

    Returns:
        bm25 of the whole, bm25 pooled, and *base* fused with that; each (g,).
    """
    return pool_words(sums, rows, base, part_share=PART_WORDS_SHARE, weight=WORDS_WEIGHT)


def fit_evidence(best: float, best_words: float, usual_best: float, resemblance: float) -> float:
    """Return how much speaks for a query being about the skills at all; from ``FIT_MIN`` it is.

    The evidence is what the best skill has over what this collection gives to anybody, less a share
    of the query's likeness to what is no task. Meaning and words are those of one skill: that one
    is near and another has a word tells nothing. Because the collection itself sets the bar, one
    threshold serves 12 skills and 3,000: where skills have long bodies, some passage is a little
    like anything, and real requests find more in them too.

    Args:
        best: meaning of the skill with the highest score.
        best_words: its bm25.
        usual_best: highest cosine that a passage here gives to a sentence that is no task, on
            average.
        resemblance: cosine of the query and the sentences of that kind which are most like it.
    """
    words = WORDS_WEIGHT * min(best_words, WORDS_EVIDENCE_MAX)
    return best + words - usual_best - RESEMBLANCE_SHARE * resemblance
