"""Every weight and threshold of skill search, with its reason, and the sum of both signals.

The score of a skill for a query is ``meaning + words_weight * (bm25 - chance)``:

- *meaning* is the cosine of the query with the skill's summary; if another passage of the skill is
  nearer, half of its lead is added. A long body has more passages and so more chances of a lucky
  match; a share keeps such skills in place, and a skill without a body loses nothing. For a request
  of several sentences it is the mean of what the whole gets and of what its best part gets.
- *bm25* is that of the words, see retrieval/fusion.py. For a request of several sentences a share
  of what its best part gets is added. What one point counts depends on how much of the skills the
  words see and on how many words the request has: see ``words_weight``.
- *chance* is what a skill of its length gets from a long request by chance: see ``chance_share``.

``openviking eval`` measures this sum beside words and vectors alone. It is flat about these values:
a third more or less of one of them moves nDCG@10 by 0.01 or less on most sets that were tried, by
0.02 on the worst.
"""

from __future__ import annotations

from openviking.retrieval.fusion import WORDS_WEIGHT

PASSAGE_SHARE = 0.5
"""Share of the best passage's lead over the summary that counts."""

PART_SHARE = 0.5
"""Share of a request's meaning that its best part decides, if it has parts."""

PART_WORDS_SHARE = 0.2
"""Share of the bm25 of a request's best part that is added to that of the whole: a skill for one of
several tasks has its words in one sentence, chance scatters them over all. Of the whole nothing is
taken away, for in a request with one aim all its sentences speak for the same skill. Nor does a
part get more than the whole: words that tell nothing are looked up in a part that has no others,
and the whole has others."""

SHORT_TEXT_WORDS = 16
"""Different words of a name and a line of description, for which WORDS_WEIGHT was measured."""

SEEN_POWER = 1 / 3
"""How the weight of words grows with the words of a skill: of 270, as whole files have, one point
counts 2.6 times as much as of 16. With 2,874 bodies cut to 0, 40, 120, 350 or 1,000 words the best
weight for 140 short requests was 0.006 to 0.009, 0.013, 0.009, 0.02 and 0.02 to 0.03."""

REQUEST_WORDS = 10
"""Words that tell something in a request of one sentence; up to these, one point counts in full."""

REQUEST_POWER = 1 / 2
"""How the weight falls with more words than these: of 60, one point counts two fifths."""

NEAR_SKILLS = 10
"""Nearest skills whose ranks by meaning are exact; those of others are estimates, which are within
a tenth for most. Twenty would take the index 1.2 to 1.4 times as long."""

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


def chance_share(request_words: int) -> float:
    """Return the share of a collection's mean bm25 that is taken for chance, for one request.

    A long request tells of a job, and its many words stand a little everywhere. What the mean skill
    gets from it is hardly more than chance, and the more words a skill has, the more of that: in
    proportion to its different words it is taken off. The slope of a field's length in bags.py was
    set for words that a request hinges on; of a few words nothing is taken. The share follows how
    much of a request's words is repetition, so there is no constant of its own.
    """
    return 1.0 - 1.0 / _repetition(request_words)


def _repetition(request_words: int) -> float:
    """Return how many times the words of a request say the same: 1 for few."""
    repetition: float = max(1.0, request_words / REQUEST_WORDS) ** REQUEST_POWER
    return repetition


def words_weight(words_per_skill: float, request_words: int) -> float:
    """Return what one bm25 point adds to a cosine, for one request and one collection.

    A word that is missing in a line of description tells little, for the author may have said it in
    another way; one that is missing in a whole file tells much. So words deserve the more weight,
    the more of the skills they see. And the words of a long request repeat each other: bm25 adds
    them up as if each one were news, and their sum must be tempered.

    Args:
        words_per_skill: different words that a skill of this collection has on average.
        request_words: words of the request that tell something.
    """
    seen: float = max(1.0, words_per_skill / SHORT_TEXT_WORDS) ** SEEN_POWER
    return WORDS_WEIGHT * seen / _repetition(request_words)


def fit_evidence(best: float, best_words: float, usual_best: float, resemblance: float) -> float:
    """Return how much speaks for a query being about the skills at all; from ``FIT_MIN`` it is.

    The evidence is what the best skill has over what this collection gives to anybody, less a share
    of the query's likeness to what is no task. Meaning and words are those of one skill: that one
    is near and another has a word tells nothing. Because the collection itself sets the bar, one
    threshold serves 12 skills and 3,000: where skills have long bodies, some passage is a little
    like anything, and real requests find more in them too. Words count with ``WORDS_WEIGHT`` here,
    whatever the request: the bar was set so.

    Args:
        best: meaning of the skill with the highest score.
        best_words: its bm25.
        usual_best: highest cosine that a passage here gives to a sentence that is no task, on
            average.
        resemblance: cosine of the query and the sentences of that kind which are most like it.
    """
    words = WORDS_WEIGHT * min(best_words, WORDS_EVIDENCE_MAX)
    return best + words - usual_best - RESEMBLANCE_SHARE * resemblance
