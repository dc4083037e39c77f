"""Every weight and threshold of skill search, with its reason, and the sum of both signals.

The score of a skill for a query is ``meaning + WORDS_WEIGHT * words``:

- *meaning* is the cosine of the query with the skill's summary, raised by half of what its best
  other passage has over it. A long body has more passages and so more chances of a lucky match;
  halving the gain keeps such skills in place, and a skill without a body loses nothing.
- *words* is bm25 over all fields, on its own open scale: a rare word such as ``kubectl`` that names
  the right skill may outweigh meaning, a common one cannot. Fusing by rank would forget how sure
  each side is; measured on two labelled sets, that lost to the better side alone.
"""

from __future__ import annotations

PASSAGE_SHARE = 0.5
"""Share of the best passage's lead over the summary that counts."""

WORDS_WEIGHT = 1 / 30
"""One bm25 point against one cosine: 15 points, a good lexical match, weigh half a cosine."""

WORDS_MAX = 30.0
"""bm25 points that count at most: beyond, a query is a pasted text and every word matches."""

PASSAGES_SCANNED = 200
"""Passages taken from the index; some thirty to a hundred skills, three times what is asked for."""

PASSAGES_PER_HIT = 8
"""Passages taken for each skill that is asked for: the passages of a usual skill."""

WORD_HITS = 50
"""Skills taken from the lexical side."""

MEANING_MIN = 0.20
"""A skill below this cosine is unrelated, whatever words it shares with the query."""

BEST_MEANING_MIN = 0.28
"""If no skill reaches this cosine, the query is small talk, noise or about something else."""


def meaning_score(summary: float, best_passage: float | None) -> float:
    """Pool the cosines of one skill; *best_passage* is None if no passage came near the query."""
    if best_passage is None or best_passage <= summary:
        return summary
    return summary + PASSAGE_SHARE * (best_passage - summary)


def fused_score(meaning: float, bm25: float) -> float:
    """Join both signals; *bm25* is 0 for a skill without any word of the query."""
    return meaning + WORDS_WEIGHT * min(bm25, WORDS_MAX)
