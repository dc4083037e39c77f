"""The second tier over a real Redis that is well."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cache.conftest import DIM, Node

from openviking.cache import CachedEncoder, EmbeddingCache, SharedCache, cache_key
from openviking.config import Cache, RedisUrl, Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cache.servers import RedisServer

ROOT = Path(__file__).parents[2]


def test_what_one_server_computed_another_finds_bit_for_bit(
    redis_server: RedisServer, node: Callable[..., Node]
):
    first, second = node(redis_server.url()).ready(), node(redis_server.url()).ready()
    texts = ["one two", "word " * 1000, "Miðgarðr 猫"]

    assert first.ask(*texts) == [False, False, False]
    first.ready()
    assert second.ask(*texts, "new") == [True, True, True, False]

    assert second.model.texts_encoded == 1
    stats = second.redis.stats()
    assert (stats["hits"], stats["misses"], stats["corrupted"], stats["failures"]) == (3, 1, 0, 0)
    assert stats["lookups"] == 1, "one round trip for the call"
    assert first.redis.stats()["written"] == 3


def test_another_process_finds_it_too(redis_server: RedisServer, node: Callable[..., Node]):
    here = node(redis_server.url()).ready()
    here.ask("from here")
    here.ready()
    code = (
        "import sys, json\n"
        "from tests.cache.conftest import Node\n"
        "from openviking.config import RedisUrl\n"
        "node = Node(RedisUrl(sys.argv[1])).ready()\n"
        "print(json.dumps(node.ask('from here', 'from there')))\n"
        "node.close()\n"
    )

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-W", "error", "-c", code, redis_server.url().reveal()],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [True, False]
    assert here.ask("from there") == [True]


def test_a_hit_fills_the_memory_so_that_redis_is_asked_once(
    redis_server: RedisServer, node: Callable[..., Node]
):
    writer, reader = node(redis_server.url()).ready(), node(redis_server.url()).ready()
    writer.ask("a")
    writer.ready()

    assert reader.encode(["a"]).cached.tolist() == [True]
    assert reader.encode(["a"]).cached.tolist() == [True]

    assert reader.redis.stats()["hits"] == 1
    assert reader.cache.stats()["hits"] == 1


def test_namespaces_and_builds_do_not_see_each_other(
    redis_server: RedisServer, node: Callable[..., Node]
):
    first, second = node(redis_server.url()).ready(), node(redis_server.url()).ready()
    first.encode(["a"], namespace="n")
    first.ready()
    wide = HashingEncoder(dim=2 * DIM)
    settings = Cache(redis_url=redis_server.url(), redis_timeout_s=10)
    shared = SharedCache.configured(settings, wide)
    assert shared is not None
    shared.start()
    other_build = CachedEncoder(wide, EmbeddingCache(1 << 20), shared)
    assert shared.wait_idle(60)

    assert not second.encode(["a"]).cached[0]
    assert not second.encode(["b"], namespace="n").cached[0]
    assert second.encode(["a"], namespace="n").cached[0]
    assert other_build.encode(["a"], namespace="n").vectors.shape == (1, 2 * DIM)
    assert not shared.stats()["hits"]
    other_build.close()


def test_a_call_of_many_texts_asks_for_all_of_them(
    redis_server: RedisServer, node: Callable[..., Node]
):
    texts = [f"text {number}" for number in range(1000)]
    first, second = node(redis_server.url()).ready(), node(redis_server.url()).ready()
    first.ask(*texts)
    first.ready()

    assert all(second.ask(*texts))
    assert second.redis.stats()["lookups"] == 8


def test_threads_share_round_trips_and_get_their_own_answers(
    redis_server: RedisServer, node: Callable[..., Node]
):
    writer, reader = node(redis_server.url()).ready(), node(redis_server.url()).ready()
    texts = [f"text {number}" for number in range(160)]
    writer.ask(*texts)
    writer.ready()

    def work(at: int) -> bool:
        mine = [texts[at], f"new {at}"]
        found = reader.encode(mine)
        expected = HashingEncoder(dim=DIM).encode(mine)
        return found.cached.tolist() == [True, False] and (
            found.vectors.tobytes() == expected.vectors.tobytes()
        )

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(160)))
    assert reader.redis.stats()["hits"] == 160


def test_the_time_to_live_is_on_the_key_and_counts_from_the_computation(
    redis_server: RedisServer, node: Callable[..., Node]
):
    first = node(redis_server.url(), ttl_s=600.0).ready()
    first.ask("a")
    first.ready()
    client, (name,) = redis_server.client(), redis_server.client().keys()
    assert 500_000 < client.pttl(name) <= 600_000

    second = node(redis_server.url(), ttl_s=600.0).ready()
    second.wall.now += 590
    assert second.encode(["a"]).cached[0]
    second.wall.now += 20
    assert not second.encode(["a"]).cached[0], "its age goes with it into the memory"
    assert second.cache.stats()["expired"] == 1
    assert second.redis.stats()["expired"] == 1

    second.ready()
    client.pexpire(name, 0)
    assert first.ask("a") == [False]


def test_a_shorter_time_to_live_holds_at_once_in_both_tiers(
    redis_server: RedisServer, node: Callable[..., Node]
):
    one = node(redis_server.url(), ttl_s=600.0).ready()
    one.encode(["a"])
    one.ready()
    one.wall.now += 100
    assert one.encode(["a"]).cached[0]

    one.cache.set_ttl(60)
    one.redis.set_ttl(60)

    assert not one.encode(["a"]).cached[0]
    one.ready()
    (name,) = redis_server.client().keys()
    assert 0 < redis_server.client().pttl(name) <= 60_000


def test_without_a_time_to_live_the_key_stays(redis_server: RedisServer, node: Callable[..., Node]):
    one = node(redis_server.url()).ready()
    one.ask("a")
    one.ready()

    (name,) = redis_server.client().keys()
    assert redis_server.client().pttl(name) == -1


def test_flushing_redis_while_running_costs_a_computation(
    redis_server: RedisServer, node: Callable[..., Node]
):
    one = node(redis_server.url()).ready()
    one.ask("a")
    one.ready()
    redis_server.client().flushall()

    assert one.ask("a") == [False]
    one.ready()
    assert one.ask("a") == [True]
    assert one.redis.stats()["failures"] == 0


def test_a_connection_that_redis_closed_is_made_anew_unnoticed(
    redis_server: RedisServer, node: Callable[..., Node]
):
    one = node(redis_server.url()).ready()
    one.ask("a")
    one.ready()
    for number in range(3):
        redis_server.client().client_kill_filter(_type="normal", skipme=True)

        assert one.ask("a", f"new {number}") == [True, False]
        one.ready()

    stats = one.redis.stats()
    assert (stats["failures"], stats["dropped"], stats["written"]) == (0, 0, 4)


REGIONS = {
    "magic": 0, "version": 4, "flags": 5, "dim": 6, "tokens": 8, "made at": 12, "build": 20,
    "checksum": 36, "first number": 52, "last number": 52 + 4 * DIM - 1,
}  # fmt: skip


@pytest.mark.parametrize("at", REGIONS.values(), ids=REGIONS)
def test_a_damaged_value_is_a_miss_and_goes(
    redis_server: RedisServer, node: Callable[..., Node], at: int
):
    one = node(redis_server.url()).ready()
    one.ask("a")
    one.ready()
    client, name = redis_server.client(), one.codec.name(cache_key(one.build_id, "a"))
    value = bytearray(redis_server.value(name))
    value[at] ^= 0xFF
    client.set(name, bytes(value))

    # Looked up alone, so that no new value is written over it.
    assert one.redis.get_many([cache_key(one.build_id, "a")]) == {}
    one.ready()

    assert client.get(name) is None
    assert one.redis.stats()["corrupted"] == 1
    assert one.ask("a") == [False]
    one.ready()
    assert one.ask("a") == [True]


@pytest.mark.parametrize("change", ["cut", "longer", "empty", "swapped", "list"])
def test_a_value_that_is_another_one_is_a_miss(
    redis_server: RedisServer, node: Callable[..., Node], change: str
):
    one = node(redis_server.url()).ready()
    one.ask("a", "b")
    one.ready()
    client = redis_server.client()
    name, other = (one.codec.name(cache_key(one.build_id, text)) for text in "ab")
    value = redis_server.value(name)
    if change == "list":
        client.delete(name)
        client.rpush(name, "x")
    else:
        changed = {
            "cut": value[:-1], "longer": value + b"\0", "empty": b"",
            "swapped": redis_server.value(other),
        }  # fmt: skip
        client.set(name, changed[change])

    assert one.ask("a", "b") == [False, True]
    one.ready()
    assert one.ask("a", "b") == [True, True]
    assert one.redis.stats()["corrupted"] == (0 if change == "list" else 1)


def test_redis_that_only_has_bad_values_is_left_alone(
    redis_server: RedisServer, node: Callable[..., Node]
):
    texts = [f"text {number}" for number in range(20)]
    one = node(redis_server.url()).ready()
    one.ask(*texts)
    one.ready()
    client = redis_server.client()
    for name in list(client.scan_iter()):
        client.set(name, b"nonsense")

    assert one.ask(*texts) == [False] * 20
    assert one.redis.stats()["state"] == "open"
    assert "did not verify" in str(one.redis.stats()["error"])


def test_closing_writes_what_is_queued(redis_server: RedisServer, node: Callable[..., Node]):
    one = node(redis_server.url()).ready()
    one.ask(*[f"text {number}" for number in range(500)])
    one.close()

    assert redis_server.client().dbsize() == 500
    assert not one.encode(["after the end"]).cached[0]
    one.close()


def test_an_engine_uses_the_redis_of_its_settings_and_says_so(
    redis_server: RedisServer, tmp_path: Path
):
    settings = Settings(cache=Cache(redis_url=redis_server.url(), redis_timeout_s=10))

    def engine(name: str) -> Engine:
        opened = Engine.open(settings, encoder=HashingEncoder(), store=SqliteStore(tmp_path / name))
        assert opened.shared_cache is not None
        assert opened.shared_cache.wait_idle(60)
        return opened

    with engine("one") as first:
        assert not first.embed(["a"]).cached[0]
    with engine("two") as second:
        assert second.embed(["a"]).cached[0]
        part = second.health().components["cache"]
        assert part["status"] == "ok"
        assert part["redis"]["state"] == "closed"
        assert part["redis"]["hits"] == 1
        assert second.encoder.lookups() == (1, 1)


def test_without_redis_in_the_settings_its_library_is_not_even_loaded(tmp_path: Path):
    code = (
        "import sys, pathlib\n"
        "from openviking.config import Settings\n"
        "from openviking.encoder.fake import HashingEncoder\n"
        "from openviking.engine import Engine\n"
        "from openviking.store import SqliteStore\n"
        "store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "engine = Engine.open(Settings(), encoder=HashingEncoder(), store=store)\n"
        "engine.embed(['a'])\n"
        "print(engine.health().components['cache']['redis'])\n"
        "engine.close()\n"
        "assert 'redis' not in sys.modules\n"
    )

    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", code, tmp_path],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "{'state': 'off'}"


def test_a_tier_that_was_never_started_knows_nothing_and_closes():
    settings = Cache(redis_url=RedisUrl("redis://nowhere.invalid"))
    shared = SharedCache.configured(settings, HashingEncoder())

    assert SharedCache.configured(Cache(), HashingEncoder()) is None
    assert shared is not None
    assert shared.get_many([b"key"]) == {}
    assert shared.stats()["bypassed"] == 1
    shared.close()
