"""Run a labelled set through skill search, in a store of its own, and measure what comes back."""

from __future__ import annotations

import random
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
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

    from numpy.typing import NDArray

    from openviking.evaluation.datasets import LabelledQuery, LabelledSet
    from openviking.skills import Rankings
    from openviking.types import Progress, TextEncoder

_ENCODED_AT_ONCE = 64
_SEED = 7
_FUSED, _SEARCH = "fused", "search"


@dataclass(frozen=True, slots=True)
class Row:
    """The measures of one way of ranking: ``words``, ``vectors``, ``fused``, ``search`` or another.

    ``search`` is what a client gets: the fused ranking, or nothing where nothing fits.
    """

    method: str
    estimates: Mapping[str, Estimate]


@dataclass(frozen=True, slots=True)
class Lead:
    """What the fused ranking has over another, question by question.

    Attributes:
        over: the other method.
        estimates: of the differences, fused minus other, over the same questions.
        apart: measures in which the interval of fused lies wholly above that of the other.
    """

    over: str
    estimates: Mapping[str, Estimate]
    apart: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What a set showed.

    Attributes:
        name: of the set.
        skills: how many.
        queries: answerable questions that were asked.
        rows: one per method.
        leads: of the fused ranking, one over each other method but ``search``.
        kept: share of the answerable questions that got an answer.
        unanswerable: questions that nothing answers.
        turned_away: share of those that got none; None if there are none.
        latency_ms: p50 and p95 of a search, its query's vector being known.
    """

    name: str
    skills: int
    queries: int
    rows: tuple[Row, ...]
    leads: tuple[Lead, ...]
    kept: float
    unanswerable: int
    turned_away: float | None
    latency_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back for each question of a set, before anything is averaged.

    Attributes:
        name: of the set.
        skills: how many.
        queries: n questions; those that nothing answers have no right ids.
        ways: method -> for each question the ids, best first.
        is_fit: for each question, whether a search answers it.
        seconds: for each question, of a search whose query's vector is known.
    """

    name: str
    skills: int
    queries: Sequence[LabelledQuery]
    ways: Mapping[str, Sequence[Sequence[str]]]
    is_fit: Sequence[bool]
    seconds: Sequence[float]

    @classmethod
    def joined(cls, name: str, sets: Sequence[Answers]) -> Answers:
        """Take sets of questions to the same skills, asked in the same ways, as one set."""
        return cls(
            name,
            sets[0].skills,
            [query for one in sets for query in one.queries],
            {way: [ids for one in sets for ids in one.ways[way]] for way in sets[0].ways},
            [is_fit for one in sets for is_fit in one.is_fit],
            [seconds for one in sets for seconds in one.seconds],
        )

    def report(self) -> Report:
        """Average over the questions; every question counts once."""
        queries = self.queries
        answerable = [at for at, query in enumerate(queries) if query.right]
        refused = [
            not fit for fit, query in zip(self.is_fit, queries, strict=True) if not query.right
        ]
        if not answerable:
            raise InputError("no labelled question is left; raise the limit", loc=("limit",))
        values = {
            method: np.array([measures(found[at], queries[at].right) for at in answerable])
            for method, found in self.ways.items()
        }
        low, high = np.percentile(np.array(self.seconds) * 1e3, [50, 95]).tolist()
        rows = {method: Row(method, _estimates(found)) for method, found in values.items()}
        return Report(
            name=self.name,
            skills=self.skills,
            queries=len(answerable),
            rows=tuple(rows.values()),
            leads=tuple(
                _lead(rows[_FUSED], row, values[_FUSED] - values[method])
                for method, row in rows.items()
                if method not in {_FUSED, _SEARCH}
            ),
            kept=sum(self.is_fit[at] for at in answerable) / len(answerable),
            unanswerable=len(refused),
            turned_away=sum(refused) / len(refused) if refused else None,
            latency_ms=(low, high),
        )


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
    count = len(labelled.skills)
    total = count + len(queries)
    with closing(SqliteStore(None)) as store, closing(Skills(store, encoder)) as skills:
        for start in range(0, count, _ENCODED_AT_ONCE):
            skills.put(labelled.skills[start : start + _ENCODED_AT_ONCE])
            if progress is not None:
                progress(min(start + _ENCODED_AT_ONCE, count), total)
        asked = None if progress is None else partial(_behind, progress, count, total)
        return ask_stored(labelled.name, skills, queries, encoder, progress=asked).report()


def ask_stored(
    name: str,
    skills: Skills,
    queries: Sequence[LabelledQuery],
    encoder: TextEncoder,
    *,
    others: Mapping[str, Sequence[Sequence[str]]] | None = None,
    progress: Progress | None = None,
) -> Answers:
    """Ask *skills* that are stored already, in every way of ranking.

    Args:
        name: of the questions.
        skills: what is searched.
        queries: questions; those that nothing answers have no right ids.
        encoder: that of *skills*, a cache in front of the model.
        others: further ways of ranking: name -> for each question the ids, best first.
        progress: called with (questions asked, questions in all).
    """
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
            progress(start + len(batch), len(queries))
    ways: dict[str, Sequence[Sequence[str]]] = {
        **(others or {}),
        "words": [ranking.words for ranking in rankings],
        "vectors": [ranking.vectors for ranking in rankings],
        _FUSED: [ranking.fused for ranking in rankings],
        _SEARCH: [ranking.fused if ranking.is_fit else () for ranking in rankings],
    }
    is_fit = [ranking.is_fit for ranking in rankings]
    return Answers(name, int(skills.stats()["skills"]), queries, ways, is_fit, seconds)


def _behind(progress: Progress, before: int, total: int, done: int, _all: int) -> None:
    progress(before + done, total)


def _sample(queries: Sequence[LabelledQuery], limit: int | None) -> list[LabelledQuery]:
    if limit is None or limit >= len(queries):
        return list(queries)
    if limit < 1:
        raise InputError(f"limit: expected at least 1, got {limit}", loc=("limit",))
    # The same questions each time, so that two runs can be compared.
    return random.Random(_SEED).sample(list(queries), limit)  # noqa: S311 - no secret


def _estimates(values: NDArray[np.float64]) -> dict[str, Estimate]:
    """Return what *values* (questions, measures) come to; every call draws the same questions."""
    return dict(zip(MEASURES, estimate(values, _SEED), strict=True))


def _lead(fused: Row, other: Row, differences: NDArray[np.float64]) -> Lead:
    apart = (name for name in MEASURES if fused.estimates[name].is_above(other.estimates[name]))
    return Lead(other.method, _estimates(differences), tuple(apart))
