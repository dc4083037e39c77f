"""From passages and words to skills: pooled, fused, judged, put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.skills import scoring
from openviking.skills.catalog import in_category
from openviking.skills.search import SkillHit, Why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.skills.catalog import PassageHit, Snapshot
    from openviking.types import Vectors, WordMatch

_FAMILY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of one query with their signals; hits are made for those that are shown.

    Attributes:
        snapshot: the skills.
        order: ids of the skills that fit, best first, ties by id.
        scores: fused score of every candidate.
        meanings: pooled cosine of every candidate.
        semantic_ranks: place by meaning, from 1, of those near in meaning.
        passages: best passage of those near in meaning.
        words: place by words, from 1, and the match.
    """

    snapshot: Snapshot
    order: Sequence[str]
    scores: Mapping[str, float]
    meanings: Mapping[str, float]
    semantic_ranks: Mapping[str, int]
    passages: Mapping[str, PassageHit]
    words: Mapping[str, tuple[int, WordMatch]]

    def best(self, k: int) -> list[SkillHit]:
        """Return the first *k* skills."""
        return [self._hit(skill_id) for skill_id in self.order[:k]]

    def families(self, k: int) -> list[SkillHit]:
        """Return *k* skills with each hit's family together: the hit, its parent, its sub-skills.

        Relatives that fit by themselves keep their score and reasons; others come along with half
        the score of the hit that brought them. Families stand in the order of their best hit.
        """
        fitting = frozenset(self.order)
        hits: dict[str, SkillHit] = {}
        for skill_id in self.order:
            if len(hits) >= k:
                break
            if skill_id not in hits:
                hits[skill_id] = self._hit(skill_id)
            for relative, relation in self._relatives(skill_id):
                if relative in hits:
                    continue
                if relative in fitting:
                    hits[relative] = self._hit(relative)
                else:
                    skill = self.snapshot.entries[relative].skill
                    why = Why(0.0, 0.0, None, None, relation=relation)
                    hits[relative] = SkillHit(skill, self.scores[skill_id] * _FAMILY_SHARE, why)
        return list(hits.values())[:k]

    def _relatives(self, skill_id: str) -> list[tuple[str, str]]:
        parent = self.snapshot.entries[skill_id].skill.parent_skill
        found = [] if parent is None else [(parent, f"parent of {skill_id}")]
        children = self.snapshot.children.get(skill_id, ())
        found += [(child, f"sub-skill of {skill_id}") for child in children]
        return [
            (relative, relation)
            for relative, relation in found
            if (entry := self.snapshot.entries.get(relative)) is not None
            and not entry.skill.disable_model_invocation
        ]

    def _hit(self, skill_id: str) -> SkillHit:
        entry = self.snapshot.entries[skill_id]
        near = self.passages.get(skill_id)
        lexical_rank, match = self.words.get(skill_id, (None, None))
        why = Why(
            meaning=self.meanings[skill_id],
            words=0.0 if match is None else match.score,
            semantic_rank=self.semantic_ranks.get(skill_id),
            lexical_rank=lexical_rank,
            fields=() if match is None else match.fields,
            terms=() if match is None else match.terms,
            passage=None if near is None else entry.places[near.position],
        )
        return SkillHit(entry.skill, self.scores[skill_id], why)


def rank_skills(
    snapshot: Snapshot,
    query: Vectors,
    passages: Mapping[str, PassageHit],
    words: Sequence[WordMatch],
    category: str | None,
) -> Ranking:
    """Fuse both sides; the order holds only skills that fit, and none if nothing fits.

    Args:
        snapshot: the skills.
        query: (1, dim) float32, unit length.
        passages: skill id -> its passage nearest to the query.
        words: lexical hits, best first.
        category: only skills of this category; the passages have been filtered already.
    """
    matched = _visible(snapshot, words, category)
    ids = [*passages, *(skill_id for skill_id in matched if skill_id not in passages)]
    best_words = max((match.score for _, match in matched.values()), default=0.0)
    meanings = dict(zip(ids, _meanings(snapshot, ids, query, passages), strict=True))
    scores = {
        skill_id: scoring.fused_score(
            meaning, matched[skill_id][1].score if skill_id in matched else 0.0, best_words
        )
        for skill_id, meaning in meanings.items()
    }
    near = sorted(passages, key=lambda skill_id: (-meanings[skill_id], skill_id))
    order: list[str] = []
    if ids and _is_fit(snapshot, query, max(meanings.values()), best_words):
        fitting = [skill_id for skill_id in ids if meanings[skill_id] >= scoring.MEANING_MIN]
        order = sorted(fitting, key=lambda skill_id: (-scores[skill_id], skill_id))
    ranks = {skill_id: rank for rank, skill_id in enumerate(near, 1)}
    return Ranking(snapshot, order, scores, meanings, ranks, passages, matched)


def _is_fit(snapshot: Snapshot, query: Vectors, best: float, best_words: float) -> bool:
    summaries = snapshot.summaries()
    cosine_sum = float(summaries.total @ query[0]) if summaries.ids else 0.0
    return scoring.fits(best, best_words, cosine_sum, len(summaries.ids))


def _visible(
    snapshot: Snapshot, words: Sequence[WordMatch], category: str | None
) -> dict[str, tuple[int, WordMatch]]:
    """Return the lexical hits that may be shown, with their places from 1."""
    kept: dict[str, tuple[int, WordMatch]] = {}
    for match in words:
        entry = snapshot.entries.get(match.id)
        if entry is None or entry.skill.disable_model_invocation:
            continue
        if category is None or in_category(entry.skill, category):
            kept[match.id] = (len(kept) + 1, match)
    return kept


def _meanings(
    snapshot: Snapshot, ids: Sequence[str], query: Vectors, passages: Mapping[str, PassageHit]
) -> list[float]:
    summaries = snapshot.summaries()
    known = [row for skill_id in ids if (row := summaries.row_of.get(skill_id)) is not None]
    # einsum adds up each row by itself: equal rows get equal sums, which a BLAS does not promise.
    cosines = iter(np.einsum("ij,j->i", summaries.rows[known], query[0]).tolist() if known else ())
    return [
        scoring.meaning_score(
            next(cosines) if skill_id in summaries.row_of else scoring.UNKNOWN_MEANING,
            hit.cosine if (hit := passages.get(skill_id)) is not None else None,
        )
        for skill_id in ids
    ]
