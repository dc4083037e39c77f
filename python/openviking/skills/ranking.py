"""From passages and words to skills: pooled, fused, judged, put in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.retrieval.fusion import fused_score
from openviking.skills import scoring
from openviking.skills.catalog import Nearest
from openviking.skills.search import SkillHit, Why
from openviking.skills.snapshot import is_hidden

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from openviking.retrieval.background import Background
    from openviking.skills.snapshot import Snapshot
    from openviking.store.matches import WordMatches
    from openviking.types import Vectors

_FAMILY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of a query before skills are compared.

    Attributes:
        vectors: (q, dim) float32, unit length: of the whole query, then of its parts.
        nearest: for each vector the skills with a passage near it.
        words: lexical hits of the whole query.
        part_words: lexical hits of each of its parts.
    """

    vectors: Vectors
    nearest: Sequence[Nearest]
    words: WordMatches
    part_words: Sequence[WordMatches] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """Candidates of one query with their signals; hits are made for those that are shown.

    Attributes:
        snapshot: the skills.
        candidates: (n,) int64, their numbers, ascending.
        meanings: (n,) float64, pooled cosines.
        words: (n,) float64, pooled bm25; 0 where no word matched.
        scores: (n,) float64, fused.
        order: candidates that are near enough, as places in the arrays above, best first.
        near: the candidates with a passage near the query or a part of it.
        fitness: evidence that the query is about the skills at all.
        evidence: what the scores were made from.
    """

    snapshot: Snapshot
    candidates: NDArray[np.int64]
    meanings: NDArray[np.float64]
    words: NDArray[np.float64]
    scores: NDArray[np.float64]
    order: NDArray[np.int64]
    near: Nearest
    fitness: float
    evidence: Evidence

    @property
    def is_fit(self) -> bool:
        """Whether the query is about the skills at all, and any skill is near enough."""
        return bool(self.order.size) and self.fitness >= scoring.FIT_MIN

    def best(self, k: int) -> list[SkillHit]:
        """Return the first *k* skills; none if none fits."""
        return self._hits(self.order[:k]) if self.is_fit else []

    def best_ids(self, k: int) -> tuple[str, ...]:
        """Return the ids of the first *k* candidates, whether the query fits or not."""
        return self._ids(self.candidates[self.order[:k]])

    def nearest_ids(self, k: int) -> tuple[str, ...]:
        """Return the ids of the *k* highest scores, however low they are."""
        return self._ids(self.candidates[(-self.scores).argsort(kind="stable")[:k]])

    def best_ids_by_meaning(self, k: int) -> tuple[str, ...]:
        """Return the ids of the *k* skills nearest in meaning."""
        numbers = self.near.numbers
        return self._ids(numbers[(-self._near_meanings()).argsort(kind="stable")[:k]])

    def families(self, k: int) -> list[SkillHit]:
        """Return *k* skills with each hit's family together: the hit, its parent, its sub-skills.

        Relatives that fit by themselves keep their score and reasons; others come along with half
        the score of the hit that brought them. Families stand in the order of their best hit.
        """
        if not self.is_fit:
            return []
        ordered = self._ids(self.candidates[self.order])
        place_of = dict(zip(ordered, self.order.tolist(), strict=True))
        scores: list[float] = self.scores.tolist()
        found: dict[str, SkillHit | None] = {}
        for skill_id in ordered:
            if len(found) >= k:
                break
            found.setdefault(skill_id, None)
            for relative, relation in self._relatives(skill_id):
                if relative not in found and relative not in place_of:
                    skill = self.snapshot.entries[relative].skill
                    why = Why(0.0, 0.0, None, None, relation=relation)
                    score = scores[place_of[skill_id]] * _FAMILY_SHARE
                    found[relative] = SkillHit(skill, score, why)
                else:
                    found.setdefault(relative, None)
        kept = dict(list(found.items())[:k])
        places = [place_of[skill_id] for skill_id, hit in kept.items() if hit is None]
        hits = iter(self._hits(np.array(places, dtype=np.int64)))
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

    def _ids(self, numbers: NDArray[np.int64]) -> tuple[str, ...]:
        ids = self.snapshot.ids
        return tuple(ids[number] for number in numbers.tolist())

    def _near_meanings(self) -> NDArray[np.float64]:
        return self.meanings[self.candidates.searchsorted(self.near.numbers)]

    def _semantic_ranks(self) -> Mapping[int, tuple[int, int]]:
        """Map the number of a skill near in meaning to its rank and its nearest passage."""
        nearest = self.near
        order = (-self._near_meanings()).argsort(kind="stable")
        numbers, positions = nearest.numbers[order].tolist(), nearest.positions[order].tolist()
        ranked = enumerate(zip(numbers, positions, strict=True), 1)
        return {number: (rank, position) for rank, (number, position) in ranked}

    def _hits(self, places: NDArray[np.int64]) -> list[SkillHit]:
        """Make the hits of candidates, with the reasons of each."""
        numbers = self.candidates[places]
        ids = self._ids(numbers)
        near = self._semantic_ranks()
        hits: list[SkillHit] = []
        for skill_id, number, meaning, words, score, match in zip(
            ids,
            numbers.tolist(),
            self.meanings[places].tolist(),
            self.words[places].tolist(),
            self.scores[places].tolist(),
            self.evidence.words.explain(ids),
            strict=True,
        ):
            entry = self.snapshot.entries[skill_id]
            rank, position = near.get(number, (None, None))
            passage = None if position is None else entry.places[position]
            if match is None:
                why = Why(meaning, 0.0, rank, None, passage=passage)
            else:
                why = Why(meaning, words, rank, match.rank, match.fields, match.terms, passage)
            hits.append(SkillHit(entry.skill, score, why))
        return hits


def rank_skills(snapshot: Snapshot, evidence: Evidence, background: Background) -> Ranking:
    """Fuse both sides, and judge whether the query is about the skills at all."""
    words, near = evidence.words, Nearest.best_of(evidence.nearest)
    candidates = _candidates(snapshot, near, (words, *evidence.part_words))
    bm25 = _bm25(snapshot, candidates, evidence)
    meanings = _meanings(snapshot, candidates, evidence)
    scores = fused_score(meanings, bm25)
    fitting = (scores >= scoring.SCORE_MIN).nonzero()[0]
    fitness = scoring.fit_evidence(
        *best_signals(meanings, bm25, scores),
        snapshot.usual_best(background),
        background.resemblance(evidence.vectors[0]),
    )
    # Candidates stand in the order of their ids, so a stable sort breaks ties by id.
    order = fitting[(-scores[fitting]).argsort(kind="stable")]
    return Ranking(snapshot, candidates, meanings, bm25, scores, order, near, fitness, evidence)


def best_signals(
    meanings: NDArray[np.float64], words: NDArray[np.float64], scores: NDArray[np.float64]
) -> tuple[float, float]:
    """Return meaning and bm25 of the candidate with the highest score, ties by id."""
    if not scores.size:
        return -1.0, 0.0
    at = int(scores.argmax())
    return float(meanings[at]), float(words[at])


def _candidates(
    snapshot: Snapshot, near: Nearest, matches: Sequence[WordMatches]
) -> NDArray[np.int64]:
    """Return the numbers of the skills that either side names, ascending."""
    is_candidate = np.zeros(len(snapshot.ids), np.bool_)
    is_candidate[near.numbers] = True
    number_of = snapshot.numbers()
    for matched in matches:
        # A skill that was written or deleted since the snapshot was taken is passed over.
        numbers = [number for i in matched.ids if (number := number_of.get(i)) is not None]
        is_candidate[numbers] = True
    return is_candidate.nonzero()[0]


def _bm25(
    snapshot: Snapshot, candidates: NDArray[np.int64], evidence: Evidence
) -> NDArray[np.float64]:
    """Pool the bm25 of each candidate for the whole query and for its parts."""
    ids = [snapshot.ids[number] for number in candidates.tolist()]
    parts = [matched.scores_of(ids) for matched in evidence.part_words]
    return scoring.request_words(evidence.words.scores_of(ids), np.array(parts))


def _meanings(
    snapshot: Snapshot, candidates: NDArray[np.int64], evidence: Evidence
) -> NDArray[np.float64]:
    """Pool the passages of each candidate, then the parts of the query."""
    summaries = snapshot.summaries()
    rows = summaries.row_at[candidates]
    known = (rows >= 0).nonzero()[0]
    gathered = summaries.rows.take(rows[known], axis=0) if known.size else None
    pooled = np.empty((len(evidence.vectors), len(candidates)))
    for line, vector, nearest in zip(pooled, evidence.vectors, evidence.nearest, strict=True):
        cosines = np.full(len(candidates), scoring.UNKNOWN_MEANING)
        if gathered is not None:
            # einsum adds up each row by itself: equal rows get equal sums, which a BLAS does not
            # promise.
            cosines[known] = np.einsum("ij,j->i", gathered, vector)
        best = np.full(len(candidates), -1.0)
        best[candidates.searchsorted(nearest.numbers)] = nearest.cosines
        line[:] = scoring.meaning_score(cosines, best)
    return scoring.request_meaning(pooled[0], pooled[1:])
