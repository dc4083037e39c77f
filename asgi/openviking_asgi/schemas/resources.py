"""Requests and answers about resources."""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias, TypedDict

import msgspec

from openviking_asgi.limits import PAGE_DEFAULT, PAGE_MAX, URI_CHARS_MAX
from openviking_asgi.schemas import Name  # noqa: TC001 - msgspec reads it

Uri: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=URI_CHARS_MAX)]


class PutResourceRequest(msgspec.Struct, frozen=True):
    """A text to keep under a URI of the client's choice."""

    content: str
    target_uri: Uri
    resource_type: Annotated[Name, msgspec.Meta(min_length=1)] = "memory"
    session_id: Name | None = None
    metadata: dict[str, Any] | None = None


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


class ResourceQuery(msgspec.Struct, frozen=True):
    """Which resources to list; ``after`` is the ``next`` of the page before."""

    resource_type: Name | None = None
    prefix: Uri | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    after: Uri | None = None


class ResourceList(TypedDict):
    """One page of newest versions in URI order; ``next`` is null on the last one."""

    resources: list[ResourceAnswer]
    count: int
    next: str | None
