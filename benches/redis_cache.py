"""What the second tier of the cache saves, and what it costs when Redis is gone.

python -m benches.redis_cache [--rounds 300]

The real model and a real redis-server on a Unix socket of this machine; medians. A hit in Redis is
held against computing the same texts in the same run, and must be the faster of the two.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cache.servers import RedisServer

from openviking.cache import CachedEncoder, EmbeddingCache, SharedCache
from openviking.config import Cache, load_settings
from openviking.encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.config import RedisUrl
    from openviking.types import TextEncoder

WAIT_S = 60.0


def median_ms(encode: Callable[[list[str]], object], calls: Sequence[list[str]]) -> float:
    """Encode the texts of each call, and return the median time of a call."""
    times = []
    for texts in calls:
        started = time.perf_counter()
        encode(texts)
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def opened(
    url: RedisUrl, encoder: TextEncoder, timeout_s: float
) -> tuple[CachedEncoder, SharedCache]:
    """Return two tiers over *encoder*, connected."""
    shared = SharedCache.configured(Cache(redis_url=url, redis_timeout_s=timeout_s), encoder)
    assert shared is not None
    shared.start()
    assert shared.wait_idle(WAIT_S)
    return CachedEncoder(encoder, EmbeddingCache(64 << 20), shared), shared


def measure_hits(server: RedisServer, encoder: TextEncoder, batch: int, rounds: int) -> None:
    """Time texts that nobody knows, that Redis knows, and that this process knows."""
    # A second, lest a busy machine make Redis look slow: here it is well.
    cached, shared = opened(server.url(), encoder, 1.0)
    calls = [[f"call {at} of {batch} texts, part {part}" for part in range(batch)]
             for at in range(rounds)]  # fmt: skip
    computed = median_ms(encoder.encode, calls)
    for texts in calls:
        cached.encode(texts)
        assert shared.wait_idle(WAIT_S)
    cached.cache.clear()
    before = shared.stats()["hits"]
    in_redis = median_ms(cached.encode, calls)
    assert shared.stats()["hits"] - before == batch * rounds, "every text must be in Redis"
    in_memory = median_ms(cached.encode, calls)
    assert in_redis < computed
    print(
        f"{batch} texts of 10 tokens: computed {computed:.2f} ms, in Redis {in_redis:.2f} ms "
        f"({computed / in_redis:.0f}x), in memory {in_memory:.3f} ms"
    )
    cached.shared = None  # the encoder is still needed
    shared.close()


def measure_absence(server: RedisServer, encoder: TextEncoder, end: int, rounds: int) -> None:
    """Time new texts while Redis is frozen or dead, beside the same without a second tier."""
    name = signal.Signals(end).name
    cached, shared = opened(server.url(), encoder, Cache().redis_timeout_s)
    server.signal(end)
    first = median_ms(cached.encode, [[f"the very first text after {name}, never seen"]])
    assert shared.stats()["state"] == "open"
    later, without = [], []
    for at in range(rounds):  # in turns, for the machine has phases
        later.append(median_ms(cached.encode, [[f"text {at} after {name}, never seen"]]))
        without.append(median_ms(encoder.encode, [[f"text {at} with no {name}, never seen"]]))
    print(
        f"{name}: the first request {first:.1f} ms, later ones "
        f"{statistics.median(later):.2f} ms, without a second tier "
        f"{statistics.median(without):.2f} ms"
    )
    server.signal(signal.SIGCONT)
    cached.shared = None
    shared.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=300)
    rounds = parser.parse_args().rounds
    model = load_settings().model
    with (
        tempfile.TemporaryDirectory() as folder,
        Encoder.open(model_dir=model.dir, precision=model.precision) as encoder,
    ):
        server = RedisServer(Path(folder))
        try:
            encoder.encode(["a first text brings the weights into memory"])
            measure_hits(server, encoder, 1, rounds)
            measure_hits(server, encoder, 32, max(rounds // 20, 5))
            measure_absence(server, encoder, signal.SIGSTOP, rounds)
            measure_absence(server, encoder, signal.SIGKILL, rounds)
        finally:
            server.kill()


if __name__ == "__main__":
    main()
