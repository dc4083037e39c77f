"""Resources: texts kept under a URI of the client's choice, with every earlier version.

This module owns what may be stored and how much of it; the store keeps whatever passes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from openviking.checks import NAME_CHARS_MAX, check_bytes, check_name, check_text, checked_metadata
from openviking.errors import InputError
from openviking.resources.embedder import Embedder
from openviking.resources.nearby import Nearby
from openviking.resources.search import Finder, ResourceSearch
from openviking.retrieval.background import Background
from openviking.retrieval.query import check_k
from openviking.store.resources import NewResource, ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from openviking.store.port import Store
    from openviking.types import Resource, ResourcePage, TextEncoder

CONTENT_BYTES_MAX = 4 << 20
"""Bytes of a content in UTF-8: a long book; more is a file, not a memory."""

URI_CHARS_MAX = 4096
"""Characters of a target URI or of a prefix."""

PAGE_MAX = 1000
"""Resources of one page."""

TTL_S_MAX = 100 * 366 * 86_400.0
"""Seconds that a resource may be given to live: a century."""


class Resources:
    """Puts, gets, lists, deletes and finds resources. Safe for threads.

    Args:
        store: where they last; not closed here.
        encoder: turns questions into vectors; not closed here. Without it a search looks for words
            only.
        passage_encoder: turns contents into vectors; not closed here. None means *encoder*, which
            is a waste if that is a cache: a content is encoded once and then lies in the store.
        background: what a question must stand out from; None makes one of its own.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder | None = None,
        *,
        passage_encoder: TextEncoder | None = None,
        background: Background | None = None,
    ) -> None:
        self._store = store.resources
        self._nearby = Nearby(1 if encoder is None else encoder.dim)
        if background is None and encoder is not None:
            background = Background(encoder)
        self._finder = Finder(self._store, encoder, self._nearby, background)
        self._embedder: Embedder | None = None
        if encoder is not None:
            self._embedder = Embedder(self._store, passage_encoder or encoder, self._nearby)
            self._embedder.start()

    def put(
        self,
        content: str,
        target_uri: str,
        *,
        resource_type: str = "memory",
        session_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        ttl_s: float | None = None,
    ) -> Resource:
        """Store a new version under *target_uri*; when this returns, it is on disk.

        It is found by its words at once, and by meaning as soon as it is embedded.

        Args:
            content: any text, the empty one included.
            target_uri: any non-empty text; it points to the newest version from now on.
            resource_type: what the content is, for filtering.
            session_id: a session that is told of the resource by a system message, in the same
                transaction; created if missing.
            metadata: JSON values under text keys.
            ttl_s: seconds after which the resource vanishes with all its versions; a newer version
                decides anew. None for never.

        Raises:
            InputError: a value of the wrong type or one that JSON or UTF-8 cannot carry.
            LimitError: a value larger than this module's limits.
            StoreError: nothing was stored.
        """
        new = NewResource(
            content,
            target_uri,
            resource_type,
            session_id,
            metadata or {},
            ttl_s,
            note=None if session_id is None else f"Saved {resource_type} resource: {target_uri}",
        )
        return self.put_all([new])[0]

    def put_all(self, new: Sequence[NewResource]) -> list[Resource]:
        """Store versions in order and in one transaction; raises what :meth:`put` does.

        No session is told of them but by a ``note`` of their own.
        """
        checked = [_checked(one) for one in new]
        if not checked:
            return []
        stored = self._store.put(checked)
        self._nearby.remove(number for one in stored for number in one.replaced)
        if self._embedder is not None:
            self._embedder.wake()
        return [one.resource for one in stored]

    def get(self, resource_id: str) -> Resource:
        """Return that version; raises NotFoundError."""
        check_text(resource_id, "resource_id")
        return self._store.get(resource_id)

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""
        check_text(target_uri, "target_uri")
        return self._store.get_by_uri(target_uri)

    def versions(
        self, target_uri: str, *, limit: int = 100, before: int | None = None
    ) -> list[Resource]:
        """Return the versions of a URI, the newest first.

        Args:
            target_uri: what they were stored under.
            limit: versions at most, 1 to PAGE_MAX.
            before: only versions with a lower number than this.

        Raises:
            NotFoundError: nothing has that URI.
            InputError: a limit out of range.
        """
        check_text(target_uri, "target_uri")
        _check_limit(limit)
        return self._store.versions(target_uri, limit=limit, before=before)

    def list(
        self,
        *,
        resource_type: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
        after: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> ResourcePage:
        """Return the newest versions in the order of their URIs, code point by code point.

        Args:
            resource_type: only resources of this type.
            prefix: only URIs that start with it, case and all.
            limit: resources on the page, 1 to PAGE_MAX.
            after: the ``next`` of the page before; only URIs behind it.
            metadata: only resources with equal values under these top-level keys.

        Raises:
            InputError: a limit out of range, or a text that UTF-8 cannot carry.
        """
        _check_limit(limit)
        chosen = _filter(resource_type, prefix, metadata)
        if after is not None:
            check_text(after, "after")
        return self._store.page(chosen, limit=limit, after=after)

    def search(
        self,
        query: str,
        *,
        k: int = 10,
        resource_type: str | None = None,
        prefix: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        session_id: str | None = None,
    ) -> ResourceSearch:
        """Find the resources that have to do with *query*, best first; none if nothing is near.

        Only the newest version of a URI is looked at. If the model fails or is overloaded, words
        alone decide, and the answer says so.

        Args:
            query: a question or any words; what lies beyond 4,000 characters is not used.
            k: resources at most, 1 to 1000.
            resource_type: only resources of this type.
            prefix: only URIs that start with it, case and all.
            metadata: only resources with equal values under these top-level keys.
            session_id: only what was stored for this session.

        Raises:
            InputError: an empty query or a *k* below 1.
            LimitError: a *k* or a query that is too large.
            StoreError: the store cannot be read.
        """
        chosen = _filter(resource_type, prefix, metadata, session_id)
        if expired := self._store.hide_expired():
            self._nearby.remove(expired)
            if self._embedder is not None:
                # It also sweeps: what is deleted need not be hidden from the next search.
                self._embedder.wake()
        return self._finder.search(query, check_k(k), chosen)

    def delete(self, resource_id: str) -> None:
        """Delete the URI that this version belongs to, all versions; raises NotFoundError."""
        check_text(resource_id, "resource_id")
        self._nearby.remove(self._store.delete(resource_id))

    def wait_until_embedded(self, timeout_s: float = 60.0) -> bool:
        """Wait until every resource is findable by meaning; False if it took longer."""
        return self._embedder is None or self._embedder.wait_until_idle(timeout_s)

    def health(self) -> dict[str, Any]:
        """Count the resources and those that are not yet found by meaning, and say why not."""
        count = self._store.count()
        if self._embedder is None:
            return {"resources": count}
        details: dict[str, Any] = {
            "resources": count,
            "waiting_for_vectors": max(0, count - len(self._nearby)),
        }
        error = self._embedder.last_error
        return details if error is None else details | {"waiting_because": error}

    def close(self) -> None:
        """End the background work; what it has not done is done after the next start."""
        if self._embedder is not None:
            self._embedder.close()


def _checked(new: NewResource) -> NewResource:
    check_bytes(new.content, CONTENT_BYTES_MAX, "content")
    check_name(new.target_uri, URI_CHARS_MAX, "target_uri")
    check_name(new.resource_type, NAME_CHARS_MAX, "resource_type")
    if new.session_id is not None:
        check_name(new.session_id, NAME_CHARS_MAX, "session_id")
    if new.ttl_s is not None:
        _check_ttl(new.ttl_s)
    return replace(new, metadata=checked_metadata(new.metadata))


def _check_ttl(ttl_s: float) -> None:
    # NaN is in no range.
    if isinstance(ttl_s, bool) or not 0 < ttl_s <= TTL_S_MAX:
        raise InputError(
            f"ttl_s: expected seconds, more than 0 and at most {TTL_S_MAX:.0f}, got {ttl_s!r}",
            loc=("ttl_s",),
        )


def _check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not 1 <= limit <= PAGE_MAX:
        raise InputError(f"limit: expected 1 to {PAGE_MAX}, got {limit!r}", loc=("limit",))


def _filter(
    resource_type: str | None,
    prefix: str | None,
    metadata: Mapping[str, Any] | None,
    session_id: str | None = None,
) -> ResourceFilter:
    named = (("resource_type", resource_type), ("prefix", prefix), ("session_id", session_id))
    for name, text in named:
        if text is not None:
            check_text(text, name)
    return ResourceFilter(resource_type, prefix, checked_metadata(metadata or {}), session_id)
