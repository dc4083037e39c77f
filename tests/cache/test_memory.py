from __future__ import annotations

import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from openviking.cache import CachedEmbedding, EmbeddingCache, cache_key
from openviking.cache.memory import ENTRY_OVERHEAD_BYTES
from openviking.errors import InputError

DIM = 16
ENTRY_BYTES = DIM * 4 + ENTRY_OVERHEAD_BYTES


def embedding(value: int = 0, made_at: float = 0.0) -> CachedEmbedding:
    vector = np.full(DIM, value, dtype=np.float32)
    vector.flags.writeable = False
    return CachedEmbedding(vector, value + 1000, is_truncated=False, made_at=made_at)


def key(number: int) -> bytes:
    return cache_key("build", str(number))


def test_the_least_recently_used_entry_is_given_up_first() -> None:
    cache = EmbeddingCache(3 * ENTRY_BYTES)
    for number in range(3):
        cache.put(key(number), embedding(number))
    assert cache.get(key(0)) is not None
    cache.put(key(3), embedding(3))
    assert [cache.peek(key(number)) is not None for number in range(4)] == [True, False, True, True]
    assert cache.stats() == {
        "hits": 1,
        "misses": 0,
        "evictions": 1,
        "expired": 0,
        "entries": 3,
        "bytes": 3 * ENTRY_BYTES,
        "bytes_max": 3 * ENTRY_BYTES,
        "ttl_s": None,
    }


def test_peeking_counts_nothing_and_saves_nothing_from_eviction() -> None:
    cache = EmbeddingCache(2 * ENTRY_BYTES)
    cache.put(key(0), embedding())
    cache.put(key(1), embedding())
    cache.peek(key(0))
    cache.put(key(2), embedding())
    assert cache.peek(key(0)) is None
    assert cache.stats()["hits"] == cache.stats()["misses"] == 0


def test_putting_a_key_again_replaces_it_without_counting_its_bytes_twice() -> None:
    cache = EmbeddingCache(10 * ENTRY_BYTES)
    cache.put(key(0), embedding(1))
    cache.put(key(0), embedding(2))
    found = cache.get(key(0))
    assert found is not None
    assert found.token_count == 1002
    assert cache.stats()["bytes"] == ENTRY_BYTES


@pytest.mark.parametrize("bytes_max", [0, ENTRY_BYTES - 1])
def test_a_cache_without_room_keeps_nothing_and_evicts_nothing(bytes_max: int) -> None:
    cache = EmbeddingCache(bytes_max)
    cache.put(key(0), embedding())
    assert cache.get(key(0)) is None
    assert (cache.stats()["entries"], cache.stats()["evictions"]) == (0, 0)


def test_resizing_gives_up_what_no_longer_fits_at_once_and_clearing_everything() -> None:
    cache = EmbeddingCache(4 * ENTRY_BYTES)
    for number in range(4):
        cache.put(key(number), embedding())
    cache.resize(2 * ENTRY_BYTES)
    assert (cache.stats()["entries"], cache.stats()["evictions"]) == (2, 2)
    assert cache.peek(key(3)) is not None
    cache.clear()
    assert (cache.stats()["entries"], cache.stats()["bytes"], cache.stats()["evictions"]) == (
        0,
        0,
        2,
    )


def test_an_entry_is_given_up_at_its_age_whoever_asks() -> None:
    now = [1000.0]
    cache = EmbeddingCache(10 * ENTRY_BYTES, ttl_s=60, clock=lambda: now[0])
    cache.put(key(0), embedding(made_at=1000.0))
    cache.put(key(1), embedding(made_at=990.0))
    now[0] = 1059.0
    assert cache.get(key(0)) is not None
    assert cache.peek(key(1)) is None
    assert cache.get(key(1)) is None
    stats = cache.stats()
    assert (stats["hits"], stats["misses"], stats["expired"]) == (1, 1, 1)
    assert (stats["entries"], stats["bytes"], stats["evictions"]) == (1, ENTRY_BYTES, 0)


def test_a_new_time_to_live_holds_for_what_is_there_already() -> None:
    now = [1000.0]
    cache = EmbeddingCache(10 * ENTRY_BYTES, ttl_s=60, clock=lambda: now[0])
    cache.put(key(0), embedding(made_at=1000.0))
    now[0] = 1100.0
    cache.set_ttl(None)
    assert cache.get(key(0)) is not None
    cache.set_ttl(101)
    assert cache.get(key(0)) is not None
    cache.set_ttl(100)
    assert cache.get(key(0)) is None
    assert cache.stats()["ttl_s"] == 100


def test_a_clock_that_jumps_back_keeps_entries() -> None:
    now = [1000.0]
    cache = EmbeddingCache(10 * ENTRY_BYTES, ttl_s=60, clock=lambda: now[0])
    cache.put(key(0), embedding(made_at=1000.0))
    now[0] = 0.0
    assert cache.get(key(0)) is not None


def test_a_negative_size_is_refused() -> None:
    with pytest.raises(InputError, match="-1"):
        EmbeddingCache(-1)
    cache = EmbeddingCache(5)
    with pytest.raises(InputError):
        cache.resize(-1)
    assert cache.stats()["bytes_max"] == 5


def test_the_bytes_of_an_entry_are_an_honest_upper_bound() -> None:
    cache = EmbeddingCache(1 << 30)
    count = 2000
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(count):
            cache.put(key(number), embedding(number, made_at=1e9 + number))
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert 0.7 * cache.stats()["bytes"] < taken <= cache.stats()["bytes"]


def test_keys_differ_in_build_namespace_and_text_and_never_run_together() -> None:
    triples: list[tuple[str, str, str | None]] = [
        ("b", "t", None),
        ("b", "t", ""),
        ("b", "t", "n"),
        ("b", "tn", None),
        ("bt", "", None),
        ("", "bt", None),
        ("b", "", "t"),
        ("n", "t", "b"),
        ("b", "t\x001,1,1;bn", None),
        ("b", "t ", None),
        ("b", "T", None),
    ]
    assert len({cache_key(*triple) for triple in triples}) == len(triples)
    assert cache_key("b", "t", "n") == cache_key("b", "t", "n")


@pytest.mark.parametrize("text", ["\ud800", b"bytes", None, 5])
def test_what_is_not_valid_text_has_no_key(text: Any) -> None:
    with pytest.raises(InputError):
        cache_key("b", text)


def test_threads_keep_counters_and_bytes_exact() -> None:
    cache = EmbeddingCache(50 * ENTRY_BYTES)
    start = threading.Barrier(8)

    def work(seed: int) -> int:
        rng = np.random.default_rng(seed)
        start.wait()
        for number in rng.integers(0, 100, 2000).tolist():
            if cache.get(key(number)) is None:
                cache.put(key(number), embedding(number))
        return 2000

    with ThreadPoolExecutor(8) as pool:
        lookups = sum(pool.map(work, range(8)))
    stats = cache.stats()
    assert stats["hits"] + stats["misses"] == lookups
    assert stats["entries"] == 50
    assert stats["bytes"] == 50 * ENTRY_BYTES
