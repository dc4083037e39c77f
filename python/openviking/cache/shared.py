"""The second tier: embeddings in a Redis that several servers share.

Whatever goes wrong there, the answer is "not known": the cache fails open.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypedDict

from openviking.cache.link import Write
from openviking.cache.tally import Tally
from openviking.cache.wire import Codec
from openviking.cache.worker import NAMES_MAX, RedisWorker, Timing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.cache.memory import CachedEmbedding
    from openviking.circuit import CircuitState
    from openviking.config import Cache, RedisUrl
    from openviking.types import TextEncoder

BAD_VALUES_MAX = 16
"""Values in a row that do not verify, after which Redis is left alone like one that fails."""


class SharedStats(TypedDict):
    """What the second tier does, and has done since the start.

    Attributes:
        state: whether Redis is asked: ``closed`` (yes), ``open`` (no), ``half_open`` (a try in the
            background decides, as it does when the server starts).
        writes: the same for writes, which a full or read-only Redis refuses.
        server: the Redis, without its password.
        error: why it is left alone now.
        hits: texts whose embedding was there.
        misses: texts whose embedding was not.
        expired: misses because the embedding was older than the time to live in force.
        corrupted: misses because the value did not verify; it was deleted.
        bypassed: texts that Redis was not asked for, or did not answer for.
        failures: times that Redis did not answer as it should.
        lookups: answers that requests waited for, and ``lookup_seconds`` they waited together.
        written: writes that are done.
        refused: writes that Redis refused.
        dropped: writes given up because the queue was full or Redis left alone.
        queued: writes that wait.
    """

    state: CircuitState
    writes: CircuitState
    server: str
    error: str | None
    hits: int
    misses: int
    expired: int
    corrupted: int
    bypassed: int
    failures: int
    lookups: int
    lookup_seconds: float
    written: int
    refused: int
    dropped: int
    queued: int


class SharedCache:
    """The embeddings of one encoder in Redis. Safe for threads; raises nothing that Redis did.

    Args:
        url: the Redis.
        codec: names and values of the encoder's embeddings.
        ttl_s: age at which an embedding counts as unknown; it is written for that long.
        timing: deadlines.
        clock: Unix seconds, for ages.
        circuit_clock: monotonic seconds, for the circuits.
    """

    def __init__(
        self,
        url: RedisUrl,
        codec: Codec,
        *,
        ttl_s: float | None = None,
        timing: Timing | None = None,
        clock: Callable[[], float] = time.time,
        circuit_clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._codec = codec
        self._ttl_s = ttl_s
        self._timing = timing or Timing()
        self._clock = clock
        self._circuit_clock = circuit_clock
        self._tally = Tally()
        self._bad_in_a_row = 0
        self._worker: RedisWorker | None = None

    @classmethod
    def configured(cls, settings: Cache, encoder: TextEncoder) -> SharedCache | None:
        """Return the tier that *settings* name for *encoder*, not yet started; None if none."""
        if settings.redis_url is None:
            return None
        timing = Timing(timeout_s=settings.redis_timeout_s, recovery_s=settings.redis_recovery_s)
        codec = Codec(encoder.build_id, encoder.dim)
        return cls(settings.redis_url, codec, ttl_s=settings.ttl_s, timing=timing)

    def start(self) -> None:
        """Begin to connect, in the background. Until that is done everything is unknown."""
        if self._worker is None:
            self._worker = RedisWorker(self._url, self._timing, self._tally, self._circuit_clock)

    def get_many(self, keys: Sequence[bytes]) -> dict[bytes, CachedEmbedding]:
        """Return those of *keys* that Redis has and that verify.

        Waits ``timeout_s`` at most for each NAMES_MAX keys, and for none once Redis has failed.
        """
        found: dict[bytes, CachedEmbedding] = {}
        for start in range(0, len(keys), NAMES_MAX):
            some = keys[start : start + NAMES_MAX]
            values = self._ask(some)
            if values is None:
                self._tally.add("bypassed", len(keys) - start)
                break
            for key, value in zip(some, values, strict=True):
                entry = self._checked(key, value)
                if entry is not None:
                    found[key] = entry
        return found

    def put(self, key: bytes, entry: CachedEmbedding) -> None:
        """Have *entry* written some time later; never waits."""
        worker, ttl_ms = self._worker, None
        if worker is None:
            return
        if self._ttl_s is not None:
            ttl_ms = int((self._ttl_s - self._age_s(entry)) * 1000)
        value = self._codec.pack(key, entry)
        if value is not None and (ttl_ms is None or ttl_ms > 0):
            worker.write(Write(self._codec.name(key), value, ttl_ms))

    def set_ttl(self, ttl_s: float | None) -> None:
        """Set the time to live: a shorter one at once, a longer one for what is written from now.

        What is in Redis already is never deleted later than it was to be when it was written.
        """
        self._ttl_s = ttl_s

    def stats(self) -> SharedStats:
        """Return counters and states."""
        worker, values = self._worker, self._tally.read()
        counts = {name: int(value) for name, value in values.items()}
        return SharedStats(
            state="half_open" if worker is None else worker.answers.state,
            writes="closed" if worker is None else worker.writes.state,
            server=str(self._url),
            error=None if worker is None else worker.reason,
            hits=counts.get("hits", 0),
            misses=counts.get("misses", 0),
            expired=counts.get("expired", 0),
            corrupted=counts.get("corrupted", 0),
            bypassed=counts.get("bypassed", 0),
            failures=counts.get("failures", 0),
            lookups=counts.get("lookups", 0),
            lookup_seconds=values.get("lookup_seconds", 0.0),
            written=counts.get("written", 0),
            refused=counts.get("refused", 0),
            dropped=counts.get("dropped", 0),
            queued=0 if worker is None else worker.queued,
        )

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is asked, tried or to be written; returns whether that is so."""
        return self._worker is None or self._worker.wait_idle(timeout_s)

    def close(self) -> None:
        """Write what is still queued, within a bound, and disconnect; may be called twice."""
        if self._worker is not None:
            self._worker.close()

    def _ask(self, keys: Sequence[bytes]) -> list[object] | None:
        if self._worker is None:
            return None
        return self._worker.ask([self._codec.name(key) for key in keys])

    def _checked(self, key: bytes, value: object) -> CachedEmbedding | None:
        """Return the entry, or None and say why; what does not verify goes."""
        if value is None:
            self._tally.add("misses")
            return None
        entry = self._codec.unpack(key, value)
        if entry is None:
            self._tally.add("misses")
            self._tally.add("corrupted")
            self._reject(key)
            return None
        self._bad_in_a_row = 0
        if self._ttl_s is not None and self._age_s(entry) >= self._ttl_s:
            self._tally.add("misses")
            self._tally.add("expired")
            return None
        self._tally.add("hits")
        return entry

    def _reject(self, key: bytes) -> None:
        if self._worker is None:
            return
        self._worker.write(Write(self._codec.name(key), None, None))
        self._bad_in_a_row += 1
        if self._bad_in_a_row >= BAD_VALUES_MAX:
            self._bad_in_a_row = 0
            self._worker.fail(f"the last {BAD_VALUES_MAX} embeddings in Redis did not verify")

    def _age_s(self, entry: CachedEmbedding) -> float:
        return self._clock() - entry.made_at


def why_unusable(url: RedisUrl) -> str | None:
    """Ask a Redis once, for a second at most; return why it cannot be used, None if it can."""
    timing = Timing()
    worker = RedisWorker(url, timing, Tally())
    try:
        if not worker.wait_idle(2 * timing.background_s):
            return "no answer"
        return worker.reason
    finally:
        worker.close()
