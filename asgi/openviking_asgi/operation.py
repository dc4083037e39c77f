"""One operation of the API: what the routes table holds, and how a request becomes its answer."""

from __future__ import annotations

import json
import re
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import parse_qsl

import msgspec
import orjson

from openviking_asgi.breaker import CircuitBreaker
from openviking_asgi.errors import Loc, RequestError
from openviking_asgi.limits import QUERY_FIELDS_MAX

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import Scope

    from openviking.engine import Engine
    from openviking_asgi.host import EngineHost
    from openviking_asgi.metrics import Metrics
    from openviking_asgi.workers import WorkerPool

JSON = "application/json"

_PATH_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]|\[(\.\.\.)\]")
_PLACE = re.compile(r" - at `(?:key` in `)?\$([^`]*)`$")
_MISSING = re.compile(r"Object missing required field `([^`]+)`")


@dataclass(slots=True)
class Services:
    """What the operations of one application share."""

    host: EngineHost
    work: WorkerPool
    talk: WorkerPool
    """Threads for calls that mostly wait for another machine, such as a chat model."""
    probes: WorkerPool
    metrics: Metrics
    breaker: CircuitBreaker = field(default_factory=CircuitBreaker)
    close_s: float = 10.0
    """Seconds that running work and the engine have to end when the application ends."""
    endpoints: dict[str, str] = field(default_factory=dict)
    """Short name -> method, path and summary of every operation."""
    openapi: bytes = b""
    """The finished OpenAPI document."""
    docs: Reply | None = None
    """The finished documentation page."""


@dataclass(slots=True)
class Call:
    """One request, ready for its handler.

    Attributes:
        services: the application's shared parts.
        scope: the ASGI scope.
        params: parameters of the path, percent-decoded.
        query: the decoded query string, of the operation's ``query`` type.
        body: the decoded body, of the operation's ``body`` type.
    """

    services: Services
    scope: Scope
    params: dict[str, str]
    query: Any = None
    body: Any = None
    _engine: Engine | None = None

    @property
    def engine(self) -> Engine:
        """The engine; raises NotReadyError while there is none."""
        if self._engine is None:
            self._engine = self.services.host.require()
        return self._engine


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer that is not simply the operation's status with a JSON document."""

    content: bytes
    media_type: str = JSON
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that has to wait for another machine, off the threads that do our own work.

    ``call`` returns what the handler would have returned.
    """

    call: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that is sent in pieces as they come.

    ``pieces`` is read to its end even if the client hangs up: what it does on the way, such as
    storing the answer, is done whole. ``failed`` turns a failure midway into a last piece.
    """

    pieces: Iterator[bytes]
    media_type: str
    failed: Callable[[Exception], bytes]


@dataclass(frozen=True, slots=True)
class Operation:
    """A method on a path: routing, documentation and behaviour in one entry.

    Attributes:
        method: HTTP method.
        path: template, as Starlette and (without ``:path``) OpenAPI read it.
        name: operation id, unique.
        summary: one line for people.
        tag: section of the documentation.
        handler: takes the Call; returns a document that orjson can write, a Reply, a Streamed, or
            Later one of these.
        answer: type of the document, None if the answer is not JSON.
        body: msgspec type of the request body, None if the operation has none.
        query: msgspec type of the query string, None if it has none.
        status: status of success.
        errors: statuses of refusal beside those that every operation of its lane can have.
        lane: ``inline`` runs on the event loop and must take microseconds; ``probe`` runs on a
            thread kept for health and metrics, so that these answer under full load; ``work`` needs
            the engine and runs on the worker pool.
        media_type: of the answer.
        other_media_type: what the answer is instead if the client prefers that; None if it has no
            choice.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    name: str
    summary: str
    tag: str
    handler: Callable[[Call], Any]
    answer: Any = None
    body: Any = None
    query: Any = None
    status: int = 200
    errors: tuple[int, ...] = ()
    lane: Literal["inline", "probe", "work"] = "work"
    media_type: str = JSON
    other_media_type: str | None = None
    params: tuple[tuple[str, str], ...] = ()
    """Descriptions of the path's parameters, by name."""

    @property
    def shown_path(self) -> str:
        """The path as OpenAPI, the metrics and the log write it."""
        return shown(self.path)

    @property
    def place(self) -> str:
        """Where the fields of its requests are."""
        if self.body is not None:
            return "body"
        return "path" if self.params else "query"

    @property
    def refusals(self) -> tuple[int, ...]:
        """Every status with which the operation can refuse, sorted."""
        statuses = set(self.errors)
        if self.body is not None:
            statuses |= {400, 413, 415, 422}
        if self.query is not None:
            statuses.add(422)
        if self.lane == "work":
            statuses |= {429, 503}
        return tuple(sorted(statuses))


def shown(path: str) -> str:
    """Return a routing template without its converters."""
    return path.replace(":path}", "}")


def encode(answer: Any, operation: Operation) -> Reply | Later | Streamed:
    """Return *answer* as the operation's reply."""
    if isinstance(answer, (Reply, Later, Streamed)):
        return answer
    return Reply(dumps(answer), operation.media_type, operation.status)


def dumps(document: Any) -> bytes:
    """Write a document as JSON on one line."""
    try:
        return orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except TypeError:
        # What clients store comes back as it was, integers beyond 64 bits included; those orjson
        # refuses and the slow encoder writes.
        return json.dumps(document, allow_nan=False).encode("ascii")


def decode_body(raw: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode a JSON body.

    Raises:
        RequestError: 400 if it is not JSON, 422 if a field is missing or has the wrong type.
    """
    if not raw:
        raise RequestError(400, "the body is empty; expected a JSON object")
    try:
        if not raw.isascii():
            # The decoder passes over fields that it does not know without looking at their bytes.
            raw.decode("utf-8")
            # Editors and shells of Windows put a byte order mark before a file's text.
            raw = raw.removeprefix(BOM_UTF8)
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise _invalid(error, "body") from error
    except UnicodeDecodeError as error:
        raise RequestError(400, f"the body is not UTF-8: {error.reason}") from error
    except msgspec.DecodeError as error:
        raise RequestError(400, f"the body is not valid JSON: {error}") from error
    except RecursionError as error:
        raise RequestError(400, "the body is nested too deeply") from error


def decode_query(query_string: bytes, kind: Any) -> Any:
    """Decode a query string into *kind*; blank values count as absent, unknown names are ignored.

    Raises:
        RequestError: 422 if a value has the wrong type or there are too many fields.
    """
    try:
        pairs = parse_qsl(query_string.decode("latin-1"), max_num_fields=QUERY_FIELDS_MAX)
    except ValueError as error:
        raise RequestError(
            422, f"expected at most {QUERY_FIELDS_MAX} query fields, got more", loc=("query",)
        ) from error
    try:
        return msgspec.convert(dict(pairs), kind, strict=False)
    except msgspec.ValidationError as error:
        raise _invalid(error, "query") from error


def _invalid(error: msgspec.ValidationError, place: str) -> RequestError:
    """Turn msgspec's message, which ends in a path like ``$.texts[3]``, into detail and loc."""
    text = str(error)
    loc: list[str | int] = [place]
    at = _PLACE.search(text)
    if at is not None:
        text = text[: at.start()]
        for name, index, _any in _PATH_STEP.findall(at[1]):
            if name or index:
                loc.append(name or int(index))
    missing = _MISSING.match(text)
    if missing is not None:
        loc.append(missing[1])
        text = "the field is required"
    where = ".".join(str(step) for step in loc[1:])
    detail = f"{where}: {text}" if where else text
    return RequestError(422, detail, loc=_as_loc(loc))


def _as_loc(steps: list[str | int]) -> Loc:
    return tuple(steps)
