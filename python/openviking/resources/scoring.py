"""Every threshold of the search of resources, with its reason.

Meaning is the cosine of the question and the nearest piece of a resource; words are bm25. They are
joined as everywhere (see retrieval/fusion.py). Whether a resource has anything to do with the
question is judged for each by itself, not for the collection: a store of memories holds the very
sentences ("my shoes are wet") that would be small talk to a collection of skills.
"""

from __future__ import annotations

PIECES_SCANNED = 120
"""Pieces taken from the index."""

PIECES_PER_HIT = 8
"""Pieces taken for each resource that is asked for."""

WORD_HITS = 50
"""Resources taken from the lexical side."""

WORD_HITS_FILTERED = 2000
"""Resources taken from the lexical side when a filter allows only some; if too few of these are
allowed, every allowed one is looked up, so that a filter stays exact."""

NEAR_MIN = 0.22
"""Cosine from which a resource has to do with the question. On benches/eval/requests (60 texts,
200 questions that one of them answers, 40 that none does) it leaves 88 % of the former a hit and
10 % of the latter. Adding bm25 separated the two worse: small talk shares words, too.

A resource must also be nearer to the question than small talk is (retrieval/background.py), or
"thanks, great" would find whatever somebody liked: of 50 such phrases, 42 % found one of 25
memories by the bar alone, 4 % with both. The questions that these memories answer lost nothing; of
the 200 above, 79 % instead of 80 % find the text that answers them among five."""

NEAR_WORDS_MIN = 18.0
"""bm25 from which words alone are enough: several rare ones; the 40 questions above, which nothing
answers, reach 16. The cosine must then only be NEAR_WORDS_MEANING_MIN. A resource that holds every
telling word of the question is near whatever its cosine: the words may stand where no piece is cut
any more."""

NEAR_WORDS_MEANING_MIN = 0.10
"""Cosine below which rare words in common mean something else."""

UNKNOWN_MEANING = 0.25
"""Taken for a resource whose vectors are still being made: found by its words, behind those that
are near in meaning too."""
