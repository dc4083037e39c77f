"""What a person who runs the server sees of the second tier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.asgi.conftest import CheckedClient, open_client

from openviking.cli.doctor import check_redis
from openviking.config import Cache, RedisUrl, Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cache.servers import RedisServer

    from openviking.cli.doctor import Check

SECRET = "hunter2"  # noqa: S105 - what must not be seen below


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[RedisUrl], tuple[Engine, CheckedClient]]]:
    """Start applications over a Redis; each has a storage of its own."""
    opened: list[Any] = []

    def start(url: RedisUrl) -> tuple[Engine, CheckedClient]:
        settings = Settings(cache=Cache(redis_url=url, redis_timeout_s=10.0))
        store = SqliteStore(tmp_path / str(len(opened)))
        engine = Engine.open(settings, encoder=HashingEncoder(), store=store)
        assert engine.shared_cache is not None
        assert engine.shared_cache.wait_idle(60)
        manager = open_client(engine)
        opened.extend((engine.close, lambda: manager.__exit__(None, None, None)))
        return engine, manager.__enter__()

    yield start
    for close in reversed(opened):
        close()


def settle(engine: Engine) -> None:
    assert engine.shared_cache is not None
    assert engine.shared_cache.wait_idle(60)


def embed(client: CheckedClient, text: str) -> bool:
    return bool(client.post("/embeddings", json={"text": text}).json()["cached"])


def test_what_one_replica_embedded_is_a_hit_on_another_and_is_counted(
    redis_server: RedisServer, serve: Callable[[RedisUrl], tuple[Engine, CheckedClient]]
):
    (first, one), (_second, two) = serve(redis_server.url()), serve(redis_server.url())
    assert not embed(one, "a")
    settle(first)

    assert embed(two, "a")

    health = two.get("/health").json()
    part = health["components"]["cache"]
    assert (health["status"], part["status"]) == ("healthy", "ok")
    assert (part["redis"]["state"], part["redis"]["hits"]) == ("closed", 1)
    lines = two.get("/metrics").text.splitlines()
    assert "openviking_redis_cache_hits_total 1.0" in lines
    assert 'openviking_redis_cache_circuit{of="answers",state="closed"} 1.0' in lines
    assert 'openviking_redis_cache_circuit{of="answers",state="open"} 0.0' in lines
    assert "openviking_redis_cache_lookup_seconds_count 1.0" in lines
    view = two.get("/performance/metrics").json()["summary"]
    assert (view["cache_hit_rate"], view["cache_size"]) == (1.0, 1)
    page = two.get("/performance/dashboard", headers={"accept": "text/html"}).text
    assert "<dt>Redis</dt><dd>in use</dd>" in page
    assert "1 hits, 0 misses" in page


def test_the_server_stays_healthy_without_its_redis_and_says_why(
    own_server: Callable[..., RedisServer],
    serve: Callable[[RedisUrl], tuple[Engine, CheckedClient]],
):
    server = own_server("--requirepass", SECRET)
    _, client = serve(server.url(f":{SECRET}@"))
    assert not embed(client, "a")
    server.kill()
    assert not embed(client, "b")

    health = client.get("/health")

    assert health.status_code == 200
    part = health.json()["components"]["cache"]
    assert (part["status"], part["redis"]["state"]) == ("ok", "open")
    assert "cannot be reached" in part["redis"]["error"]
    page = client.get("/performance/dashboard", headers={"accept": "text/html"}).text
    assert "left alone" in page
    metrics = client.get("/metrics").text
    assert 'circuit{of="answers",state="open"} 1.0' in metrics
    answer = client.post("/admin/cache/aggressive", json={}).json()
    assert answer["redis"] == "open"
    assert SECRET not in health.text + page + metrics + str(answer)


def test_the_time_to_live_of_the_runbook_holds_in_memory_and_in_redis(
    redis_server: RedisServer, serve: Callable[[RedisUrl], tuple[Engine, CheckedClient]]
):
    engine, client = serve(redis_server.url())
    embed(client, "a")
    settle(engine)
    (name,) = redis_server.client().keys()
    assert redis_server.client().pttl(name) > 29 * 86_400_000

    answer = client.post("/admin/cache/aggressive", json={"cache_ttl_seconds": 3600}).json()

    assert (answer["cache_ttl_seconds"], answer["redis"]) == (3600, "closed")
    redis_server.client().flushall()
    embed(client, "b")
    settle(engine)
    (name,) = redis_server.client().keys()
    assert 0 < redis_server.client().pttl(name) <= 3_600_000
    assert engine.cache.stats()["ttl_s"] == 3600


def test_redis_alone_is_a_cache_too(
    redis_server: RedisServer, serve: Callable[[RedisUrl], tuple[Engine, CheckedClient]]
):
    engine, client = serve(redis_server.url())
    client.post("/admin/cache/resize", json={"max_size": 0})

    assert client.post("/admin/cache/aggressive", json={}).status_code == 200
    assert not embed(client, "a")
    settle(engine)
    assert embed(client, "a")


def test_the_doctor_asks_redis_and_shows_no_password(own_server: Callable[..., RedisServer]):
    server = own_server("--requirepass", SECRET)

    def check(url: RedisUrl | None) -> Check:
        return check_redis(Settings(cache=Cache(redis_url=url)))

    assert check(None).status == "ok"
    good, bad = check(server.url(f":{SECRET}@")), check(server.url(":wrong@"))
    server.kill()
    gone = check(server.url(f":{SECRET}@"))

    assert (good.status, bad.status, gone.status) == ("ok", "warning", "warning")
    assert good.detail.endswith("answers")
    assert "check cache.redis_url" in bad.detail
    assert "cannot be reached" in gone.detail
    assert SECRET not in str((good, bad, gone))
