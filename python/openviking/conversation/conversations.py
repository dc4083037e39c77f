"""Conversations: what is said is stored, answered, recalled, searched, and forgotten when asked."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from openviking.checks import NAME_CHARS_MAX, check_bytes, check_name, check_text, checked_metadata
from openviking.conversation import transfer
from openviking.conversation.archive import QUERY_CHARS_MAX, Archive, ArchiveSearch
from openviking.conversation.embedder import Embedder
from openviking.conversation.passages import about
from openviking.conversation.reply import (
    NO_REPLY,
    RECALLED_MAX,
    Reply,
    Responder,
    command_reply,
)
from openviking.conversation.shelf import Shelves
from openviking.conversation.window import WINDOW_MESSAGES, working_window
from openviking.errors import InputError, LimitError
from openviking.types import Message, Namespace, NewMessage, Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from openviking.conversation.ports import Commands, ResourceFinder, SkillFinder
    from openviking.conversation.transfer import Imported
    from openviking.store.port import ConversationStore, Store
    from openviking.types import SessionPage, TextEncoder

MESSAGE_BYTES_MAX = 4 << 20
"""Bytes of one message in UTF-8."""

CONTEXT_TURNS = 3
"""Messages of the context if the caller does not say."""

PAGE_MAX = 1000
"""Messages or sessions of one page."""

_SWEPT_AT_ONCE = 500


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class SessionView:
    """A session and its working window at one moment.

    Attributes:
        session: what is stored of it.
        window: messages of the working window, oldest first.
        now: the moment.
    """

    session: Session
    window: tuple[Message, ...]
    now: datetime

    @property
    def age_minutes(self) -> float:
        """Minutes since the session began."""
        return max(0.0, (self.now - self.session.created_at) / timedelta(minutes=1))


@dataclass(frozen=True, slots=True)
class Said:
    """What became of a message.

    Attributes:
        message: as it is stored.
        context: the last messages of the working window, the message itself included.
        reply: the answer; ``kind`` is ``none`` if the role gets none.
        view: the session behind the answer.
        is_repeat: whether the message was stored already, under the same key.
    """

    message: Message
    context: tuple[Message, ...]
    reply: Reply
    view: SessionView
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class Sources:
    """What conversations draw on beside store and encoder.

    Attributes:
        commands: slash commands that a message can begin with.
        skills: finds skills that an answer names.
        resources: finds resources that an answer quotes.
        encoder: makes the vectors of messages, the same as the encoder of questions would; for one
            behind a cache, the one without it, so that messages do not drive questions out.
    """

    commands: Commands | None = None
    skills: SkillFinder | None = None
    resources: ResourceFinder | None = None
    encoder: TextEncoder | None = None


class _Shared:
    """What the views of all namespaces have in common."""

    def __init__(
        self,
        store: ConversationStore,
        encoder: TextEncoder,
        clock: Callable[[], datetime],
        sources: Sources,
        retention: timedelta | None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.sources = sources
        self.retention = retention
        self.shelves = Shelves(lambda owner: store.vectors(owner, encoder.build_id), encoder.dim)
        self.archive = Archive(store, encoder, self.shelves)
        self.responder = Responder(
            lambda texts: encoder.token_counts(texts).tolist(), sources.skills, sources.resources
        )
        self.embedder = Embedder(store, sources.encoder or encoder, self.shelves, self.sweep)

    def sweep(self) -> None:
        """Delete what is older than the retention."""
        if self.retention is None:
            return
        before = self.clock() - self.retention
        is_changed = False
        while self.store.delete_messages_before(before, limit=_SWEPT_AT_ONCE):
            is_changed = True
        if is_changed:
            self.shelves.forget()


class Conversations:
    """The conversations of one namespace; :meth:`of` gives those of another. Safe for threads.

    Sessions cost nothing while nobody speaks: their state is in the store, never in memory.

    Args:
        store: where everything lasts; not closed here.
        encoder: turns messages and questions into vectors; not closed here.
        clock: gives the time, with a zone.
        sources: what replies draw on beside the archive.
        retention: messages older than this are deleted; None keeps them.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        *,
        clock: Callable[[], datetime] = _utc_now,
        sources: Sources | None = None,
        retention: timedelta | None = None,
    ) -> None:
        parts = _Shared(store.conversations, encoder, clock, sources or Sources(), retention)
        self._bind(parts, Namespace())
        parts.embedder.start()

    def _bind(self, parts: _Shared, namespace: Namespace) -> None:
        self._parts = parts
        self._store = parts.store
        self.namespace = namespace

    def of(self, user: str = "", agent: str = "") -> Self:
        """Return the conversations of a person, an agent, or both; sessions never meet.

        Raises:
            InputError: a name that is no valid text.
            LimitError: a name that is too long.
        """
        for name, value in (("user", user), ("agent", agent)):
            if value:
                check_name(value, NAME_CHARS_MAX, name)
        other = type(self).__new__(type(self))
        other._bind(self._parts, Namespace(user, agent))  # noqa: SLF001 - our own class
        return other

    def say(
        self,
        message: str,
        session_id: str | None = None,
        role: str = "user",
        context_turns: int = CONTEXT_TURNS,
        *,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Said:
        """Store a message, durably, and answer it if its role is ``user``.

        Args:
            message: any text; of role ``user`` not a blank one.
            session_id: a session, created if missing; None begins a new one.
            role: who speaks.
            context_turns: *messages* of the working window to return, this one included.
            metadata: JSON values under text keys; ``name`` is taken as the speaker's name.
            key: repeats of this call under the same key change nothing and return the same. Without
                a session id the key decides the session too.

        Raises:
            InputError: a value of the wrong type, or one that cannot be stored.
            LimitError: a value larger than this module's limits.
            ConflictError: the key was used for another message.
            StoreError: nothing was stored, or only the message and not its answer.
        """
        self._check_message(message, session_id, role, key)
        if isinstance(context_turns, bool) or context_turns < 0:
            raise InputError(
                f"context_turns: expected 0 or more, got {context_turns!r}", loc=("context_turns",)
            )
        known = checked_metadata(metadata or {})
        target = session_id or self._new_session_id(key)
        now = self._parts.clock()
        context = about(role, known, now)
        new = NewMessage(role, message, known, now, about=context, key=key)
        (done,) = self._store.append(self.namespace, target, [new])
        self._parts.embedder.wake()
        stored = done.message
        window = self._window(target, stored.created_at, through=stored.seq)
        reply, view = NO_REPLY, SessionView(done.session, window, now)
        if role == "user":
            reply, view = self._answer(stored, window, is_repeat=not done.is_new)
        return Said(
            message=stored,
            context=window[len(window) - min(context_turns, len(window)) :],
            reply=reply,
            view=view,
            is_repeat=not done.is_new,
        )

    def stats(self, session_id: str) -> SessionView:
        """Return a session with its working window; raises NotFoundError."""
        return self._view(self._store.get_session(self.namespace, session_id))

    def flush(self, session_id: str | None = None) -> int:
        """End the working window of a session, or of all; return how many sessions were there.

        No message is deleted: the archive stays and stays searchable.
        """
        return self._store.clear_windows(self.namespace, session_id)

    def messages(self, session_id: str, *, after: int = 0, limit: int = 100) -> list[Message]:
        """Return archived messages behind the number *after*, in order; raises NotFoundError."""
        _check_limit(limit)
        return self._store.page(self.namespace, session_id, after=max(after, 0), limit=limit)

    def sessions(self, *, limit: int = 100, after: str | None = None) -> SessionPage:
        """Return the sessions of this namespace in id order."""
        _check_limit(limit)
        return self._store.list_sessions(self.namespace, limit=limit, after=after)

    def search(
        self, query: str, *, session_id: str | None = None, limit: int = 10
    ) -> ArchiveSearch:
        """Find messages by meaning and words, in one session or in all; see Archive.search."""
        return self._parts.archive.search(self.namespace, query, session_id=session_id, limit=limit)

    def delete(self, session_id: str) -> int:
        """Delete a session with its messages, words and vectors; return how many messages it had.

        Nothing of it stays readable in the storage files. Raises NotFoundError.
        """
        count = self._store.delete_session(self.namespace, session_id)
        self._parts.shelves.forget(self.namespace)
        return count

    def export_lines(self, session_id: str | None = None) -> Iterator[str]:
        """Yield one JSON line per message, of one session or of all; raises NotFoundError."""
        return transfer.export_lines(self._store, self.namespace, session_id)

    def import_lines(self, lines: Iterable[str], session_id: str | None = None) -> Imported:
        """Append what :meth:`export_lines` or another program wrote; see transfer.import_lines."""
        now = self._parts.clock()
        imported = transfer.import_lines(self._store, self.namespace, lines, session_id, now)
        self._parts.embedder.wake()
        return imported

    def wait_until_embedded(self, timeout_s: float = 60.0) -> bool:
        """Wait until every message is findable by meaning; False if it took longer."""
        return self._parts.embedder.wait_until_done(timeout_s)

    def health(self) -> dict[str, Any]:
        """Tell what went wrong last in the background, if anything."""
        error = self._parts.embedder.last_error
        return {} if error is None else {"waiting_because": error}

    def close(self) -> None:
        """End the background work; may be called twice."""
        self._parts.embedder.close()

    def _check_message(
        self, message: str, session_id: str | None, role: str, key: str | None
    ) -> None:
        check_bytes(message, MESSAGE_BYTES_MAX, "message")
        check_name(role, NAME_CHARS_MAX, "role")
        if role == "user" and not message.strip():
            raise InputError("message: expected some characters, got none", loc=("message",))
        for name, value in (("session_id", session_id), ("key", key)):
            if value is not None:
                check_text(value, name)
                if len(value) > NAME_CHARS_MAX:
                    raise LimitError(
                        f"{name}: expected at most {NAME_CHARS_MAX} characters, got {len(value)}",
                        loc=(name,),
                    )

    def _new_session_id(self, key: str | None) -> str:
        """Return a random id; under a key always the same, so that a retry finds its session."""
        if key is None:
            return str(uuid4())
        owner = repr((self.namespace.user, self.namespace.agent, key))
        return str(UUID(bytes=hashlib.blake2b(owner.encode(), digest_size=16).digest(), version=4))

    def _answer(
        self, message: Message, window: tuple[Message, ...], *, is_repeat: bool
    ) -> tuple[Reply, SessionView]:
        """Answer a stored message; the answer is stored too, and only once."""
        if is_repeat:
            stored = self._store.reply_to(self.namespace, message.session_id, message.seq)
            if stored is not None:
                kind = stored.metadata.get("kind", "extractive")
                return Reply(stored.content, kind), self.stats(message.session_id)
        reply = command_reply(message.content, self._parts.sources.commands)
        if reply is None:
            reply = self._extract(message, window)
        new = NewMessage(
            "assistant",
            reply.text,
            {"kind": reply.kind},
            self._parts.clock(),
            # It quotes what can be found already, and would only stand in its way.
            is_searchable=False,
            reply_to=message.seq,
        )
        (done,) = self._store.append(self.namespace, message.session_id, [new])
        # Not read again: what others said meanwhile belongs to their answers.
        new_window = (*window, done.message)[-WINDOW_MESSAGES:]
        return reply, SessionView(done.session, new_window, self._parts.clock())

    def _extract(self, message: Message, window: tuple[Message, ...]) -> Reply:
        everyone = self.namespace == Namespace()
        found = self._parts.archive.search(
            self.namespace,
            message.content[:QUERY_CHARS_MAX],
            # Who names nobody shares this namespace with strangers: only this session is quoted.
            session_id=message.session_id if everyone else None,
            limit=RECALLED_MAX + WINDOW_MESSAGES + 1,
        )
        return self._parts.responder.reply(message, window, found)

    def _window(
        self, session_id: str, now: datetime, through: int | None = None
    ) -> tuple[Message, ...]:
        tail = self._store.tail(self.namespace, session_id, count=WINDOW_MESSAGES, through=through)
        return working_window(tail, now)

    def _view(self, session: Session) -> SessionView:
        now = self._parts.clock()
        return SessionView(session, self._window(session.id, now), now)


def _check_limit(limit: int) -> None:
    if isinstance(limit, bool) or not 1 <= limit <= PAGE_MAX:
        raise InputError(f"limit: expected 1 to {PAGE_MAX}, got {limit!r}", loc=("limit",))
