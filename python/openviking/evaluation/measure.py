"""Run a labelled set through skill search, in a store of its own, and measure what comes back."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import InputError
from openviking.evaluation.metrics import CUTOFF, MEASURES, Estimate, estimate, measures
from openviking.retrieval.query import clean_query
from openviking.skills import Skills
from openviking.skills.parts import query_parts
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.evaluation.datasets import LabelledQuery, LabelledSet
    from openviking.skills import Rankings
    from openviking.types import Progress, TextEncoder

_ENCODED_AT_ONCE = 64
_SEED = 7


@dataclass(frozen=True, slots=True)
class Row:
    """The measures of one way of ranking: ``words``, ``vectors``, ``fused`` or ``search``.

    ``search`` is what a client gets: the fused ranking, or nothing where nothing fits.
    """

    method: str
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Report:
    """What a set showed.

    Attributes:
        name: of the set.
        skills: how many.
        queries: answerable questions that were asked.
        rows: one per method.
        kept: share of the answerable questions that got an answer.
        unanswerable: questions that nothing answers.
        turned_away: share of those that got none; None if there are none.
        latency_ms: p50 and p95 of a search, its query's vector being known.
    """

    name: str
    skills: int
    queries: int
    rows: tuple[Row, ...]
    kept: float
    unanswerable: int
    turned_away: float | None
    latency_ms: tuple[float, float]


def evaluate(
    labelled: LabelledSet,
    encoder: TextEncoder,
    *,
    limit: int | None = None,
    progress: Progress | None = None,
) -> Report:
    """Measure search on *labelled*.

    Args:
        labelled: skills and questions.
        encoder: a cache in front of the model: each question is encoded once, with others.
        limit: questions at most, drawn at random but the same ones each time.
        progress: called with (texts done, texts in all).
    """
    queries = _sample(labelled.queries, limit)
    with closing(SqliteStore(None)) as store, closing(Skills(store, encoder)) as skills:
        total = len(labelled.skills) + len(queries)
        for start in range(0, len(labelled.skills), _ENCODED_AT_ONCE):
            skills.put(labelled.skills[start : start + _ENCODED_AT_ONCE])
            if progress is not None:
                progress(min(start + _ENCODED_AT_ONCE, len(labelled.skills)), total)
        rankings: list[Rankings] = []
        seconds: list[float] = []
        for start in range(0, len(queries), _ENCODED_AT_ONCE):
            batch = queries[start : start + _ENCODED_AT_ONCE]
            # What a search encodes, so that its time is measured without.
            texts = [clean_query(query.text)[0] for query in batch]
            encoder.encode([part for text in texts for part in (text, *query_parts(text))])
            for query in batch:
                began = time.perf_counter()
                skills.search(query.text, k=CUTOFF)
                seconds.append(time.perf_counter() - began)
                rankings.append(skills.rankings(query.text, k=CUTOFF))
            if progress is not None:
                progress(len(labelled.skills) + start + len(batch), total)
    return _report(labelled, queries, rankings, seconds)


def _sample(queries: Sequence[LabelledQuery], limit: int | None) -> list[LabelledQuery]:
    if limit is None or limit >= len(queries):
        return list(queries)
    if limit < 1:
        raise InputError(f"limit: expected at least 1, got {limit}", loc=("limit",))
    # The same questions each time, so that two runs can be compared.
    return random.Random(_SEED).sample(list(queries), limit)  # noqa: S311 - no secret


def _report(
    labelled: LabelledSet,
    queries: Sequence[LabelledQuery],
    rankings: Sequence[Rankings],
    seconds: Sequence[float],
) -> Report:
    asked = [(q, r) for q, r in zip(queries, rankings, strict=True) if q.right]
    refused = [r.is_fit for q, r in zip(queries, rankings, strict=True) if not q.right]
    if not asked:
        raise InputError("no labelled question is left; raise the limit", loc=("limit",))
    ways = {
        "words": [r.words for _, r in asked],
        "vectors": [r.vectors for _, r in asked],
        "fused": [r.fused for _, r in asked],
        "search": [r.fused if r.is_fit else () for _, r in asked],
    }
    rows = []
    for method, found in ways.items():
        values = np.array(
            [measures(ids, query.right) for ids, (query, _) in zip(found, asked, strict=True)]
        )
        rows.append(Row(method, dict(zip(MEASURES, estimate(values, _SEED), strict=True))))
    low, high = np.percentile(np.array(seconds) * 1e3, [50, 95]).tolist()
    return Report(
        name=labelled.name,
        skills=len(labelled.skills),
        queries=len(asked),
        rows=tuple(rows),
        kept=sum(r.is_fit for _, r in asked) / len(asked),
        unanswerable=len(refused),
        turned_away=1 - sum(refused) / len(refused) if refused else None,
        latency_ms=(low, high),
    )
