"""From a question to skills: both sides asked, ranked, and remembered for the next time."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from openviking.retrieval.query import check_k, clean_query
from openviking.skills import scoring
from openviking.skills.explain import explain_ranking
from openviking.skills.parts import query_parts
from openviking.skills.ranking import Evidence, Ranking, rank_skills
from openviking.skills.search import Rankings, SkillHit, SkillSearch
from openviking.skills.snapshot import category_filter

if TYPE_CHECKING:
    from openviking.retrieval.background import Background
    from openviking.skills.catalog import Catalog
    from openviking.store.port import Store
    from openviking.types import TextEncoder, Tier


class Finder:
    """Searches the skills of a catalog; safe from any thread.

    Args:
        store: knows the words of skills.
        encoder: turns queries into vectors.
        catalog: the skills.
        background: what a query must stand out from.
        tier: what *encoder* is.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        catalog: Catalog,
        background: Background,
        tier: Tier = "full",
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._catalog = catalog
        self._background = background
        self._tier: Tier = tier
        self._known_hits = lru_cache(maxsize=scoring.KNOWN_SEARCHES_MAX)(self._hits)

    def search(
        self, query: str, *, k: int, category: str | None, hierarchical: bool, explain: bool
    ) -> SkillSearch:
        """Find the skills that fit; ``Skills.search`` says how."""
        text, is_cut = clean_query(query)
        wanted = category_filter(category)
        explanation = None
        if explain:
            ranking, is_cut_by_model = self._rank(
                text, check_k(k), wanted, hierarchical=hierarchical
            )
            hits = _shown(ranking, k, hierarchical=hierarchical)
            texts = [text, *query_parts(text)]
            explanation = explain_ranking(
                ranking, hits, texts, self._store, self._catalog, self._background
            )
        else:
            # The version is part of the key: any change of a skill makes all answers new. Long
            # answers are rare and would fill the memory.
            version = self._catalog.snapshot.version
            find = self._known_hits if check_k(k) <= scoring.KNOWN_HITS_MAX else self._hits
            hits, is_cut_by_model = find(version, text, k, wanted, hierarchical=hierarchical)
        return SkillSearch(
            query, self._current(hits), is_cut or is_cut_by_model, explanation, self._tier
        )

    def rankings(self, query: str, k: int) -> Rankings:
        """Return the best *k* ids by words alone, by vectors alone, and by both."""
        text, _ = clean_query(query)
        ranking, _ = self._rank(text, check_k(k), None, hierarchical=False, near=k)
        return Rankings(
            words=tuple(self._store.match_skills(text, k).ids),
            vectors=ranking.ids(ranking.found.by_meaning[:k]),
            fused=ranking.ids(ranking.order),
            is_fit=ranking.is_fit,
        )

    def _current(self, hits: tuple[SkillHit, ...]) -> tuple[SkillHit, ...]:
        """Return *hits* with their records as they are now: their use is counted meanwhile."""
        snapshot = self._catalog.snapshot
        records = snapshot.related().complete([snapshot.latest(hit.skill) for hit in hits])
        current = zip(hits, records, strict=True)
        return tuple([SkillHit(record, hit.score, hit.why) for hit, record in current])

    def _hits(
        self, _version: int, text: str, k: int, wanted: str | None, *, hierarchical: bool
    ) -> tuple[tuple[SkillHit, ...], bool]:
        ranking, is_cut = self._rank(text, k, wanted, hierarchical=hierarchical)
        return _shown(ranking, k, hierarchical=hierarchical), is_cut

    def _rank(
        self,
        text: str,
        k: int,
        wanted: str | None,
        *,
        hierarchical: bool,
        near: int = scoring.NEAR_SKILLS,
    ) -> tuple[Ranking, bool]:
        """Compare all skills with *text*; also say whether the model read only its beginning."""
        parts = query_parts(text)
        encoded = self._encoder.encode([text, *parts])
        evidence = Evidence(encoded.vectors, self._store.match_skills(text, parts=parts))
        # A relative among the best is one by itself, also if it is none of the first k.
        count = max(scoring.FAMILY_SKILLS, k) if hierarchical else k
        ranking = rank_skills(self._catalog, evidence, self._background, wanted, count, near)
        return ranking, bool(encoded.truncated[0])


def _shown(ranking: Ranking, k: int, *, hierarchical: bool) -> tuple[SkillHit, ...]:
    return tuple(ranking.families(k) if hierarchical else ranking.best(k))
