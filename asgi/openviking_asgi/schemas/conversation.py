"""Requests and answers about conversations.

Whose conversations a request means, its namespace, is said by ``user`` and ``agent``: in the body,
in the query string, or in the headers ``X-OpenViking-User`` and ``X-OpenViking-Agent``; a field
outranks a header. Who names neither shares the nameless namespace.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, TypedDict

import msgspec

from openviking_asgi.limits import PAGE_DEFAULT, PAGE_MAX, RESULTS_MAX
from openviking_asgi.schemas import Name  # noqa: TC001 - msgspec reads it

Turns: TypeAlias = Annotated[int, msgspec.Meta(ge=0)]
_Limit: TypeAlias = Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)]
_Seq: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class SayRequest(msgspec.Struct, frozen=True):
    """A message; one of role ``user`` is answered.

    ``context_turns`` counts messages, the one just sent included. The header ``Idempotency-Key``
    makes a retry safe. With ``stream`` the answer comes as server-sent events: ``delta`` with a
    piece of ``text`` each, then ``done`` with the document that the request gets without it, whose
    ``response`` is what is stored; or ``error``. The answer is made and stored whole even if the
    client hangs up.
    """

    message: str
    session_id: Name | None = None
    role: Annotated[Name, msgspec.Meta(min_length=1)] = "user"
    context_turns: Turns = 3
    metadata: dict[str, Any] | None = None
    stream: bool = False
    user: Name = ""
    agent: Name = ""


class ContextMessage(TypedDict):
    """A message of the working window."""

    role: str
    content: str
    timestamp: str
    metadata: dict[str, Any]


class ArchivedMessage(TypedDict):
    """A stored message; ``seq`` counts within its session."""

    session_id: str
    seq: int
    role: str
    content: str
    timestamp: str
    metadata: dict[str, Any]


class FoundMessage(ArchivedMessage):
    """A found message: the fused score, the pooled cosine (null: no vector yet), and bm25."""

    score: float
    meaning: float | None
    words: float


class Quotation(TypedDict):
    """What an answer quotes, or its model was given; ``source`` is session#seq, a URI or an id."""

    kind: Literal["memory", "message", "resource", "skill"]
    source: str
    text: str
    score: float


class SessionStats(TypedDict):
    """``message_count`` counts all stored messages, ``window_count`` those of the window."""

    id: str
    message_count: int
    created_at: str
    last_activity: str
    session_age_minutes: float
    window_count: int


class SayAnswer(TypedDict):
    """The stored message's context and its answer.

    ``response_source`` says where ``response`` comes from: ``llm`` (the chat model of ``ov.conf``,
    named by ``response_model``), ``extractive`` (quotations), ``command``, or ``none`` (not a
    user's message). ``response_note`` says what did not work, if something did not, such as a
    model that failed. ``recall`` are older messages that matter now.
    """

    session_id: str
    response: str
    context_messages: list[ContextMessage]
    message_count: int
    session_stats: SessionStats
    response_source: Literal["none", "extractive", "command", "llm"]
    response_note: str | None
    response_model: str | None
    quotations: list[Quotation]
    recall: list[FoundMessage]
    repeated: bool


class NamespaceQuery(msgspec.Struct, frozen=True):
    """Whose conversations."""

    user: Name = ""
    agent: Name = ""


class StatsAnswer(TypedDict):
    """A session and the last three messages of its working window."""

    session_stats: SessionStats
    recent_context: list[ContextMessage]


class FlushQuery(msgspec.Struct, frozen=True):
    """Whose working window ends; all of the namespace without ``session_id``."""

    session_id: Name | None = None
    user: Name = ""
    agent: Name = ""


class FlushAnswer(TypedDict):
    """What was flushed; the archive stays."""

    status: Literal["success", "not_found"]
    message: str


class MessagesQuery(msgspec.Struct, frozen=True):
    """Which messages; ``after`` is the ``next`` of the page before."""

    limit: _Limit = PAGE_DEFAULT
    after: _Seq = 0
    user: Name = ""
    agent: Name = ""


class MessagesAnswer(TypedDict):
    """One page of a session's archive, oldest first; ``next`` is null on the last one."""

    messages: list[ArchivedMessage]
    count: int
    next: int | None


class SessionsQuery(msgspec.Struct, frozen=True):
    """Which sessions; ``after`` is the ``next`` of the page before."""

    limit: _Limit = PAGE_DEFAULT
    after: Name | None = None
    user: Name = ""
    agent: Name = ""


class SessionEntry(TypedDict):
    """A session in a listing."""

    id: str
    message_count: int
    created_at: str
    last_activity: str


class SessionsAnswer(TypedDict):
    """One page of sessions in the order of their ids."""

    sessions: list[SessionEntry]
    count: int
    next: str | None


class ArchiveSearchRequest(msgspec.Struct, frozen=True):
    """A question to the archive of one session, or of all sessions of the namespace."""

    query: str
    session_id: Name | None = None
    max_results: Annotated[int, msgspec.Meta(ge=1, le=RESULTS_MAX)] = 10
    user: Name = ""
    agent: Name = ""


class ArchiveSearchAnswer(TypedDict):
    """Messages, best first; ``note`` says why meaning was not used, if it was not."""

    messages: list[FoundMessage]
    query: str
    found_count: int
    search_time_ms: float
    note: str | None


class ImportRequest(msgspec.Struct, frozen=True):
    """A history to append.

    ``lines`` is JSON Lines: objects with role and content, and where known session_id,
    timestamp, metadata and seq. ``session_id`` is for lines that name none.
    """

    lines: str
    session_id: Name | None = None
    user: Name = ""
    agent: Name = ""


class ImportAnswer(TypedDict):
    """How many messages were new, how many were there already, and of how many sessions."""

    appended: int
    known: int
    sessions: int


class DeletedAnswer(TypedDict):
    """A session that is gone, and how many messages it had."""

    success: bool
    message: str
    deleted_messages: int
