"""Why a search answered as it did: every number of every sum, and what was held back.

Costs some milliseconds, for it reads passages from the store; a plain search does without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.errors import NotFoundError
from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.skills import scoring
from openviking.skills.explanation import Explanation, Fitness, PartMeaning, Reasons
from openviking.skills.passages import summary_text
from openviking.skills.ranking import words_by_group
from openviking.skills.snapshot import POSITIONS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.retrieval.background import Background
    from openviking.skills.catalog import Catalog
    from openviking.skills.ranking import Evidence, Ranking
    from openviking.skills.search import SkillHit
    from openviking.skills.snapshot import Entry
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
    store: Store,
    catalog: Catalog,
    background: Background,
) -> Explanation:
    """Explain a finished search.

    Args:
        ranking: of the query.
        hits: what was returned; relatives that came along have no reasons of their own.
        texts: the whole query, then its parts.
        store: has the passages' texts.
        catalog: has their vectors.
        background: what the query was compared with.
    """
    shown = [hit.skill.id for hit in hits if hit.why.relation is None]
    nearest = ranking.found.by_score
    near = [] if ranking.is_fit else ranking.ids(nearest[:HELD_BACK_SHOWN])
    places = dict(zip(ranking.ids(nearest), nearest, strict=True))

    def reasons(skill_id: str) -> Reasons:
        return _reasons(ranking, skill_id, places[skill_id], texts, store, catalog)

    return Explanation(
        fitness=_fitness(ranking, background),
        words=ranking.evidence.matches.looked_up,
        hits=tuple(map(reasons, shown)),
        held_back=tuple(map(reasons, near)),
    )


def _fitness(ranking: Ranking, background: Background) -> Fitness:
    best, best_words = ranking.best_meaning, ranking.best_words
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


def _reasons(
    ranking: Ranking,
    skill_id: str,
    place: int,
    texts: Sequence[str],
    store: Store,
    catalog: Catalog,
) -> Reasons:
    found = ranking.found
    score, meaning = found.scores[place], found.meanings[place]
    words = words_by_group(ranking.evidence.matches, ranking.rows)(found.groups[place])
    entry = ranking.snapshot.entries[skill_id]
    match = ranking.evidence.matches.of(skill_id)
    parts = _part_meanings(ranking, entry, texts, catalog)
    words_share = _words_share(ranking, entry, words)
    return Reasons(
        id=skill_id,
        score=score,
        sum="; ".join(
            (
                f"score {score:.3f} = meaning {meaning:.3f} + {words_share}",
                *_meaning_sums(meaning, parts),
                *_words_sum(ranking.evidence, skill_id, words),
            )
        ),
        meaning=meaning,
        parts=parts,
        words=words,
        terms=() if match is None else match.terms,
        fields=() if match is None else match.fields,
        passage=_passage_text(entry, found.rows[place], store),
    )


def _words_share(ranking: Ranking, entry: Entry, words: float) -> str:
    """Write what the words of a skill give to its score."""
    share = f"{ranking.words_weight:.4f} x bm25 {words:.2f}"
    if not ranking.chance:
        return share
    size = int(ranking.scope.word_counts(ranking.evidence.matches)[entry.group])
    return f"{share} - {ranking.chance * size:.3f} by chance for its {size} words"


def _part_meanings(
    ranking: Ranking, entry: Entry, texts: Sequence[str], catalog: Catalog
) -> tuple[PartMeaning, ...]:
    vectors = catalog.vectors(entry)
    if vectors is None or not len(vectors):
        unknown = scoring.UNKNOWN_MEANING
        return tuple(PartMeaning(text, unknown, None, unknown) for text in texts)
    found: list[PartMeaning] = []
    for text, query in zip(texts, ranking.evidence.vectors, strict=True):
        cosines = vectors @ query
        summary, passage = float(cosines[0]), float(cosines.max())
        pooled = scoring.meaning_score(summary, passage)
        found.append(PartMeaning(text, summary, passage, pooled))
    return tuple(found)


def _meaning_sums(meaning: float, parts: Sequence[PartMeaning]) -> list[str]:
    """Write how a meaning came about, from the cosines on."""
    lines = []
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
    return lines


def _words_sum(evidence: Evidence, skill_id: str, words: float) -> tuple[str, ...]:
    """Write how the bm25 of a request came about, if one of its parts has any share in it."""
    matches = evidence.matches
    whole, *parts = matches.sums[matches.row_of.get(skill_id, -1)].tolist()
    if not any(parts):
        return ()
    at = parts.index(max(parts))
    best = f"{scoring.PART_WORDS_SHARE} x part {at + 1} {min(parts[at], whole):.2f}"
    return (f"bm25 {words:.2f} = whole {whole:.2f} + {best}",)


def _passage_text(entry: Entry, row: int, store: Store) -> str:
    if row < 0:
        return ""
    position = row & POSITIONS
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
