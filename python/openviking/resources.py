"""Resources: texts kept under a URI of the client's choice, with every earlier version.

This module owns what may be stored and how much of it; the store keeps whatever passes. Finding
resources by meaning belongs here too: it will take an index and an encoder beside the store.
"""

from __future__ import annotations

import builtins
import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError, LimitError

if TYPE_CHECKING:
    from openviking.store.port import Store
    from openviking.types import Resource, ResourcePage

CONTENT_BYTES_MAX = 4 << 20
"""Bytes of a content in UTF-8: a long book; more is a file, not a memory."""

URI_CHARS_MAX = 4096
"""Characters of a target URI or of a prefix."""

NAME_CHARS_MAX = 256
"""Characters of a resource type, a session id or a resource id."""

METADATA_BYTES_MAX = 64 << 10
"""Bytes of the metadata as JSON."""

METADATA_DEPTH_MAX = 32
"""Objects and arrays of the metadata within each other, the outermost included."""

PAGE_MAX = 1000
"""Resources of one page."""

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1


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
        _check_bytes(content, CONTENT_BYTES_MAX, "content")
        _check_name(target_uri, URI_CHARS_MAX, "target_uri")
        _check_name(resource_type, NAME_CHARS_MAX, "resource_type")
        if session_id is not None:
            _check_name(session_id, NAME_CHARS_MAX, "session_id")
        known = _checked_metadata({} if metadata is None else metadata)
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
        _check_text(resource_id, "resource_id")
        return self._store.get_resource(resource_id)

    def get_by_uri(self, target_uri: str) -> Resource:
        """Return the newest version of a URI; raises NotFoundError."""
        _check_text(target_uri, "target_uri")
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
                _check_text(text, name)
        return self._store.list_resources(
            resource_type=resource_type, prefix=prefix, limit=limit, after=after
        )

    def delete(self, resource_id: str) -> None:
        """Delete the URI that this version belongs to, all versions; raises NotFoundError."""
        _check_text(resource_id, "resource_id")
        self._store.delete_resource(resource_id)


def _check_text(text: object, *loc: str | int) -> int:
    """Return the bytes of *text* in UTF-8; raises InputError if it is not text that UTF-8 holds."""
    name = ".".join(map(str, loc))
    if not isinstance(text, str):
        raise InputError(f"{name}: expected text, got {type(text).__name__}", loc=loc)
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError as error:
        raise InputError(
            f"{name}: expected valid Unicode, got a lone surrogate at character {error.start}",
            loc=loc,
        ) from error


def _check_bytes(text: str, bytes_max: int, name: str) -> None:
    size = _check_text(text, name)
    if size > bytes_max:
        raise LimitError(f"{name}: expected at most {bytes_max} bytes, got {size}", loc=(name,))


def _check_name(text: str, chars_max: int, name: str) -> None:
    _check_text(text, name)
    if not text:
        raise InputError(f"{name}: expected some characters, got none", loc=(name,))
    if len(text) > chars_max:
        raise LimitError(
            f"{name}: expected at most {chars_max} characters, got {len(text)}", loc=(name,)
        )


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata as plain JSON values, the form in which they come back."""
    if not isinstance(metadata, Mapping):
        raise InputError(
            f"metadata: expected an object, got {type(metadata).__name__}", loc=("metadata",)
        )
    plain: dict[str, Any] = _plain(metadata, ("metadata",), METADATA_DEPTH_MAX)
    size = len(json.dumps(plain, ensure_ascii=False, separators=(",", ":")).encode())
    if size > METADATA_BYTES_MAX:
        raise LimitError(
            f"metadata: expected at most {METADATA_BYTES_MAX} bytes of JSON, got {size}",
            loc=("metadata",),
        )
    return plain


def _plain(value: object, loc: tuple[str | int, ...], depth: int) -> Any:
    """Copy *value* as dict, list, str, int, float, bool and None, or say where it is not JSON."""
    if isinstance(value, (Mapping, builtins.list, tuple)) and depth == 0:
        raise LimitError(f"metadata: nested deeper than {METADATA_DEPTH_MAX}", loc=loc[:1])
    if isinstance(value, Mapping):
        for key in value:
            _check_text(key, *loc)
        return {key: _plain(inner, (*loc, key), depth - 1) for key, inner in value.items()}
    if isinstance(value, (builtins.list, tuple)):
        return [_plain(inner, (*loc, at), depth - 1) for at, inner in enumerate(value)]
    if isinstance(value, str):
        _check_text(value, *loc)
    elif isinstance(value, int) and not _INTEGER_MIN <= value <= _INTEGER_MAX:
        raise InputError(f"{'.'.join(map(str, loc))}: expected a 64-bit integer", loc=loc)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{'.'.join(map(str, loc))}: expected a finite number", loc=loc)
    elif value is not None and not isinstance(value, (int, float)):
        name = ".".join(map(str, loc))
        raise InputError(f"{name}: expected JSON, got {type(value).__name__}", loc=loc)
    return value
