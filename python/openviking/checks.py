"""What clients give, checked where it enters: text, names, sizes, metadata.

Each check names the argument and says what was expected and what came.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

from openviking.errors import InputError, LimitError

NAME_CHARS_MAX = 256
"""Characters of a type, a session id, a user, an agent or any other short name."""

METADATA_BYTES_MAX = 64 << 10
"""Bytes of the metadata as JSON."""

METADATA_DEPTH_MAX = 32
"""Objects and arrays of the metadata within each other, the outermost included."""

_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1


def check_text(text: object, *loc: str | int) -> int:
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


def check_several(given: object, name: str) -> None:
    """Refuse one text or path in the place of several: it would be taken letter by letter."""
    if isinstance(given, str | os.PathLike):
        raise InputError(f"{name}: expected several, got one; write [{str(given)!r}]", loc=(name,))


def check_bytes(text: str, bytes_max: int, name: str) -> None:
    """Refuse what is no text, or has more than *bytes_max* bytes in UTF-8."""
    size = check_text(text, name)
    if size > bytes_max:
        raise LimitError(f"{name}: expected at most {bytes_max} bytes, got {size}", loc=(name,))


def check_name(text: str, chars_max: int, name: str) -> None:
    """Refuse what is no text, is empty, or has more than *chars_max* characters."""
    check_text(text, name)
    if not text:
        raise InputError(f"{name}: expected some characters, got none", loc=(name,))
    if len(text) > chars_max:
        raise LimitError(
            f"{name}: expected at most {chars_max} characters, got {len(text)}", loc=(name,)
        )


def checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
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
    if isinstance(value, (Mapping, list, tuple)) and depth == 0:
        raise LimitError(f"metadata: nested deeper than {METADATA_DEPTH_MAX}", loc=loc[:1])
    if isinstance(value, Mapping):
        for key in value:
            check_text(key, *loc)
        return {key: _plain(inner, (*loc, key), depth - 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner, (*loc, at), depth - 1) for at, inner in enumerate(value)]
    if isinstance(value, str):
        check_text(value, *loc)
    elif isinstance(value, int) and not _INTEGER_MIN <= value <= _INTEGER_MAX:
        raise InputError(f"{'.'.join(map(str, loc))}: expected a 64-bit integer", loc=loc)
    elif isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{'.'.join(map(str, loc))}: expected a finite number", loc=loc)
    elif value is not None and not isinstance(value, (int, float)):
        name = ".".join(map(str, loc))
        raise InputError(f"{name}: expected JSON, got {type(value).__name__}", loc=loc)
    return value
