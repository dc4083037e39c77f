"""The part of the Store interface that keeps resources, and the records it speaks in."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from openviking.store.matches import WordMatches
    from openviking.types import Resource, ResourcePage, RowIds, Vectors

PIECES_PER_RESOURCE = 1024
"""A vector's id is the resource's number times this plus its place; no resource has more pieces."""

_TITLE_CHARS_MAX = 160
_HEADING = re.compile(r"^ {0,3}#{1,6}[ \t]+(\S.{0,400})", re.MULTILINE)
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,8}$")
_CODE = re.compile(r"^[0-9a-fA-F-]{8,}$|^[\W\d_]*$")


@dataclass(frozen=True, slots=True)
class NewResource:
    """A version to store.

    Attributes:
        content: any text.
        target_uri: any text; it means this version from now on.
        resource_type: what the content is.
        session_id: a session that is told by *note*, in the same transaction; created if missing.
        metadata: JSON values under text keys.
        ttl_s: seconds after which it vanishes; None for never.
        expires_at: when it vanishes, for a version that is restored; *ttl_s* then says nothing.
        note: the system message for the session.
        created_at: when it was stored first, for a version that is restored.
    """

    content: str
    target_uri: str
    resource_type: str = "memory"
    session_id: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    ttl_s: float | None = None
    expires_at: datetime | None = None
    note: str | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class StoredResource:
    """A stored version, the store's number of it, and the numbers that it took the place of."""

    number: int
    resource: Resource
    replaced: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundResource:
    """A newest version with the places of its pieces, (pieces, 2) int32; none if not yet cut."""

    number: int
    resource: Resource
    spans: NDArray[Any]


@dataclass(frozen=True, slots=True)
class ResourceVectors:
    """What a version is found by: places (n, 2) int32 of its pieces, and vectors (n, dim) float32.

    No rows say that there is nothing to embed.
    """

    number: int
    spans: NDArray[Any]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class ResourceFilter:
    """Which resources are meant; what is None or empty excludes none.

    Attributes:
        resource_type: only of this type.
        prefix: only URIs that start with it, case and all.
        metadata: only with equal values under these top-level keys; 1 equals 1.0, but not true.
        session_id: only what was stored for this session.
    """

    resource_type: str | None = None
    prefix: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    session_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether every resource passes."""
        is_any = self.resource_type is None and self.session_id is None
        return is_any and not self.prefix and not self.metadata


class ResourceStore(Protocol):
    """Versions of texts under URIs, and what makes the newest of each findable.

    A resource whose newest version has expired is gone for every method here, whether or not a
    sweep has deleted it yet; so is an older version that has expired by itself.
    """

    def put(self, new: Sequence[NewResource]) -> list[StoredResource]:
        """Store versions in order, in one transaction."""

    def get(self, resource_id: str) -> Resource:
        """Return one version by id; raises NotFoundError."""

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""

    def versions(self, target_uri: str, *, limit: int, before: int | None) -> list[Resource]:
        """Return versions of a URI, the newest first, older than number *before* of that URI."""

    def page(self, chosen: ResourceFilter, *, limit: int, after: str | None) -> ResourcePage:
        """Return newest versions in URI order, behind the URI *after*."""

    def delete(self, resource_id: str) -> tuple[int, ...]:
        """Delete every version of the URI that the id belongs to; return their numbers.

        Raises NotFoundError.
        """

    def sweep(self, *, limit: int) -> tuple[int, ...]:
        """Delete up to *limit* versions that have expired; return the numbers of what went."""

    def hide_expired(self) -> tuple[int, ...]:
        """Take what has expired out of the words; return the numbers, each once."""

    def match(self, query: str, limit: int) -> WordMatches:
        """Return lexical hits among the newest versions; their ids are numbers as text."""

    def load_words(self) -> None:
        """Read into memory now what the first search would otherwise wait for."""

    def numbers(self, chosen: ResourceFilter) -> RowIds:
        """Return the numbers of all newest versions that pass, (n,) int64, in no order."""

    def get_many(self, numbers: Sequence[int]) -> list[FoundResource]:
        """Return those of *numbers* that are newest versions and have not expired, in order."""

    def without_vectors(self, build_id: str, *, after: int, limit: int) -> list[StoredResource]:
        """Return newest versions behind the number *after* that have no vectors of that build."""

    def put_vectors(self, build_id: str, entries: Sequence[ResourceVectors]) -> list[bool]:
        """Store vectors in one transaction; say of each whether its version is still the newest.

        Those of any other version are not stored.
        """

    def vectors(self, build_id: str) -> Iterator[tuple[RowIds, RowIds, Vectors]]:
        """Yield, block by block, numbers (m,), ids of vectors (n,) and vectors (n, dim) float32.

        The vectors are of about unit length, for they are kept with half precision. A number
        without vectors had nothing to embed.
        """

    def count(self) -> int:
        """Count the newest versions."""


def title_of(target_uri: str, metadata: Mapping[str, Any], content: str) -> str:
    """Return what a resource is called: its metadata's title or name, else its first heading.

    Without both it is the last part of the URI in words, unless that is a number or a code.
    """
    for key in ("title", "name"):
        value = metadata.get(key)
        if isinstance(value, str) and value.strip():
            return " ".join(value.split())[:_TITLE_CHARS_MAX]
    heading = _HEADING.match(content.lstrip()[:1000])
    if heading:
        return " ".join(heading[1].strip(" #\t").split())[:_TITLE_CHARS_MAX]
    last = _SUFFIX.sub("", target_uri[-400:].rstrip("/").rpartition("/")[2])
    if _CODE.match(last):
        return ""
    return " ".join(re.split(r"[-_\s]+", last)).strip()[:_TITLE_CHARS_MAX]
