"""What a chat endpoint sends, read with suspicion: JSON of the expected shape, or a ChatError."""

from __future__ import annotations

import json
from typing import Any

from openviking.errors import ChatError

_REASON_CHARS_MAX = 200


def whole(body: bytes) -> str:
    """Return the text of a complete answer."""
    text = _dig(_parsed(body), "choices", 0, "message", "content")
    if not isinstance(text, str) or not text.strip():
        raise ChatError("the chat model's answer holds no text")
    return _storable(text)


def piece(data: str) -> tuple[str, bool]:
    """Return the text of one event of a stream, and whether the model says that it is the last."""
    event = _parsed(data)
    if _dig(event, "error") is not None:
        raise ChatError(f"the chat model failed: {_short(_message(event))}")
    text = _dig(event, "choices", 0, "delta", "content")
    is_last = _dig(event, "choices", 0, "finish_reason") is not None
    return _storable(text) if isinstance(text, str) else "", is_last


def reason(body: bytes) -> str:
    """Return what a refusal says, on one short line; nothing if it says nothing that is text."""
    try:
        found = _message(_parsed(body))
    except ChatError:
        found = body[: 4 * _REASON_CHARS_MAX].decode("utf-8", "replace")
    return _short(found)


def _message(document: Any) -> str:
    error = _dig(document, "error")
    text = _dig(error, "message") if isinstance(error, dict) else error
    return text if isinstance(text, str) else ""


def _parsed(raw: bytes | str) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise ChatError("the chat model's answer is not JSON") from error


def _dig(value: Any, *path: str | int) -> Any:
    """Follow *path* into JSON; None where it leads nowhere."""
    for step in path:
        if isinstance(step, str) and isinstance(value, dict):
            value = value.get(step)
        elif isinstance(step, int) and isinstance(value, list) and len(value) > step:
            value = value[step]
        else:
            return None
    return value


def _storable(text: str) -> str:
    """Return *text* as UTF-8 can hold it: JSON may escape half of a surrogate pair."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _short(text: str) -> str:
    line = " ".join(_storable(text).split())
    return line if len(line) <= _REASON_CHARS_MAX else f"{line[: _REASON_CHARS_MAX - 1]}…"
