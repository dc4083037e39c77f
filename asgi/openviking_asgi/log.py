"""Log set-up for the server process: structured lines on standard error, one per request.

Only the process that serves calls this; importing or embedding the application changes no logging.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import orjson
import structlog

if TYPE_CHECKING:
    from structlog.typing import Processor

    from openviking.config import Logging
    from openviking_asgi.gate import RequestLog

_SHARED: tuple[Processor, ...] = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(settings: Logging) -> RequestLog:
    """Send the log of this process to standard error; return what writes a request's line.

    Args:
        settings: from which level on, and whether as JSON or for a terminal.
    """
    level = getattr(logging, settings.level)
    _configure_library_log(settings.format, level)
    renderer: Processor
    factory: Any
    if settings.format == "json":
        renderer = structlog.processors.JSONRenderer(serializer=orjson.dumps)
        factory = structlog.BytesLoggerFactory(sys.stderr.buffer)
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        factory = structlog.WriteLoggerFactory(sys.stderr)
    logger = structlog.wrap_logger(
        factory(),
        processors=[*_SHARED, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
    ).bind()
    write: RequestLog = logger.info
    return write


def _configure_library_log(form: str, level: int) -> None:
    """Give the lines of the standard library's loggers (ours and uvicorn's) the same form."""
    renderer: Processor = (
        structlog.processors.JSONRenderer(serializer=_dumps_text)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    final: list[Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if form == "json":
        final.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[*final, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # Its start and stop lines repeat ours, and a refused request has its own line.
    logging.getLogger("uvicorn").setLevel(max(level, logging.ERROR))


def _dumps_text(document: Any, **_options: Any) -> str:
    return orjson.dumps(document, default=str).decode("utf-8")
