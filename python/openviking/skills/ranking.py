"""From vectors and words to skills: fused, judged, put in order, with the reasons of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from openviking.skills import scoring
from openviking.skills.search import SkillHit, Why
from openviking.skills.snapshot import POSITIONS, is_hidden
from openviking.store.matches import FIELD_SETS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from openviking.index import FoundGroups
    from openviking.retrieval.background import Background
    from openviking.skills.catalog import Catalog
    from openviking.skills.snapshot import Scope, Snapshot
    from openviking.store.matches import WordMatches
    from openviking.types import Vectors

_FAMILY_SHARE = 0.5


class Evidence(NamedTuple):
    """What is known of a query before skills are compared.

    Attributes:
        vectors: (q, dim) float32, unit length: of the whole query, then of its parts.
        matches: the words of the same.
    """

    vectors: Vectors
    matches: WordMatches


class Ranking(NamedTuple):
    """The best skills for one query; hits are made for those that are shown.

    Attributes:
        evidence: what was compared.
        snapshot: the skills.
        scope: those that may be returned.
        rows: (g,) int64 of each group in the lexicon, -1 for one that may not be returned.
        words_weight: what one point of them adds to a meaning.
        chance: score that each word of a skill gets by chance, which is taken off.
        found: the best by score and by meaning; without vectors a skill has the row -1, the rank 0.
        order: places in ``found`` of the skills that are near enough, best first.
        best_meaning: of the skill with the highest score, -1 if there is none.
        best_words: its bm25.
        fitness: evidence that the query is about the skills at all.
    """

    evidence: Evidence
    snapshot: Snapshot
    scope: Scope
    rows: NDArray[np.int64]
    words_weight: float
    chance: float
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

    def ids(self, places: Sequence[int]) -> tuple[str, ...]:
        """Return the ids of places in ``found``."""
        ids, key_of, groups = self.snapshot.ids, self.scope.keys.item, self.found.groups
        return tuple([ids[key_of(groups[place])] for place in places])

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
                    score = self.found.scores[place] * _FAMILY_SHARE
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
        found, matches, entries = self.found, self.evidence.matches, self.snapshot.entries
        groups = [found.groups[place] for place in places]
        reasons = matches.found.reasons(
            groups, self.rows, self.scope.keys, part_share=scoring.PART_WORDS_SHARE
        )
        hits: list[SkillHit] = []
        for place, skill_id, reason in zip(places, self.ids(places), reasons, strict=True):
            words, lexical_rank, fields, terms = reason
            entry, row = entries[skill_id], found.rows[place]
            why = Why(
                found.meanings[place],
                words,
                found.ranks[place] or None,
                lexical_rank,
                FIELD_SETS[fields],
                terms,
                entry.places[row & POSITIONS] if row >= 0 else None,
            )
            hits.append(SkillHit(entry.skill, found.scores[place], why))
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
    matches = evidence.matches
    weight = scoring.words_weight(matches.sizes.mean, matches.term_count)
    while True:
        snapshot = catalog.snapshot
        scope = snapshot.scope(category)
        rows = scope.lexicon_rows(matches.row_of)
        prior = matches.found.prior(
            rows, scope.base, part_share=scoring.PART_WORDS_SHARE, weight=weight
        )
        chance = _take_chance(prior, matches, scope)
        found = catalog.search(snapshot, evidence.vectors, prior, scope.keys, k, near)
        if found is not None:
            break
    words_of = words_by_group(matches, rows)
    if len(scope.unread):
        unread = [group for group in scope.unread.tolist() if words_of(group) > 0.0]
        _add_unread(found, unread, prior, scope.keys, k)
    order = [place for place in found.by_score if found.scores[place] >= scoring.SCORE_MIN]
    best, best_words = best_signals(found, words_of)
    fitness = scoring.fit_evidence(
        best,
        best_words,
        snapshot.usual_best(background),
        background.resemblance(evidence.vectors[0]),
    )
    return Ranking(
        evidence,
        snapshot,
        scope,
        rows,
        weight,
        chance,
        found,
        order,
        best,
        best_words,
        fitness,
    )


def _take_chance(prior: NDArray[np.float64], matches: WordMatches, scope: Scope) -> float:
    """Take from *prior* (g,) what words give by chance; return that for one word of a skill."""
    share = scoring.chance_share(matches.term_count)
    if not share:
        return 0.0
    counts = scope.word_counts(matches)
    chance = share * float(prior[scope.groups].sum()) / max(1.0, float(counts.sum()))
    prior -= chance * counts
    return chance


def best_signals(found: FoundGroups, words_of: Callable[[int], float]) -> tuple[float, float]:
    """Return meaning and bm25, which *words_of* tells, of the group with the highest score."""
    if not found.by_score:
        return -1.0, 0.0
    first = found.by_score[0]
    return found.meanings[first], words_of(found.groups[first])


def words_by_group(matches: WordMatches, rows: NDArray[np.int64]) -> Callable[[int], float]:
    """Return what tells the bm25 of a group, a share of its best part's added.

    Args:
        matches: the words of a request.
        rows: (g,) of each group among these.
    """

    def words_of(group: int) -> float:
        found = matches.found.pooled([rows.item(group)], part_share=scoring.PART_WORDS_SHARE)
        return found[0]

    return words_of


def _add_unread(
    found: FoundGroups,
    groups: Sequence[int],
    prior: NDArray[np.float64],
    keys: NDArray[np.int64],
    k: int,
) -> None:
    """Join the best *k* with skills that have no vectors, but words of the query."""
    places = [*found.by_score, *range(len(found.groups), len(found.groups) + len(groups))]
    found.groups.extend(groups)
    found.meanings.extend([scoring.UNKNOWN_MEANING] * len(groups))
    found.scores.extend([scoring.UNKNOWN_MEANING + prior.item(group) for group in groups])
    found.rows.extend([-1] * len(groups))
    found.ranks.extend([0] * len(groups))
    places.sort(key=lambda place: (-found.scores[place], keys.item(found.groups[place])))
    found.by_score[:] = places[:k]
