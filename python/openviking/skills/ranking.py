"""From passages and words to skills: pooled, fused, judged, put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.skills import scoring
from openviking.skills.search import SkillHit, Why

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.skills.background import Background
    from openviking.skills.catalog import PassageHit, Snapshot
    from openviking.store.lexicon import WordMatches
    from openviking.types import Vectors

_FAMILY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a query before skills are compared.

    Attributes:
        vector: (1, dim) float32, unit length.
        passages: skill id -> its passage nearest to the query.
        words: lexical hits, the skills of *passages* among them.
    """

    vector: Vectors
    passages: Mapping[str, PassageHit]
    words: WordMatches


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of one query with their signals; hits are made for those that are shown.

    Attributes:
        snapshot: the skills.
        order: ids of the candidates, best first, ties by id.
        is_fit: whether the query is about the skills at all.
        scores: fused score of every candidate.
        meanings: pooled cosine of every candidate.
        semantic_ranks: place by meaning, from 1, of those near in meaning.
        evidence: what the scores were made from.
    """

    snapshot: Snapshot
    order: Sequence[str]
    is_fit: bool
    scores: Mapping[str, float]
    meanings: Mapping[str, float]
    semantic_ranks: Mapping[str, int]
    evidence: Evidence

    def best(self, k: int) -> list[SkillHit]:
        """Return the first *k* skills; none if none fits."""
        return [self._hit(skill_id) for skill_id in self.order[:k]] if self.is_fit else []

    def families(self, k: int) -> list[SkillHit]:
        """Return *k* skills with each hit's family together: the hit, its parent, its sub-skills.

        Relatives that fit by themselves keep their score and reasons; others come along with half
        the score of the hit that brought them. Families stand in the order of their best hit.
        """
        if not self.is_fit:
            return []
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
        near = self.evidence.passages.get(skill_id)
        match = self.evidence.words.of(skill_id)
        why = Why(
            meaning=self.meanings[skill_id],
            words=0.0 if match is None else match.score,
            semantic_rank=self.semantic_ranks.get(skill_id),
            lexical_rank=None if match is None else match.rank,
            fields=() if match is None else match.fields,
            terms=() if match is None else match.terms,
            passage=None if near is None else entry.places[near.position],
        )
        return SkillHit(entry.skill, self.scores[skill_id], why)


def rank_skills(snapshot: Snapshot, evidence: Evidence, background: Background) -> Ranking:
    """Fuse both sides, and judge whether the query is about the skills at all."""
    query, passages, words = evidence.vector, evidence.passages, evidence.words
    # A skill that was written or deleted since the snapshot was taken is passed over.
    matched = {i: score for i, score in words.scores.items() if i in snapshot.entries}
    ids = [*passages, *(skill_id for skill_id in matched if skill_id not in passages)]
    meanings = dict(zip(ids, _meanings(snapshot, ids, query, passages), strict=True))
    top = [words.scores[skill_id] for skill_id in words.ids[: scoring.STANDOUT_HITS + 1]]
    best_words, weight = (top[0] if top else 0.0), scoring.words_weight(top)
    scores = {
        skill_id: scoring.fused_score(meaning, matched.get(skill_id, 0.0), best_words, weight)
        for skill_id, meaning in meanings.items()
    }
    near = sorted(passages, key=lambda skill_id: (-meanings[skill_id], skill_id))
    fitting = [skill_id for skill_id in ids if meanings[skill_id] >= scoring.MEANING_MIN]
    is_fit = bool(fitting) and scoring.fits(
        max(meanings.values()),
        best_words,
        snapshot.usual_best(background),
        background.resemblance(query),
    )
    return Ranking(
        snapshot=snapshot,
        order=sorted(fitting, key=lambda skill_id: (-scores[skill_id], skill_id)),
        is_fit=is_fit,
        scores=scores,
        meanings=meanings,
        semantic_ranks={skill_id: rank for rank, skill_id in enumerate(near, 1)},
        evidence=evidence,
    )


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
