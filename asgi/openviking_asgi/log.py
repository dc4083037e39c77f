"""Log set-up for the server process: structured lines on standard error, one per request.

Only the process that serves calls this; importing or embedding the application changes no logging.
"""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import orjson

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.config import Logging
    from openviking_asgi.gate import RequestLog

_Render: TypeAlias = "Callable[[dict[str, Any]], str]"


def configure(settings: Logging) -> RequestLog:
    """Send the log of this process to standard error; return what writes a request's line.

    Args:
        settings: from which level on, and whether as JSON or for a terminal.
    """
    level = getattr(logging, settings.level)
    render = _as_json if settings.format == "json" else _as_text
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Lines(render))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Its start and stop lines repeat ours, and a refused request has its own line.
    logging.getLogger("uvicorn").setLevel(max(level, logging.ERROR))
    out = sys.stderr.buffer

    def write(event: str, **fields: object) -> None:
        # Not through `logging`, which would look for the caller of every request's line.
        if level > logging.INFO:
            return
        line = render({**fields, "event": event, "level": "info", "timestamp": _iso(None)})
        out.write(f"{line}\n".encode())
        out.flush()

    return write


class _Lines(logging.Formatter):
    """Gives the lines of the standard library's loggers (ours and uvicorn's) the same form."""

    def __init__(self, render: _Render) -> None:
        super().__init__()
        self._render = render

    def format(self, record: logging.LogRecord) -> str:
        """Return one line; behind it, if for a terminal, what was raised."""
        fields = {
            "event": _as_utf8(record.getMessage()),
            "logger": record.name,
            "level": record.levelname.lower(),
            "timestamp": _iso(record.created),
        }
        if record.exc_info:
            fields["exception"] = _as_utf8(self.formatException(record.exc_info))
        return self._render(fields)


def _as_utf8(text: str) -> str:
    """Escape what UTF-8 cannot hold: a path may have bytes that are no text."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _as_json(fields: dict[str, Any]) -> str:
    return orjson.dumps(fields, default=str).decode("utf-8")


def _as_text(fields: dict[str, Any]) -> str:
    rest = dict(fields)
    head = f"{rest.pop('timestamp')} [{rest.pop('level'):<8}] {rest.pop('event')}"
    trace = f"\n{rest.pop('exception')}" if "exception" in rest else ""
    return " ".join((head, *(f"{name}={value}" for name, value in rest.items()))) + trace


def _iso(unix_s: float | None) -> str:
    """Return that moment, or now, in UTC with microseconds."""
    moment = datetime.now(UTC) if unix_s is None else datetime.fromtimestamp(unix_s, UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
