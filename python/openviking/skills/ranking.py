"""From vectors and words to skills: fused, judged, put in order, with the reasons of each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from openviking.retrieval.fusion import fused_score
from openviking.skills import scoring
from openviking.skills.search import SkillHit, Why
from openviking.skills.snapshot import POSITIONS, is_hidden
from openviking.vectors.postings import count_before

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.index import FoundGroups
    from openviking.retrieval.background import Background
    from openviking.skills.catalog import Catalog
    from openviking.skills.snapshot import Scope, Snapshot
    from openviking.store.matches import WordMatches
    from openviking.types import Vectors

_FAMILY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a query before skills are compared.

    Attributes:
        vectors: (q, dim) float32, unit length: of the whole query, then of its parts.
        matches: the words of the same.
    """

    vectors: Vectors
    matches: Sequence[WordMatches]


@dataclass(frozen=True, slots=True)
class Ranking:
    """The best skills for one query; hits are made for those that are shown.

    Attributes:
        evidence: what was compared.
        snapshot: the skills.
        scope: those that may be returned.
        bm25: (g,) float64 of each group and the whole query, 0 where no word matched.
        words: (g,) float64, pooled with the bm25 of the query's parts.
        found: the best by score and by meaning; the row of a skill without vectors is -1.
        order: places in ``found`` of the skills that are near enough, best first.
        best_meaning: of the skill with the highest score, -1 if there is none.
        best_words: its bm25.
        fitness: evidence that the query is about the skills at all.
    """

    evidence: Evidence
    snapshot: Snapshot
    scope: Scope
    bm25: NDArray[np.float64]
    words: NDArray[np.float64]
    found: FoundGroups
    order: Sequence[int]
    best_meaning: float
    best_words: float
    fitness: float

    @property
    def is_fit(self) -> bool:
        """Whether the query is about the skills at all, and any skill is near enough."""
        return bool(self.order) and self.fitness >= scoring.FIT_MIN

    def best(self, k: int) -> list[SkillHit]:
        """Return the first *k* skills; none if none fits."""
        return self._hits(self.order[:k]) if self.is_fit else []

    def ids(self, places: Sequence[int] | NDArray[np.int64]) -> tuple[str, ...]:
        """Return the ids of places in ``found``."""
        ids, keys = self.snapshot.ids, self.scope.keys
        numbers: list[int] = keys.take(self.found.groups.take(places)).tolist()
        return tuple([ids[number] for number in numbers])

    def families(self, k: int) -> list[SkillHit]:
        """Return *k* skills with each hit's family together: the hit, its parent, its sub-skills.

        Relatives that are among the best by themselves keep their score and reasons; others come
        along with half the score of the hit that brought them. Families stand in the order of their
        best hit.
        """
        if not self.is_fit:
            return []
        place_of = dict(zip(self.ids(self.order), self.order, strict=True))
        found: dict[str, SkillHit | None] = {}
        for skill_id, place in place_of.items():
            if len(found) >= k:
                break
            found.setdefault(skill_id, None)
            for relative, relation in self._relatives(skill_id):
                if relative not in found and relative not in place_of:
                    skill = self.snapshot.entries[relative].skill
                    why = Why(0.0, 0.0, None, None, relation=relation)
                    score = float(self.found.scores[place]) * _FAMILY_SHARE
                    found[relative] = SkillHit(skill, score, why)
                else:
                    found.setdefault(relative, None)
        kept = dict(list(found.items())[:k])
        hits = iter(self._hits([place_of[one] for one, hit in kept.items() if hit is None]))
        return [next(hits) if hit is None else hit for hit in kept.values()]

    def _relatives(self, skill_id: str) -> list[tuple[str, str]]:
        parent = self.snapshot.entries[skill_id].skill.parent_skill
        found = [] if parent is None else [(parent, f"parent of {skill_id}")]
        children = self.snapshot.children.get(skill_id, ())
        found += [(child, f"sub-skill of {skill_id}") for child in children]
        return [
            (relative, relation)
            for relative, relation in found
            if (entry := self.snapshot.entries.get(relative)) is not None
            and not is_hidden(entry.skill)
        ]

    def _hits(self, places: Sequence[int]) -> list[SkillHit]:
        """Make the hits of places in ``found``, with the reasons of each."""
        found, words = self.found, self.evidence.matches[0]
        at = np.array(places, np.int64)
        groups = found.groups.take(at)
        before = count_before(self.bm25, self.scope.keys, groups)
        semantic_ranks = dict(zip(found.by_meaning.tolist(), count(1), strict=False))
        reasons = zip(
            places,
            self.ids(at),
            found.meanings.take(at).tolist(),
            found.scores.take(at).tolist(),
            found.rows.take(at).tolist(),
            self.words.take(groups).tolist(),
            (before + 1).tolist(),
            words.where(self.scope.lexicon_rows(words.row_of).take(groups)),
            strict=True,
        )
        entries = self.snapshot.entries
        hits: list[SkillHit] = []
        for place, skill_id, meaning, score, row, bm25, rank, (fields, terms) in reasons:
            entry = entries[skill_id]
            passage = entry.places[row & POSITIONS] if row >= 0 else None
            by_words = rank if terms else None
            why = Why(meaning, bm25, semantic_ranks.get(place), by_words, fields, terms, passage)
            hits.append(SkillHit(entry.skill, score, why))
        return hits


def rank_skills(
    catalog: Catalog,
    evidence: Evidence,
    background: Background,
    category: str | None,
    k: int,
    near: int = scoring.NEAR_SKILLS,
) -> Ranking:
    """Find the best *k* skills and the *near* by meaning, and judge whether the query fits any."""
    while True:
        snapshot = catalog.snapshot
        scope = snapshot.scope(category)
        bm25, *of_parts = map(scope.bm25, evidence.matches)
        words = scoring.request_words(bm25, of_parts)
        prior = fused_score(scope.base, words)
        found = catalog.search(snapshot, evidence.vectors, prior, scope.keys, k, near)
        if found is not None:
            break
    if len(scope.unread):
        unread = scope.unread[words[scope.unread] > 0.0]
        found = _with_unread(found, unread, prior, scope.keys, k)
    scores = found.scores[found.by_score]
    order: list[int] = found.by_score[scores >= scoring.SCORE_MIN].tolist()
    best, best_words = best_signals(found, words)
    fitness = scoring.fit_evidence(
        best,
        best_words,
        snapshot.usual_best(background),
        background.resemblance(evidence.vectors[0]),
    )
    return Ranking(evidence, snapshot, scope, bm25, words, found, order, best, best_words, fitness)


def best_signals(found: FoundGroups, words: NDArray[np.float64]) -> tuple[float, float]:
    """Return meaning and bm25, of *words* (g,), of the group with the highest score."""
    if not len(found.by_score):
        return -1.0, 0.0
    first = found.by_score[0]
    return float(found.meanings[first]), float(words[found.groups[first]])


def _with_unread(
    found: FoundGroups,
    groups: NDArray[np.int64],
    prior: NDArray[np.float64],
    keys: NDArray[np.int64],
    k: int,
) -> FoundGroups:
    """Join the best *k* with skills that have no vectors, but words of the query."""
    first = len(found.groups)
    meanings = np.full(len(groups), scoring.UNKNOWN_MEANING)
    scores = np.concatenate([found.scores, meanings + prior[groups]])
    joined = np.concatenate([found.groups, groups])
    places = np.concatenate([found.by_score, np.arange(first, len(joined))])
    order = np.lexsort((keys[joined[places]], -scores[places]))
    return replace(
        found,
        groups=joined,
        meanings=np.concatenate([found.meanings, meanings]),
        scores=scores,
        rows=np.concatenate([found.rows, np.full(len(groups), -1, np.int64)]),
        by_score=places[order[:k]],
    )
