"""From a question to skills: both sides asked, ranked, and remembered for the next time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from openviking.retrieval.query import check_k, clean_query
from openviking.skills import scoring
from openviking.skills.explain import explain_ranking
from openviking.skills.parts import query_parts
from openviking.skills.ranking import Evidence, Ranking, rank_skills
from openviking.skills.search import (
    Rankings,
    SkillHit,
    SkillSearch,
    query_words,
)
from openviking.skills.snapshot import category_filter

if TYPE_CHECKING:
    from openviking.retrieval.background import Background
    from openviking.skills.catalog import Catalog
    from openviking.store.port import Store
    from openviking.types import TextEncoder


class Finder:
    """Searches the skills of a catalog; safe from any thread.

    Args:
        store: knows the words of skills.
        encoder: turns queries into vectors.
        catalog: the skills.
        background: what a query must stand out from.
    """

    def __init__(
        self, store: Store, encoder: TextEncoder, catalog: Catalog, background: Background
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._catalog = catalog
        self._background = background
        self._known_hits = lru_cache(maxsize=scoring.KNOWN_SEARCHES_MAX)(self._hits)

    def search(
        self, query: str, *, k: int, category: str | None, hierarchical: bool, explain: bool
    ) -> SkillSearch:
        """Find the skills that fit; ``Skills.search`` says how. Records are as of the search."""
        text, is_cut = clean_query(query)
        wanted = category_filter(category)
        if explain:
            ranking, is_cut_by_model = self._rank(text, check_k(k), wanted)
            hits = _shown(ranking, k, hierarchical=hierarchical)
            texts = [text, *query_parts(text)]
            explanation = explain_ranking(
                ranking, hits, texts, store=self._store, background=self._background
            )
            return SkillSearch(query, hits, is_cut or is_cut_by_model, explanation)
        # The version is part of the key: any change of a skill makes all answers new. Long answers
        # are rare and would fill the memory.
        version = self._catalog.snapshot.version
        find = self._known_hits if check_k(k) <= scoring.KNOWN_HITS_MAX else self._hits
        hits, is_cut_by_model = find(version, text, k, wanted, hierarchical=hierarchical)
        return SkillSearch(query, hits, is_cut or is_cut_by_model)

    def rankings(self, query: str, k: int) -> Rankings:
        """Return the best *k* ids by words alone, by vectors alone, and by both."""
        ranking, _ = self._rank(clean_query(query)[0], check_k(k), None)
        return Rankings(
            words=tuple(ranking.evidence.words.ids[:k]),
            vectors=ranking.best_ids_by_meaning(k),
            fused=ranking.best_ids(k),
            is_fit=ranking.is_fit,
        )

    def _hits(
        self, _version: int, text: str, k: int, wanted: str | None, *, hierarchical: bool
    ) -> tuple[tuple[SkillHit, ...], bool]:
        ranking, is_cut = self._rank(text, k, wanted)
        return _shown(ranking, k, hierarchical=hierarchical), is_cut

    def _rank(self, text: str, k: int, wanted: str | None) -> tuple[Ranking, bool]:
        """Compare all skills with *text*; also say whether the model read only its beginning."""
        texts = [text, *query_parts(text)]
        encoded = self._encoder.encode(texts)
        scanned = max(scoring.PASSAGES_SCANNED, k * scoring.PASSAGES_PER_HIT)
        snapshot, nearest = self._catalog.scan(encoded.vectors, scanned, wanted)
        among = None if wanted is None else snapshot.ids_of(wanted)
        limit = max(scoring.WORD_HITS, k)
        # Of the whole query, then of each of its parts.
        words, *parts = (
            self._store.match_skills(query_words(one), limit, among=among) for one in texts
        )
        evidence = Evidence(encoded.vectors, nearest, words, parts)
        return rank_skills(snapshot, evidence, self._background), bool(encoded.truncated[0])


def _shown(ranking: Ranking, k: int, *, hierarchical: bool) -> tuple[SkillHit, ...]:
    return tuple(ranking.families(k) if hierarchical else ranking.best(k))
