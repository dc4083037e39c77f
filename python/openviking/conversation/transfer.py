"""Export and import of conversations as JSON lines, one message per line.

An import can be cut anywhere and started again, run twice, or run twice at once: every line has a
key made of what it says and how often that came before, and the store takes a key once.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openviking.checks import NAME_CHARS_MAX, check_bytes, check_name, checked_metadata
from openviking.conversation.passages import about
from openviking.errors import InputError
from openviking.types import NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from openviking.store.port import ConversationStore
    from openviking.types import Message, Namespace

CONTENT_BYTES_MAX = 4 << 20
"""Bytes of one imported message."""

_CHUNK = 200
"""Lines of one transaction."""

_PAGE = 500


@dataclass(frozen=True, slots=True)
class Source:
    """What is imported.

    Attributes:
        lines: the file, line by line.
        session_id: for lines that name no session.
        now: the time of messages that carry none.
        progress: called with the number of lines that are on disk, as it grows.
    """

    lines: Iterable[str]
    session_id: str | None
    now: datetime
    progress: Callable[[int], Any] | None = None


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: lines that were new, lines that were there already, sessions touched."""

    appended: int
    known: int
    sessions: int


def export_lines(
    store: ConversationStore, namespace: Namespace, session_id: str | None
) -> Iterator[str]:
    """Yield each message as a line of JSON without its line end, session by session, in order."""
    if session_id is not None:
        yield from _session_lines(store, namespace, session_id)
        return
    after: str | None = None
    while True:
        page = store.list_sessions(namespace, limit=_PAGE, after=after)
        for session in page.sessions:
            yield from _session_lines(store, namespace, session.id)
        after = page.next
        if after is None:
            return


def _session_lines(
    store: ConversationStore, namespace: Namespace, session_id: str
) -> Iterator[str]:
    after = 0
    while messages := store.page(namespace, session_id, after=after, limit=_PAGE):
        for message in messages:
            yield json.dumps(message_fields(message), ensure_ascii=False)
        after = messages[-1].seq


def message_fields(message: Message) -> dict[str, Any]:
    """Return a message as the object that a line of an export holds."""
    return {
        "session_id": message.session_id,
        "seq": message.seq,
        "role": message.role,
        "content": message.content,
        "metadata": dict(message.metadata),
        "timestamp": message.created_at.isoformat(),
    }


def import_lines(store: ConversationStore, namespace: Namespace, source: Source) -> Imported:
    """Append the messages of a file; none of them is answered.

    A line is a JSON object with ``role`` and ``content``, and where known ``session_id``,
    ``timestamp`` (ISO 8601), ``metadata`` and ``seq``. Blank lines are passed over. Lines before a
    wrong one are stored; after its correction, the import can be repeated as a whole.

    Args:
        store: where they go.
        namespace: whose they become.
        source: the file.

    Raises:
        InputError: a line is not such an object; ``loc`` is ``("lines", number from 1)``.
    """
    seen: Counter[str] = Counter()
    sessions: set[str] = set()
    counts: Counter[bool] = Counter()
    waiting: list[tuple[str, NewMessage]] = []

    def store_waiting(through: int) -> None:
        _append(store, namespace, waiting, counts)
        sessions.update(session for session, _ in waiting)
        waiting.clear()
        if source.progress is not None:
            source.progress(through)

    number = 0
    for number, line in enumerate(source.lines, 1):
        try:
            if line.strip():
                waiting.append(_parse(line, number, source, seen))
        except InputError:
            # What came before the wrong line is kept.
            store_waiting(number - 1)
            raise
        if len(waiting) >= _CHUNK:
            store_waiting(number)
    store_waiting(number)
    return Imported(counts[True], counts[False], len(sessions))


def _append(
    store: ConversationStore,
    namespace: Namespace,
    waiting: list[tuple[str, NewMessage]],
    counts: Counter[bool],
) -> None:
    by_session: dict[str, list[NewMessage]] = {}
    for session, message in waiting:
        by_session.setdefault(session, []).append(message)
    for session, messages in by_session.items():
        counts.update(done.is_new for done in store.append(namespace, session, messages))


def _parse(line: str, number: int, source: Source, seen: Counter[str]) -> tuple[str, NewMessage]:
    try:
        fields = json.loads(line)
        if not isinstance(fields, dict):
            raise InputError(f"expected an object, got {type(fields).__name__}")
        session: Any = fields.get("session_id", source.session_id)
        return session, _to_message(fields, session, source.now, seen)
    except (ValueError, RecursionError, TypeError) as error:
        raise InputError(f"line {number}: {error}", loc=("lines", number)) from error


def _to_message(
    fields: dict[str, Any], session: Any, now: datetime, seen: Counter[str]
) -> NewMessage:
    check_name(session, NAME_CHARS_MAX, "session_id")
    role, content = fields.get("role"), fields.get("content")
    check_name(role, NAME_CHARS_MAX, "role")  # type: ignore[arg-type] # the check is for this
    check_bytes(content, CONTENT_BYTES_MAX, "content")  # type: ignore[arg-type] # same
    metadata = checked_metadata(fields.get("metadata") or {})
    moment = _to_moment(fields.get("timestamp")) or now
    identity = repr((session, role, content, fields.get("timestamp"), fields.get("seq")))
    digest = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
    seen[digest] += 1
    # Our own answers only repeat what can be found already; see Conversations.
    is_quotation = role == "assistant" and metadata.get("kind") in {"extractive", "command"}
    return NewMessage(
        role=str(role),
        content=str(content),
        metadata=metadata,
        created_at=moment,
        is_searchable=not is_quotation,
        about=about(str(role), metadata, moment),
        key=f"import:{digest}:{seen[digest]}",
        seq=_to_integer(fields.get("seq"), "seq"),
    )


def _to_moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InputError(f"timestamp: expected ISO 8601, got {type(value).__name__}")
    moment = datetime.fromisoformat(value)
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _to_integer(value: Any, name: str) -> int | None:
    if value is None or (type(value) is int and 0 < value < 2**62):
        return value
    raise InputError(f"{name}: expected a number from 1, got {value!r}")
