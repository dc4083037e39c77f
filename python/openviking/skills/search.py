"""Search: passages near the query and words of the query, pooled and fused into skills."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import InputError, LimitError
from openviking.skills import scoring
from openviking.skills.catalog import in_category

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.skills.catalog import Entry, PassageHit, Place, Snapshot
    from openviking.types import Skill, Vectors, WordMatch

QUERY_CHARS_MAX = 4000
"""Characters of a query that are used: more than the encoder's window holds."""

QUERY_CHARS_REFUSED = 1 << 20
"""A longer query is an error."""

QUERY_WORDS_MAX = 64
"""Words of a query that are looked up."""

HITS_MAX = 1000
"""Skills that one search returns at most."""

_FAMILY_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Why:
    """Why a skill was found.

    Attributes:
        meaning: pooled cosine of the query and the skill.
        words: bm25 of the query's words, 0 if none occurs.
        semantic_rank: place by meaning among all candidates, from 1; None if it was not near.
        lexical_rank: place by words, from 1; None if no word matched.
        fields: fields in which words matched.
        terms: the words that matched.
        passage: the passage nearest to the query, with its place in the body.
        relation: set if the skill came along as ``parent of ID`` or ``sub-skill of ID``.
    """

    meaning: float
    words: float
    semantic_rank: int | None
    lexical_rank: int | None
    fields: tuple[str, ...] = ()
    terms: tuple[str, ...] = ()
    passage: Place | None = None
    relation: str | None = None


@dataclass(frozen=True, slots=True)
class SkillHit:
    """A found skill (its body left out), its fused score, and why it was found."""

    skill: Skill
    score: float
    why: Why


@dataclass(frozen=True, slots=True)
class SkillSearch:
    """The answer to one query.

    Attributes:
        query: the query as it was given.
        hits: best first; ties by id. Empty if no skill fits.
        truncated: whether only the beginning of the query was used.
    """

    query: str
    hits: tuple[SkillHit, ...]
    truncated: bool

    @property
    def found_count(self) -> int:
        """Number of hits."""
        return len(self.hits)


def clean_query(query: str) -> tuple[str, bool]:
    """Return the usable beginning of *query* and whether something was cut.

    Raises:
        InputError: the query holds nothing but white space.
        LimitError: it has more than ``QUERY_CHARS_REFUSED`` characters.
    """
    if len(query) > QUERY_CHARS_REFUSED:
        raise LimitError(
            f"query has {len(query)} characters; at most {QUERY_CHARS_REFUSED} are accepted",
            loc=("query",),
        )
    # A lone surrogate has no UTF-8 form: neither the tokenizer nor the store could take it.
    text = query.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
    if not text:
        raise InputError("query is empty; expected a task or question", loc=("query",))
    return text[:QUERY_CHARS_MAX].rstrip(), len(text) > QUERY_CHARS_MAX


def query_words(text: str) -> str:
    """Return the beginning of *text* that the lexical side looks up."""
    ends = [match.end() for match in islice(re.finditer(r"\S+", text), QUERY_WORDS_MAX)]
    return text[: ends[-1]] if ends else ""


def check_k(k: int) -> int:
    """Return *k* if it is a possible number of hits."""
    if k < 1:
        raise InputError(f"expected at least 1 result, got {k}", loc=("max_results",))
    if k > HITS_MAX:
        raise LimitError(f"at most {HITS_MAX} results, got {k}", loc=("max_results",))
    return k


def rank_skills(
    snapshot: Snapshot,
    query: Vectors,
    passages: Sequence[PassageHit],
    words: Sequence[WordMatch],
    category: str | None,
) -> list[SkillHit]:
    """Fuse both sides into skills, best first; those that do not fit are left out.

    Args:
        snapshot: the skills.
        query: (1, dim) float32, unit length.
        passages: passages near the query, best first.
        words: lexical hits, best first.
        category: only skills of this category; the passages have been filtered already.
    """
    best: dict[str, PassageHit] = {}
    for hit in passages:
        best.setdefault(hit.skill_id, hit)
    by_words = {
        match.id: (rank, match) for rank, match in enumerate(_visible(snapshot, words, category), 1)
    }
    candidates = sorted({*best, *by_words})
    if not candidates:
        return []
    entries = [snapshot.entries[skill_id] for skill_id in candidates]
    meanings = _meanings(entries, query, best)
    total, count = snapshot.summaries()
    is_fit = scoring.fits(max(meanings), float(total @ query[0]), count, has_words=bool(by_words))
    if not is_fit:
        return []
    best_words = max((match.score for _, match in by_words.values()), default=0.0)
    by_meaning = sorted(range(len(candidates)), key=lambda at: (-meanings[at], candidates[at]))
    semantic_ranks = {candidates[at]: rank for rank, at in enumerate(by_meaning, 1)}
    hits = [
        _hit(entry, meaning, semantic_ranks[entry.skill.id], best, by_words, best_words)
        for entry, meaning in zip(entries, meanings, strict=True)
        if meaning >= scoring.MEANING_MIN
    ]
    hits.sort(key=lambda hit: (-hit.score, hit.skill.id))
    return hits


def _visible(
    snapshot: Snapshot, words: Sequence[WordMatch], category: str | None
) -> list[WordMatch]:
    kept: list[WordMatch] = []
    for match in words:
        entry = snapshot.entries.get(match.id)
        if entry is None or entry.skill.disable_model_invocation:
            continue
        if category is None or in_category(entry.skill, category):
            kept.append(match)
    return kept


def _meanings(
    entries: Sequence[Entry], query: Vectors, best: Mapping[str, PassageHit]
) -> list[float]:
    known = [entry.summary for entry in entries if entry.summary is not None]
    cosines = iter((np.stack(known) @ query[0]).tolist() if known else ())
    return [
        scoring.meaning_score(
            next(cosines) if entry.summary is not None else 0.0,
            hit.cosine if (hit := best.get(entry.skill.id)) is not None else None,
        )
        for entry in entries
    ]


def _hit(
    entry: Entry,
    meaning: float,
    semantic_rank: int,
    best: Mapping[str, PassageHit],
    by_words: Mapping[str, tuple[int, WordMatch]],
    best_words: float,
) -> SkillHit:
    skill_id = entry.skill.id
    near = best.get(skill_id)
    lexical_rank, match = by_words.get(skill_id, (None, None))
    bm25 = 0.0 if match is None else match.score
    return SkillHit(
        skill=entry.skill,
        score=scoring.fused_score(meaning, bm25, best_words),
        why=Why(
            meaning=meaning,
            words=bm25,
            semantic_rank=None if near is None else semantic_rank,
            lexical_rank=lexical_rank,
            fields=() if match is None else match.fields,
            terms=() if match is None else match.terms,
            passage=None if near is None else entry.places[near.position],
        ),
    )


def with_families(snapshot: Snapshot, hits: Sequence[SkillHit], k: int) -> list[SkillHit]:
    """Keep each hit's family together: the hit, then its parent, then its sub-skills.

    Relatives that matched by themselves keep their score and reasons; others come along with half
    the score of the hit that brought them. Families stand in the order of their best hit.
    """
    found = {hit.skill.id: hit for hit in hits}
    ordered: dict[str, SkillHit] = {}
    for hit in hits:
        if len(ordered) >= k:
            break
        skill = hit.skill
        ordered.setdefault(skill.id, hit)
        relatives = [(skill.parent_skill, f"parent of {skill.id}")] if skill.parent_skill else []
        relatives += [
            (child, f"sub-skill of {skill.id}") for child in snapshot.children.get(skill.id, ())
        ]
        for relative, relation in relatives:
            entry = snapshot.entries.get(relative)
            if entry is not None and not entry.skill.disable_model_invocation:
                why = Why(0.0, 0.0, None, None, relation=relation)
                brought = SkillHit(entry.skill, hit.score * _FAMILY_SHARE, why)
                ordered.setdefault(relative, found.get(relative, brought))
    return list(ordered.values())[:k]
