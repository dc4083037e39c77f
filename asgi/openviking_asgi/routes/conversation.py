"""Conversation: contract, section 5."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from openviking_asgi.errors import problem_of
from openviking_asgi.operation import Later, Operation, Reply, Streamed, dumps
from openviking_asgi.schemas.conversation import (
    ArchivedMessage,
    ArchiveSearchAnswer,
    ArchiveSearchRequest,
    ContextMessage,
    DeletedAnswer,
    FlushAnswer,
    FlushQuery,
    FoundMessage,
    ImportAnswer,
    ImportRequest,
    MessagesAnswer,
    MessagesQuery,
    NamespaceQuery,
    SayAnswer,
    SayRequest,
    SessionsAnswer,
    SessionsQuery,
    SessionStats,
    StatsAnswer,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.conversation import ArchiveHit, Conversations, Said, SessionView, Turn
    from openviking.types import Message
    from openviking_asgi.operation import Call

_RECENT = 3
_JSON_LINES = "application/jsonl"
_EVENTS = "text/event-stream"


def _conversations(call: Call) -> Conversations:
    """Return those of the namespace that the request names; a field outranks a header."""
    fields: Any = call.query if call.body is None else call.body
    user = fields.user or _header(call, b"x-openviking-user") or ""
    agent = fields.agent or _header(call, b"x-openviking-agent") or ""
    return call.engine.conversations.of(user, agent)


def _header(call: Call, name: bytes) -> str | None:
    for key, value in call.scope["headers"]:
        if key == name:
            # What is not UTF-8 gets lone surrogates, which the engine refuses by name.
            text: str = value.decode("utf-8", "surrogateescape")
            return text
    return None


def _say(call: Call) -> SayAnswer | Later | Streamed:
    body: SayRequest = call.body
    with call.engine.performance.timing("conversation_time"):
        turn = _conversations(call).begin(
            body.message,
            body.session_id or None,
            body.role,
            body.context_turns,
            metadata=body.metadata,
            key=_header(call, b"idempotency-key"),
        )
    if body.stream:
        return Streamed(_events(turn), _EVENTS, _failed)
    return Later(lambda: _answer(turn.finish())) if turn.is_waiting else _answer(turn.finish())


def _events(turn: Turn) -> Iterator[bytes]:
    """Yield the pieces of an answer as they come, then all that the request has without stream."""
    for piece in turn.pieces():
        yield _event("delta", {"text": piece})
    yield _event("done", _answer(turn.finish()))


def _failed(error: Exception) -> bytes:
    problem = problem_of(error, "body")
    return _event("error", {"status": problem.status, "detail": problem.detail})


def _event(name: str, document: Any) -> bytes:
    # JSON has no line end within, so one data line holds it whole.
    return b"event: %s\ndata: %s\n\n" % (name.encode("ascii"), dumps(document))


def _answer(said: Said) -> SayAnswer:
    return {
        "session_id": said.message.session_id,
        "response": said.reply.text,
        "context_messages": [_context(message) for message in said.context],
        "message_count": said.view.session.message_count,
        "session_stats": _stats_of(said.view),
        "response_source": said.reply.kind,
        "response_note": said.reply.note,
        "response_model": said.reply.model,
        "quotations": [
            {
                "kind": passage.kind,
                "source": passage.source,
                "text": passage.text,
                "score": passage.score,
            }
            for passage in said.reply.passages
        ],
        "recall": [_found(hit) for hit in said.reply.recall],
        "repeated": said.is_repeat,
    }


def _stats(call: Call) -> StatsAnswer:
    view = _conversations(call).stats(call.params["session_id"])
    return {
        "session_stats": _stats_of(view),
        "recent_context": [_context(message) for message in view.window[-_RECENT:]],
    }


def _flush(call: Call) -> FlushAnswer:
    query: FlushQuery = call.query
    count = _conversations(call).flush(query.session_id)
    if query.session_id is not None and not count:
        return {"status": "not_found", "message": f"there is no session {query.session_id!r}"}
    return {
        "status": "success",
        "message": f"{count} working windows ended; every message stays in the archive",
    }


def _messages(call: Call) -> MessagesAnswer:
    query: MessagesQuery = call.query
    found = _conversations(call).messages(
        call.params["session_id"], after=query.after, limit=query.limit
    )
    return {
        "messages": [_archived(message) for message in found],
        "count": len(found),
        "next": found[-1].seq if len(found) == query.limit else None,
    }


def _sessions(call: Call) -> SessionsAnswer:
    query: SessionsQuery = call.query
    page = _conversations(call).sessions(limit=query.limit, after=query.after)
    return {
        "sessions": [
            {
                "id": session.id,
                "message_count": session.message_count,
                "created_at": session.created_at.isoformat(),
                "last_activity": session.last_activity.isoformat(),
            }
            for session in page.sessions
        ],
        "count": len(page.sessions),
        "next": page.next,
    }


def _search(call: Call) -> ArchiveSearchAnswer:
    body: ArchiveSearchRequest = call.body
    started = time.perf_counter()
    found = _conversations(call).search(
        body.query, session_id=body.session_id or None, limit=body.max_results
    )
    return {
        "messages": [_found(hit) for hit in found.hits],
        "query": body.query,
        "found_count": len(found.hits),
        "search_time_ms": round((time.perf_counter() - started) * 1e3, 3),
        "note": found.degraded,
    }


def _export(call: Call) -> Reply:
    lines = _conversations(call).export_lines(call.params["session_id"])
    return Reply("".join(f"{line}\n" for line in lines).encode(), _JSON_LINES)


def _import(call: Call) -> ImportAnswer:
    body: ImportRequest = call.body
    done = _conversations(call).import_lines(
        # Not splitlines(): it also cuts at signs that JSON allows within a text.
        body.lines.split("\n"),
        body.session_id or None,
    )
    return {"appended": done.appended, "known": done.known, "sessions": done.sessions}


def _delete(call: Call) -> DeletedAnswer:
    session_id = call.params["session_id"]
    count = _conversations(call).delete(session_id)
    return {
        "success": True,
        "message": f"deleted session {session_id} with its {count} messages",
        "deleted_messages": count,
    }


def _context(message: Message) -> ContextMessage:
    return {
        "role": message.role,
        "content": message.content,
        "timestamp": message.created_at.isoformat(),
        "metadata": dict(message.metadata),
    }


def _archived(message: Message) -> ArchivedMessage:
    return {"session_id": message.session_id, "seq": message.seq, **_context(message)}


def _found(hit: ArchiveHit) -> FoundMessage:
    return {
        **_archived(hit.message),
        "score": hit.score,
        "meaning": hit.meaning,
        "words": hit.words,
    }


def _stats_of(view: SessionView) -> SessionStats:
    session = view.session
    return {
        "id": session.id,
        "message_count": session.message_count,
        "created_at": session.created_at.isoformat(),
        "last_activity": session.last_activity.isoformat(),
        "session_age_minutes": view.age_minutes,
        "window_count": len(view.window),
    }


_PARAMS = (("session_id", "The session's id; slashes may be percent-encoded."),)

OPERATIONS = (
    Operation(
        "POST", "/conversation", "say", "Store a message, durably, and answer a user's",
        "Conversation", _say, body=SayRequest, answer=SayAnswer, errors=(409,),
        other_media_type=_EVENTS,
    ),
    Operation(
        "GET", "/conversation", "list_sessions", "List sessions", "Conversation", _sessions,
        query=SessionsQuery, answer=SessionsAnswer,
    ),
    Operation(
        "POST", "/conversation/search", "search_conversation",
        "Find archived messages by meaning and words", "Conversation", _search,
        body=ArchiveSearchRequest, answer=ArchiveSearchAnswer,
    ),
    Operation(
        "POST", "/conversation/import", "import_conversation",
        "Append a history, without answering it; repeating it changes nothing", "Conversation",
        _import, body=ImportRequest, answer=ImportAnswer,
    ),
    Operation(
        "GET", "/conversation/stats/{session_id:path}", "session_stats",
        "A session and its last messages", "Conversation", _stats,
        query=NamespaceQuery, answer=StatsAnswer, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "GET", "/conversation/{session_id:path}/messages", "list_messages",
        "A session's archive, page by page", "Conversation", _messages,
        query=MessagesQuery, answer=MessagesAnswer, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "GET", "/conversation/{session_id:path}/export", "export_session",
        "A session as JSON Lines, as the import takes them", "Conversation", _export,
        query=NamespaceQuery, errors=(404,), params=_PARAMS, media_type=_JSON_LINES,
    ),
    Operation(
        "DELETE", "/conversation/{session_id:path}", "delete_session",
        "Delete a session with all that belongs to it", "Conversation", _delete,
        query=NamespaceQuery, answer=DeletedAnswer, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "POST", "/session/flush", "flush_session",
        "End working windows; no message is deleted", "Conversation", _flush,
        query=FlushQuery, answer=FlushAnswer,
    ),
)  # fmt: skip
