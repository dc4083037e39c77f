"""Requests and answers of the runbook calls."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

import msgspec

from openviking_asgi.limits import CACHE_ENTRIES_MAX, DEADLINE_MS_MAX, DEADLINE_MS_MIN, QUEUE_MAX


class BreakerRequest(msgspec.Struct, frozen=True):
    """Failures in a row that open an operation's circuit, and for how many seconds."""

    failure_threshold: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 5
    recovery_timeout: Annotated[float, msgspec.Meta(ge=0.1, le=86_400)] = 30


class BreakerAnswer(TypedDict):
    """What is in force, until the server is restarted."""

    status: Literal["enabled"]
    failure_threshold: int
    recovery_timeout: float
    open_operations: list[str]


class CacheResizeRequest(msgspec.Struct, frozen=True):
    """How many embeddings the cache may hold; 0 turns it off."""

    max_size: Annotated[int, msgspec.Meta(ge=0, le=CACHE_ENTRIES_MAX)] = 2000


class CacheResizeAnswer(TypedDict):
    """What is in force, until the server is restarted; then it is ``cache.bytes_max`` again.

    ``max_size`` counts embeddings, as callers of old expect; the bound itself is ``bytes_max``.
    """

    status: Literal["resized"]
    max_size: int
    bytes_max: int
    previous_max_size: int
    entries: int
    evicted: int


class QueueRequest(msgspec.Struct, frozen=True):
    """Requests that may run or wait at once, and milliseconds until one is given up."""

    max_queue_size: Annotated[int, msgspec.Meta(ge=1, le=QUEUE_MAX)] = 1000
    timeout_ms: Annotated[int, msgspec.Meta(ge=DEADLINE_MS_MIN, le=DEADLINE_MS_MAX)] = 30_000


class QueueAnswer(TypedDict):
    """What is in force for requests to come, until the server is restarted."""

    status: Literal["enabled"]
    max_queue_size: int
    timeout_ms: int
    jobs: int
    waiting: int


class AggressiveCacheRequest(msgspec.Struct, frozen=True):
    """For how many seconds embeddings are kept, and whether all of them are."""

    cache_ttl_seconds: Annotated[int, msgspec.Meta(ge=1, le=31_536_000)] = 3600
    force_cache: bool = True


class AggressiveCacheAnswer(TypedDict):
    """What is in force, until the server is restarted; then it is ``cache.ttl_s`` again.

    ``redis`` is the state of the second tier, ``off`` if there is none.
    """

    status: Literal["enabled"]
    cache_ttl_seconds: int
    force_cache: bool
    bytes_max: int
    redis: Literal["off", "closed", "open", "half_open"]
    detail: str


class MigrationAnswer(TypedDict):
    """How far this server has taken over: ``completed`` once everything that it has is searchable.

    ``counts`` are records of the store; ``pending`` are skills that wait for
    their vectors, and files of watched folders that wait for their first import.
    """

    status: Literal["completed", "in_progress"]
    active_system: Literal["openviking"]
    timestamp: str
    counts: dict[str, int]
    pending: int
    features: list[str]
    components: dict[str, dict[str, Any]]
    detail: str
