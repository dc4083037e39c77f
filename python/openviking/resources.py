"""Resources: texts kept under a URI of the client's choice, with every earlier version.

This module owns what may be stored and how much of it; the store keeps whatever passes. Finding
resources by meaning belongs here too: it will take an index and an encoder beside the store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openviking.checks import NAME_CHARS_MAX, check_bytes, check_name, check_text, checked_metadata
from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openviking.store.port import Store
    from openviking.types import Resource, ResourcePage

CONTENT_BYTES_MAX = 4 << 20
"""Bytes of a content in UTF-8: a long book; more is a file, not a memory."""

URI_CHARS_MAX = 4096
"""Characters of a target URI or of a prefix."""

PAGE_MAX = 1000
"""Resources of one page."""


class Resources:
    """Puts, gets, lists and deletes resources. Safe for threads.

    Args:
        store: where they last.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def put(
        self,
        content: str,
        target_uri: str,
        *,
        resource_type: str = "memory",
        session_id: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Resource:
        """Store a new version under *target_uri*; when this returns, it is on disk.

        Args:
            content: any text, the empty one included.
            target_uri: any non-empty text; it points to the newest version from now on.
            resource_type: what the content is, for filtering.
            session_id: a session that is told of the resource by a system message, in the same
                transaction; created if missing.
            metadata: JSON values under text keys.

        Raises:
            InputError: a value of the wrong type or one that JSON or UTF-8 cannot carry.
            LimitError: a value larger than this module's limits.
            StoreError: nothing was stored.
        """
        check_bytes(content, CONTENT_BYTES_MAX, "content")
        check_name(target_uri, URI_CHARS_MAX, "target_uri")
        check_name(resource_type, NAME_CHARS_MAX, "resource_type")
        if session_id is not None:
            check_name(session_id, NAME_CHARS_MAX, "session_id")
        known = checked_metadata({} if metadata is None else metadata)
        note = f"Saved {resource_type} resource: {target_uri}"
        return self._store.put_resource(
            content=content,
            target_uri=target_uri,
            resource_type=resource_type,
            session_id=session_id,
            metadata=known,
            note=note if session_id is not None else None,
        )

    def get(self, resource_id: str) -> Resource:
        """Return that version; raises NotFoundError."""
        check_text(resource_id, "resource_id")
        return self._store.get_resource(resource_id)

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""
        check_text(target_uri, "target_uri")
        return self._store.get_resource_by_uri(target_uri)

    def list(
        self,
        *,
        resource_type: str | None = None,
        prefix: str | None = None,
        limit: int = 100,
        after: str | None = None,
    ) -> ResourcePage:
        """Return the newest versions in the order of their URIs, code point by code point.

        Args:
            resource_type: only resources of this type.
            prefix: only URIs that start with it, case and all.
            limit: resources on the page, 1 to PAGE_MAX.
            after: the ``next`` of the page before; only URIs behind it.

        Raises:
            InputError: a limit out of range, or a text that UTF-8 cannot carry.
        """
        if isinstance(limit, bool) or not 1 <= limit <= PAGE_MAX:
            raise InputError(f"limit: expected 1 to {PAGE_MAX}, got {limit!r}", loc=("limit",))
        for name, text in (("resource_type", resource_type), ("prefix", prefix), ("after", after)):
            if text is not None:
                check_text(text, name)
        return self._store.list_resources(
            resource_type=resource_type, prefix=prefix, limit=limit, after=after
        )

    def delete(self, resource_id: str) -> None:
        """Delete the URI that this version belongs to, all versions; raises NotFoundError."""
        check_text(resource_id, "resource_id")
        self._store.delete_resource(resource_id)
