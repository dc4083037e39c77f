"""Python values to columns and back: checked text, JSON, and times in whole microseconds."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def checked_text(value: object, *loc: str | int) -> str:
    """Return *value* if SQLite can keep it as text.

    Raises:
        InputError: not a str, or holds a lone surrogate, which UTF-8 cannot carry.
    """
    if not isinstance(value, str):
        raise InputError(f"{_name(loc)}: expected text, got {type(value).__name__}", loc=loc)
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"{_name(loc)}: expected valid Unicode, got a lone surrogate at character "
                f"{error.start}",
                loc=loc,
            ) from error
    return value


def to_json(value: object, *loc: str | int) -> str:
    """Write *value* as JSON; keys keep their order.

    Raises:
        InputError: holds something that JSON cannot carry: NaN, a set, bytes, a lone surrogate,
            a reference to itself, or nesting deeper than the interpreter's stack.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"{_name(loc)}: expected JSON values, {error}", loc=loc) from error
    return checked_text(text, *loc)


def mapping_to_json(value: Mapping[str, Any], *loc: str | int) -> str:
    """Write a mapping as a JSON object; see to_json."""
    return to_json(dict(value), *loc)


def to_microseconds(moment: datetime, *loc: str | int) -> int:
    """Count whole microseconds since 1970 in UTC; raises InputError for a time without zone."""
    if moment.tzinfo is None:
        raise InputError(f"{_name(loc)}: expected a time with a zone, got {moment}", loc=loc)
    return (moment - _EPOCH) // _MICROSECOND


def from_microseconds(count: int) -> datetime:
    """Turn what to_microseconds wrote into a UTC time."""
    return _EPOCH + count * _MICROSECOND


def _name(loc: tuple[str | int, ...]) -> str:
    return ".".join(str(part) for part in loc) or "value"
