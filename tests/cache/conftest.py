"""Redis servers, and cached encoders over them whose deadlines no slow machine can miss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.cache.servers import RedisServer

from openviking.cache import CachedEncoder, EmbeddingCache, SharedCache
from openviking.cache.wire import Codec
from openviking.cache.worker import Timing
from openviking.encoder.fake import HashingEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openviking.config import RedisUrl

DIM = 16
PATIENT = Timing(timeout_s=60.0, background_s=60.0, close_s=60.0)
HASTY = Timing(timeout_s=0.05, recovery_s=5.0, background_s=60.0, close_s=0.05)
"""For a Redis that does not answer: the deadline is what the test waits for."""


class Clock:
    """Seconds that pass when they are told to."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="session")
def common_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("r"))
    yield server
    server.kill()


@pytest.fixture
def redis_server(common_server: RedisServer) -> RedisServer:
    """An empty server for tests that leave it as it is, but for its data."""
    common_server.client().flushall()
    return common_server


@pytest.fixture
def own_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., RedisServer]]:
    """Start servers that the test may treat as it likes."""
    started: list[RedisServer] = []

    def start(*options: str) -> RedisServer:
        started.append(RedisServer(tmp_path_factory.mktemp("r"), *options))
        return started[-1]

    yield start
    for server in started:
        server.kill()


class Node(CachedEncoder):
    """One server's two tiers over an encoder that counts."""

    def __init__(self, url: RedisUrl, timing: Timing = PATIENT, **more: Any) -> None:
        self.model = HashingEncoder(dim=DIM)
        self.codec = Codec(self.model.build_id, DIM)
        self.circuit_clock, self.wall = Clock(), Clock()
        self.redis = SharedCache(
            url,
            self.codec,
            timing=timing,
            clock=self.wall,
            circuit_clock=self.circuit_clock,
            **more,
        )
        memory = EmbeddingCache(1 << 20, clock=self.wall, **more)
        super().__init__(self.model, memory, self.redis, clock=self.wall)
        self.redis.start()

    def ready(self) -> Node:
        """Return once the first try is over and nothing is left to write."""
        assert self.redis.wait_idle(60)
        return self

    def ask(self, *texts: str) -> list[bool]:
        """Embed as a server does whose own memory has none of *texts*; check every number."""
        self.cache.clear()
        found = self.encode(texts)
        expected = HashingEncoder(dim=DIM).encode(texts)
        assert found.vectors.tobytes() == expected.vectors.tobytes()
        assert found.token_counts.tolist() == expected.token_counts.tolist()
        assert found.truncated.tolist() == expected.truncated.tolist()
        return list(found.cached.tolist())


@pytest.fixture
def node() -> Iterator[Callable[..., Node]]:
    """Open nodes that are closed at the end."""
    opened: list[Node] = []

    def start(url: RedisUrl, timing: Timing = PATIENT, **more: Any) -> Node:
        opened.append(Node(url, timing, **more))
        return opened[-1]

    yield start
    for one in opened:
        one.close()
