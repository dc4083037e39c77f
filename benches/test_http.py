"""The promises of the predecessor, kept by the real thing: through HTTP, on real skills."""

from __future__ import annotations

import itertools
import json
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from .conftest import bare_route
from .load import run_load

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


def test_a_skill_search_with_a_known_embedding(
    benchmark: BenchmarkFixture, server: Server, within_target: Callable[[str], None]
):
    queries = [new_query() for _ in range(ROUNDS + 5)]
    for query in queries:
        server.post("/embeddings", {"text": query})
    known = iter(queries)
    answer = benchmark.pedantic(
        lambda text: server.post("/skills/search", {"query": text}),
        setup=lambda: ((next(known),), {}),
        rounds=ROUNDS,
        warmup_rounds=5,
    )
    benchmark.extra_info["skills"] = server.skill_count
    assert answer["found_count"] == len(answer["skills"])
    within_target("skill_search_http")


def test_a_repeated_skill_search_beside_a_bare_route(benchmark: BenchmarkFixture, server: Server):
    query = {"query": "extract tables from a PDF file"}
    answer = server.post("/skills/search", query)
    assert answer["found_count"] == len(answer["skills"]) > 0
    body = json.dumps(query).encode()
    with bare_route(json.dumps(answer).encode()) as bare:
        rounds = [
            (one_client(server.port, "/skills/search", body), one_client(bare.port, "/", body))
            for _ in range(5)
        ]
        many = run_load(server.port, "/skills/search", body, clients=16, requests=10_000)
    benchmark.pedantic(server.post, ("/skills/search", query), rounds=ROUNDS, warmup_rounds=5)
    ratio = statistics.median(ours / bare for ours, bare in rounds)
    benchmark.extra_info.update(
        times_bare_starlette=round(ratio, 2),
        p50_ms=round(statistics.median(ours for ours, _ in rounds), 3),
        per_s_16_clients=round(many.per_s),
        p99_ms_16_clients=round(many.quantile_ms(0.99), 2),
    )
    benchmark.extra_info["target"] = "skill_search_http_repeated"
    assert ids(server.post("/skills/search", query)) == ids(answer)
    assert ratio <= 2.5, f"a repeated search takes {ratio:.2f} times as long as a bare route"


def one_client(port: int, path: str, body: bytes) -> float:
    """Median milliseconds of a request of one client."""
    return run_load(port, path, body, clients=1, requests=1_000).quantile_ms(0.5)


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
