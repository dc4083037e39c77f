"""From exception to answer: the only table of statuses, and the two shapes an error is written in.

Everywhere RFC 9457 (``application/problem+json``); below ``/v1/`` OpenAI's ``{"error": {...}}``,
for its clients look there for the message.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from starlette.exceptions import HTTPException

from openviking.errors import (
    BackendError,
    ConflictError,
    InputError,
    NotFoundError,
    OpenVikingError,
    OverloadedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Loc = tuple[str | int, ...]


class NotReadyError(OpenVikingError):
    """The engine is loading, draining or has failed; the server cannot serve this request now."""


class LateError(OpenVikingError):
    """A call still runs after its deadline: it may yet succeed, so the outcome is unknown."""


class RequestError(OpenVikingError):
    """A request is refused for its form; carries the finished answer.

    Args:
        status: HTTP status, 4xx.
        detail: what was expected and what came.
        loc: place of the offending value, e.g. ``("body", "texts", 3)``.
        code: short machine-readable name; None takes the status's own.
        headers: added to the answer, e.g. ``Allow``.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        loc: Loc = (),
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.loc = loc
        self.code = code
        self.headers = dict(headers or {})


@dataclass(frozen=True, slots=True)
class Problem:
    """An error as it is answered; ``code`` names its kind in both shapes."""

    status: int
    detail: str
    code: str
    errors: tuple[tuple[Loc, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    is_ours: bool = False
    """True when the cause lies in the server, so that it is logged with a traceback."""


class _Kind(msgspec.Struct, frozen=True):
    status: int
    code: str
    retry_s: float | None = None
    is_ours: bool = False


STATUSES: dict[type[Exception], _Kind] = {
    InputError: _Kind(422, "invalid_field"),
    NotFoundError: _Kind(404, "not_found"),
    ConflictError: _Kind(409, "conflict"),
    OverloadedError: _Kind(429, "overloaded", retry_s=1.0),
    NotReadyError: _Kind(503, "not_ready", retry_s=1.0),
    LateError: _Kind(503, "late", retry_s=5.0),
    BackendError: _Kind(503, "backend_failed", retry_s=5.0, is_ours=True),
    Exception: _Kind(500, "internal", is_ours=True),
}
"""The table: the nearest base class decides. A RequestError carries its own status."""

_CODES = {
    400: "malformed",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid_field",
    431: "head_too_large",
    503: "not_ready",
}


def problem_of(error: Exception, place: str) -> Problem:
    """Return the answer to *error*; what the table does not know is a 500 without internals.

    Args:
        error: what was raised while the request was handled.
        place: where the request's fields came from, the first part of an InputError's ``loc``.
    """
    if isinstance(error, RequestError):
        code = error.code or _CODES.get(error.status, "refused")
        errors = ((error.loc, str(error)),) if error.loc or error.status == 422 else ()
        return Problem(error.status, str(error), code, errors, tuple(error.headers.items()))
    if isinstance(error, HTTPException):
        headers = tuple((error.headers or {}).items())
        code = _CODES.get(error.status_code, "refused")
        return Problem(error.status_code, str(error.detail), code, headers=headers)
    kind = next(STATUSES[base] for base in type(error).__mro__ if base in STATUSES)
    detail = str(error) if kind.status != 500 else "an unexpected error; the server's log has it"
    errors = (((place, *error.loc), detail),) if isinstance(error, InputError) else ()
    retry_s = error.retry_after_s if isinstance(error, OverloadedError) else kind.retry_s
    headers = () if retry_s is None else (("retry-after", str(max(1, math.ceil(retry_s)))),)
    return Problem(kind.status, detail, kind.code, errors, headers, kind.is_ours)


def render(problem: Problem, request_id: str, *, openai: bool) -> tuple[bytes, str]:
    """Return body and media type of *problem*.

    Args:
        problem: what went wrong.
        request_id: the id that the log line carries too.
        openai: write OpenAI's shape, not RFC 9457's.
    """
    if openai:
        return orjson.dumps({"error": _openai_error(problem)}), "application/json"
    document: dict[str, Any] = {
        "type": f"urn:openviking:problem:{problem.code.replace('_', '-')}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "request_id": request_id,
    }
    if problem.errors:
        document["errors"] = [{"loc": list(loc), "msg": msg} for loc, msg in problem.errors]
    return orjson.dumps(document), "application/problem+json"


def _openai_error(problem: Problem) -> dict[str, Any]:
    if problem.status == 429:
        kind = "rate_limit_error"
    else:
        kind = "server_error" if problem.status >= 500 else "invalid_request_error"
    loc = problem.errors[0][0] if problem.errors else ()
    names = [str(part) for part in loc if part not in {"body", "query", "path"}]
    return {
        "message": problem.detail,
        "type": kind,
        "param": ".".join(names) or None,
        "code": problem.code,
    }
