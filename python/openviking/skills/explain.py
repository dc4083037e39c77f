"""Why a search answered as it did: every number of every sum, and what was held back.

Costs some milliseconds, for it reads passages from the store; a plain search does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import NotFoundError
from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.skills import scoring
from openviking.skills.explanation import Explanation, Fitness, PartMeaning, Reasons
from openviking.skills.passages import summary_text
from openviking.skills.ranking import best_signals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.retrieval.background import Background
    from openviking.skills.ranking import Evidence, Ranking
    from openviking.skills.search import SkillHit
    from openviking.store.port import Store

PASSAGE_CHARS_SHOWN = 600
"""Characters of a passage that an explanation quotes."""

HELD_BACK_SHOWN = 5
"""Nearest skills that are named when a query is turned away."""

_LEAD_SHOWN_MIN = 5e-4
"""A smaller lead of a passage over the summary is no digit of what is printed."""


def explain_ranking(
    ranking: Ranking,
    hits: Sequence[SkillHit],
    texts: Sequence[str],
    *,
    store: Store,
    background: Background,
) -> Explanation:
    """Explain a finished search.

    Args:
        ranking: of the query.
        hits: what was returned; relatives that came along have no reasons of their own.
        texts: the whole query, then its parts.
        store: has the passages' texts.
        background: what the query was compared with.
    """
    shown = [hit.skill.id for hit in hits if hit.why.relation is None]
    near = [] if ranking.is_fit else list(ranking.nearest_ids(HELD_BACK_SHOWN))
    matches = ranking.evidence.words
    return Explanation(
        fitness=_fitness(ranking, background),
        words=matches.looked_up,
        hits=tuple(_reasons(ranking, skill_id, texts, store) for skill_id in shown),
        held_back=tuple(_reasons(ranking, skill_id, texts, store) for skill_id in near),
    )


def _fitness(ranking: Ranking, background: Background) -> Fitness:
    best, best_words = best_signals(ranking.meanings, ranking.words, ranking.scores)
    usual = ranking.snapshot.usual_best(background)
    like = background.resemblance(ranking.evidence.vectors[0])
    counted = min(best_words, scoring.WORDS_EVIDENCE_MAX)
    relation = ">=" if ranking.fitness >= scoring.FIT_MIN else "<"
    return Fitness(
        is_fit=ranking.is_fit,
        evidence=ranking.fitness,
        threshold=scoring.FIT_MIN,
        best=best,
        usual_best=usual,
        resemblance=like,
        best_words=best_words,
        sum=(
            f"{ranking.fitness:.3f} = best skill's meaning {best:.3f} + "
            f"{WORDS_WEIGHT} x its bm25 {counted:.2f} - usual best {usual:.3f} - "
            f"{scoring.RESEMBLANCE_SHARE} x likeness to small talk {like:.3f}; "
            f"{relation} {scoring.FIT_MIN}"
        ),
    )


def _reasons(ranking: Ranking, skill_id: str, texts: Sequence[str], store: Store) -> Reasons:
    number = ranking.snapshot.numbers()[skill_id]
    at = int(ranking.candidates.searchsorted(number))
    meaning, words = float(ranking.meanings[at]), float(ranking.words[at])
    match = ranking.evidence.words.of(skill_id)
    parts = _part_meanings(ranking, number, texts)
    return Reasons(
        id=skill_id,
        score=float(ranking.scores[at]),
        sum="; ".join(
            (
                _sum(float(ranking.scores[at]), meaning, words, parts),
                *_words_sum(ranking.evidence, skill_id, words),
            )
        ),
        meaning=meaning,
        parts=parts,
        words=words,
        terms=() if match is None else match.terms,
        fields=() if match is None else match.fields,
        passage=_passage_text(ranking, number, store),
    )


def _part_meanings(ranking: Ranking, number: int, texts: Sequence[str]) -> tuple[PartMeaning, ...]:
    summaries = ranking.snapshot.summaries()
    row = int(summaries.row_at[number])
    found: list[PartMeaning] = []
    evidence = ranking.evidence
    for text, vector, nearest in zip(texts, evidence.vectors, evidence.nearest, strict=True):
        summary = scoring.UNKNOWN_MEANING
        if row >= 0:
            summary = float(np.einsum("ij,j->i", summaries.rows[row : row + 1], vector)[0])
        place = _place(nearest.numbers, number)
        passage = None if place is None else float(nearest.cosines[place])
        near = np.array([-1.0 if passage is None else passage])
        pooled = float(scoring.meaning_score(np.array([summary]), near)[0])
        found.append(PartMeaning(text, summary, passage, pooled))
    return tuple(found)


def _sum(score: float, meaning: float, words: float, parts: Sequence[PartMeaning]) -> str:
    """Write the sum of one score, from the cosines on."""
    lines = [f"score {score:.3f} = meaning {meaning:.3f} + {WORDS_WEIGHT} x bm25 {words:.2f}"]
    if len(parts) > 1:
        best = max(range(1, len(parts)), key=lambda at: parts[at].meaning)
        lines.append(
            f"meaning {meaning:.3f} = {1 - scoring.PART_SHARE} x whole {parts[0].meaning:.3f} + "
            f"{scoring.PART_SHARE} x part {best} {parts[best].meaning:.3f}"
        )
    for at, part in enumerate(parts):
        name = f"part {at}" if at else "whole"
        if part.passage is not None and part.passage - part.summary > _LEAD_SHOWN_MIN:
            lines.append(
                f"{name} {part.meaning:.3f} = summary {part.summary:.3f} + "
                f"{scoring.PASSAGE_SHARE} x (passage {part.passage:.3f} - summary)"
            )
        else:
            lines.append(f"{name} {part.meaning:.3f} = summary {part.summary:.3f}")
    return "; ".join(lines)


def _words_sum(evidence: Evidence, skill_id: str, words: float) -> tuple[str, ...]:
    """Write how the bm25 of a request came about, if one of its parts has any share in it."""
    parts = [float(matched.scores_of([skill_id])[0]) for matched in evidence.part_words]
    if not any(parts):
        return ()
    whole = float(evidence.words.scores_of([skill_id])[0])
    at = parts.index(max(parts))
    best = f"{scoring.PART_WORDS_SHARE} x part {at + 1} {min(parts[at], whole):.2f}"
    return (f"bm25 {words:.2f} = whole {whole:.2f} + {best}",)


def _passage_text(ranking: Ranking, number: int, store: Store) -> str:
    place = _place(ranking.near.numbers, number)
    if place is None:
        return ""
    entry = ranking.snapshot.entries[ranking.snapshot.ids[number]]
    position = int(ranking.near.positions[place])
    part, start, end = entry.places[position]
    if part == "summary":
        text = summary_text(entry.skill)
    elif part == "example":
        # Examples follow the summary in the order of the record.
        text = entry.skill.examples[position - 1]
    else:
        try:
            text = store.get_skill(entry.skill.id).body[start:end]
        except NotFoundError:
            # Deleted since the snapshot was taken.
            return ""
    return text[:PASSAGE_CHARS_SHOWN].strip()


def _place(numbers: NDArray[np.int64], number: int) -> int | None:
    at = int(numbers.searchsorted(number))
    return at if at < len(numbers) and numbers[at] == number else None
