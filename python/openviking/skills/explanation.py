"""What an explained search says beside its hits."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fitness:
    """Whether the query is about the skills at all, as a sum.

    Attributes:
        is_fit: whether ``evidence`` reaches ``threshold``.
        evidence: best + share of best_words - usual_best - share of resemblance.
        threshold: from which a query is answered.
        best: meaning of the skill with the highest score.
        usual_best: highest cosine that a passage here gives to small talk and the like, on average.
        resemblance: cosine of the query and the sentences of small talk most like it.
        best_words: bm25 of the skill with the highest score.
        sum: the same, spelled out.
    """

    is_fit: bool
    evidence: float
    threshold: float
    best: float
    usual_best: float
    resemblance: float
    best_words: float
    sum: str


@dataclass(frozen=True, slots=True)
class PartMeaning:
    """What one skill gets from the whole query or from a part of it.

    Attributes:
        text: of the whole query, or of the part.
        summary: cosine with the skill's name and description.
        passage: cosine with its nearest passage, the summary included; None without vectors.
        meaning: both pooled.
    """

    text: str
    summary: float
    passage: float | None
    meaning: float


@dataclass(frozen=True, slots=True)
class Reasons:
    """All signals of one skill for one query.

    Attributes:
        id: of the skill.
        score: what it is ranked by.
        sum: how that came about, spelled out.
        meaning: pooled cosine.
        parts: what the whole query gets, then each of its parts.
        words: pooled bm25 of the whole query and of its parts.
        terms: words that matched.
        fields: where they matched.
        passage: beginning of the nearest passage, '' without vectors.
    """

    id: str
    score: float
    sum: str
    meaning: float
    parts: tuple[PartMeaning, ...]
    words: float
    terms: tuple[str, ...]
    fields: tuple[str, ...]
    passage: str


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a search answered as it did.

    Attributes:
        fitness: whether the query was answered at all.
        words: word of the query -> skills that have it; words that tell nothing are left out.
        hits: reasons of the skills that were returned, in order.
        held_back: reasons of the nearest skills, if the query was turned away.
    """

    fitness: Fitness
    words: dict[str, int]
    hits: tuple[Reasons, ...]
    held_back: tuple[Reasons, ...]
