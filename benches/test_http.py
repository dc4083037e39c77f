"""The promises of the predecessor, kept by the real thing: through HTTP, on real skills."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytest_benchmark.fixture import BenchmarkFixture

    from .conftest import Server

ROUNDS = 100
SUBJECTS = ("a flaky integration test", "slow SQL joins", "a PDF invoice", "an expired TLS key")
NEVER_SEEN = itertools.count()


def new_query() -> str:
    """A short question that no cache has seen: the counter makes it new."""
    number = next(NEVER_SEEN)
    return f"how do I deal with {SUBJECTS[number % len(SUBJECTS)]} in project {number}?"


def test_an_embedding_never_seen_before(
    benchmark: BenchmarkFixture, server: Server, within_target: Callable[[str], None]
):
    answer = benchmark.pedantic(
        lambda text: server.post("/embeddings", {"text": text}),
        setup=lambda: ((new_query(),), {}),
        rounds=ROUNDS,
        warmup_rounds=5,
    )
    assert len(answer["embedding"]) == 768
    assert not answer["cached"]
    assert sum(value * value for value in answer["embedding"]) == pytest.approx(1, abs=1e-4)
    within_target("embedding_http")


def test_a_repeated_embedding(
    benchmark: BenchmarkFixture, server: Server, within_target: Callable[[str], None]
):
    first = server.post("/embeddings", {"text": "the same text again"})
    answer = benchmark(server.post, "/embeddings", {"text": "the same text again"})
    assert answer["cached"]
    assert answer["embedding"] == first["embedding"]
    within_target("embedding_http_repeated")


def test_a_skill_search_with_a_known_query(
    benchmark: BenchmarkFixture, server: Server, within_target: Callable[[str], None]
):
    query = {"query": "extract tables from a PDF file"}
    first = server.post("/skills/search", query)
    answer = benchmark(server.post, "/skills/search", query)
    benchmark.extra_info["skills"] = server.skill_count
    assert ids(answer) == ids(first)
    assert answer["found_count"] == len(answer["skills"]) > 0
    within_target("skill_search_http")


def test_a_skill_search_never_seen_before(
    benchmark: BenchmarkFixture, server: Server, within_target: Callable[[str], None]
):
    answer = benchmark.pedantic(
        lambda text: server.post("/skills/search", {"query": text}),
        setup=lambda: ((new_query(),), {}),
        rounds=ROUNDS,
        warmup_rounds=5,
    )
    benchmark.extra_info.update(skills=server.skill_count, ready_s=round(server.ready_s, 2))
    benchmark.extra_info.update(memory_mb(server.pid))
    assert answer["query"]
    within_target("skill_search_http_uncached")


def memory_mb(pid: int) -> dict[str, int]:
    """Resident, proportional and anonymous memory of a process in MB, as the kernel counts them."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()[1:]
    kilobytes = {name: int(value.split()[0]) for name, value in (line.split(":") for line in lines)}
    return {f"{name.lower()}_mb": kilobytes[name] // 1000 for name in ("Rss", "Pss", "Anonymous")}


def ids(answer: dict[str, Any]) -> list[str]:
    return [skill["id"] for skill in answer["skills"]]
