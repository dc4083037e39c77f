"""Requests and answers about resources."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypedDict

import msgspec

from openviking.resources import TTL_S_MAX
from openviking_asgi.limits import PAGE_DEFAULT, PAGE_MAX, RESULTS_MAX, URI_CHARS_MAX
from openviking_asgi.schemas import Name  # noqa: TC001 - msgspec reads it

Uri: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=URI_CHARS_MAX)]


class PutResourceRequest(msgspec.Struct, frozen=True):
    """A text to keep under a URI of the client's choice."""

    content: str
    target_uri: Uri
    resource_type: Annotated[Name, msgspec.Meta(min_length=1)] = "memory"
    session_id: Name | None = None
    metadata: dict[str, Any] | None = None
    ttl_s: Annotated[float, msgspec.Meta(gt=0, le=TTL_S_MAX)] | None = None
    """Seconds after which the resource vanishes; null for never."""


class PutResourceAnswer(TypedDict):
    """The stored version; sent when it is on disk."""

    success: bool
    resource_id: str
    message: str
    session_id: str | None
    target_uri: str
    version: int


class ResourceAnswer(TypedDict):
    """One version of a resource."""

    id: str
    content: str
    target_uri: str
    resource_type: str
    session_id: str | None
    metadata: dict[str, Any]
    version: int
    timestamp: str
    expires_at: str | None


class ResourceQuery(msgspec.Struct, frozen=True):
    """Which resources to list; ``after`` is the ``next`` of the page before.

    ``metadata`` is a JSON object: only resources with equal values under its keys are listed.
    """

    resource_type: Name | None = None
    prefix: Uri | None = None
    metadata: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    after: Uri | None = None


class ResourceList(TypedDict):
    """One page of newest versions in URI order; ``next`` is null on the last one."""

    resources: list[ResourceAnswer]
    count: int
    next: str | None


class VersionsQuery(msgspec.Struct, frozen=True):
    """Whose versions to list; ``before`` is the ``next`` of the page before."""

    target_uri: Uri
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    before: Annotated[int, msgspec.Meta(ge=1, le=2**62)] | None = None


class VersionList(TypedDict):
    """Versions of one URI, the newest first; ``next`` is null on the last page."""

    target_uri: str
    versions: list[ResourceAnswer]
    count: int
    next: int | None


class ResourceSearchRequest(msgspec.Struct, frozen=True):
    """A question; the other fields narrow where an answer is looked for.

    ``metadata`` asks for equal values under its keys, ``session_id`` for what was stored for that
    session.
    """

    query: str
    max_results: Annotated[int, msgspec.Meta(ge=1, le=RESULTS_MAX)] = 10
    resource_type: Name | None = None
    prefix: Uri | None = None
    metadata: dict[str, Any] | None = None
    session_id: Name | None = None


class ResourcePassageAnswer(TypedDict):
    """The part of the content that fits: its characters ``start`` to ``end``."""

    text: str
    start: int
    end: int


class ResourceWhyAnswer(TypedDict):
    """Why a resource was found: cosine and bm25, the rank by each, and where words matched."""

    meaning: float | None
    words: float
    semantic_rank: int | None
    lexical_rank: int | None
    fields: list[str]
    terms: list[str]


class ResourceFound(TypedDict):
    """A resource that has to do with the question; its whole content is read by its id."""

    id: str
    target_uri: str
    resource_type: str
    session_id: str | None
    metadata: dict[str, Any]
    version: int
    timestamp: str
    expires_at: str | None
    score: float
    passage: ResourcePassageAnswer
    why: ResourceWhyAnswer


class ResourceSearchAnswer(TypedDict):
    """What has to do with the question, best first; nothing is a good answer when nothing is near.

    ``degraded`` says why meaning was not used, if it was not.
    """

    resources: list[ResourceFound]
    query: str
    found_count: int
    search_time_ms: float
    truncated: bool
    degraded: str | None
