"""Conversations: what is said is stored, answered, recalled, searched, and forgotten when asked."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID, uuid4

from openviking.checks import NAME_CHARS_MAX, check_bytes, check_name, check_text, checked_metadata
from openviking.conversation.history import History, utc_now
from openviking.conversation.knowledge import Knowledge
from openviking.conversation.passages import about
from openviking.conversation.ports import Sources
from openviking.conversation.reply import NO_REPLY, Reply, command_reply, extractive_reply
from openviking.conversation.shared import Shared
from openviking.conversation.turn import (
    Answered,
    Said,
    Stored,
    Turn,
    Waiting,
    answer_message,
    stored_reply,
)
from openviking.conversation.window import working_window
from openviking.errors import InputError, LimitError
from openviking.types import REPLY_TO_PREVIOUS, Namespace, NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    from openviking.conversation.archive import ArchiveSearch
    from openviking.conversation.lifetime import Lifetimes
    from openviking.conversation.ports import ChatModel
    from openviking.conversation.transfer import Imported
    from openviking.store.port import Store
    from openviking.types import Appended, TextEncoder

MESSAGE_BYTES_MAX = 4 << 20
"""Bytes of one message in UTF-8."""

CONTEXT_TURNS = 3
"""Messages of the context if the caller does not say."""


class Conversations(History):
    """The conversations of one namespace; :meth:`of` gives those of another. Safe for threads.

    Sessions cost nothing while nobody speaks: their state is in the store, never in memory.

    Args:
        store: where everything lasts; not closed here.
        encoder: turns messages and questions into vectors; not closed here.
        clock: gives the time, with a zone.
        sources: what replies draw on beside the archive.
        lifetimes: when windows end and messages are deleted.
    """

    def __init__(
        self,
        store: Store,
        encoder: TextEncoder,
        *,
        clock: Callable[[], datetime] = utc_now,
        sources: Sources | None = None,
        lifetimes: Lifetimes | None = None,
    ) -> None:
        super().__init__(store.conversations, clock=clock, lifetimes=lifetimes)
        self._parts = Shared(
            store.conversations, encoder, clock, sources or Sources(), self._lifetimes
        )

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
        History.__init__(
            other,
            self._store,
            Namespace(user, agent),
            clock=self._clock,
            lifetimes=self._lifetimes,
        )
        other._parts = self._parts  # noqa: SLF001 - our own class
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
        """Store a message, durably, and answer it if its role is ``user``; see :meth:`begin`."""
        return self.begin(
            message, session_id, role, context_turns, metadata=metadata, key=key
        ).finish()

    def begin(
        self,
        message: str,
        session_id: str | None = None,
        role: str = "user",
        context_turns: int = CONTEXT_TURNS,
        *,
        metadata: Mapping[str, Any] | None = None,
        key: str | None = None,
    ) -> Turn:
        """Store a message, durably, and return how its answer comes.

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
            StoreError: nothing was stored.
        """
        _check_message(message, session_id, role, key)
        if isinstance(context_turns, bool) or context_turns < 0:
            raise InputError(
                f"context_turns: expected 0 or more, got {context_turns!r}", loc=("context_turns",)
            )
        known = checked_metadata(metadata or {})
        target = session_id or self._new_session_id(key)
        now = self._clock()
        new = NewMessage(role, message, known, now, about=about(role, known, now), key=key)
        if role != "user":
            (done,) = self._append(target, [new])
            stored = self._stored(done, context_turns)
            return Answered(stored.said(NO_REPLY, None, now))
        return self._answer(target, new, context_turns)

    def search(
        self, query: str, *, session_id: str | None = None, limit: int = 10
    ) -> ArchiveSearch:
        """Find messages by meaning and words, in one session or in all; see Archive.search."""
        return self._parts.archive.search(self.namespace, query, session_id=session_id, limit=limit)

    def delete(self, session_id: str) -> int:
        """Delete a session with its messages, words and vectors; return how many messages it had.

        What was learned from these messages alone goes too. Nothing of it stays readable in the
        storage files. Raises NotFoundError.
        """
        try:
            return super().delete(session_id)
        finally:
            # Also after a failure: some of it may be gone.
            self._parts.deleted(self.namespace)

    def import_lines(
        self,
        lines: Iterable[str],
        session_id: str | None = None,
        *,
        progress: Callable[[int], Any] | None = None,
    ) -> Imported:
        """Append what :meth:`export_lines` or another program wrote; see transfer.import_lines."""
        try:
            return super().import_lines(lines, session_id, progress=progress)
        finally:
            # Also after a wrong line: those before it are stored.
            self._parts.stored()

    def wait_until_embedded(self, timeout_s: float = 60.0) -> bool:
        """Wait until every message is findable by meaning; False if it took longer."""
        return self._parts.embedder.wait_until_idle(timeout_s)

    def wait_until_swept(self, timeout_s: float = 60.0) -> bool:
        """Wait until nothing is past its retention; False if it took longer."""
        return all(worker.wait_until_idle(timeout_s) for worker in self._parts.workers)

    def health(self) -> dict[str, Any]:
        """Tell what went wrong last in the background, if anything."""
        errors = [one.last_error for one in self._parts.workers if one.last_error is not None]
        return {"waiting_because": "; ".join(errors)} if errors else {}

    def close(self) -> None:
        """End the background work; may be called twice."""
        self._parts.close()

    def _answer(self, session_id: str, new: NewMessage, turns: int) -> Turn:
        """Store a user's message together with its answer, if none has to be waited for."""
        parts, known = self._parts, Knowledge()
        reply = command_reply(new.content, parts.sources.commands)
        if reply is None:
            known = parts.gatherer.gather(self.namespace, session_id, new.content)
            if parts.sources.chat is not None:
                return self._ask(parts.sources.chat, session_id, new, known, turns)
            reply = extractive_reply(known, parts.asking.count_tokens)
        return self._store_both(session_id, new, reply, known, turns)

    def _ask(
        self, chat: ChatModel, session_id: str, new: NewMessage, known: Knowledge, turns: int
    ) -> Turn:
        """Store a user's message and return the turn that the model is to end."""
        (done,) = self._append(session_id, [new])
        stored = self._stored(done, turns)
        if not done.is_new:
            answer = self._store.reply_to(self.namespace, session_id, done.message.seq)
            if answer is not None:
                said = stored.said(stored_reply(answer), None, self._clock())
                return Answered(said)
        return Waiting(stored, known, chat, self._parts.asking)

    def _store_both(
        self, session_id: str, new: NewMessage, reply: Reply, known: Knowledge, turns: int
    ) -> Turn:
        """Store a message and its answer in one transaction: one wait for the disk."""
        now = self._clock()
        done, answer = self._append(
            session_id, [new, answer_message(reply, now, REPLY_TO_PREVIOUS)]
        )
        stored = self._stored(done, turns)
        if answer.is_new:
            self._parts.tails.through(self.namespace, answer)
            reply = reply.recalling(known, stored.window)
        else:
            reply = stored_reply(answer.message)
        return Answered(stored.said(reply, answer, now))

    def _append(self, session_id: str, new: Sequence[NewMessage]) -> list[Appended]:
        done = self._store.append(self.namespace, session_id, new)
        self._parts.stored()
        return done

    def _stored(self, done: Appended, turns: int) -> Stored:
        message = done.message
        tail = self._parts.tails.through(self.namespace, done)
        window = working_window(tail, message.created_at, self._lifetimes.idle)
        return Stored(self.namespace, done, window, turns)

    def _new_session_id(self, key: str | None) -> str:
        """Return a random id; under a key always the same, so that a retry finds its session."""
        if key is None:
            return str(uuid4())
        owner = repr((self.namespace.user, self.namespace.agent, key))
        return str(UUID(bytes=hashlib.blake2b(owner.encode(), digest_size=16).digest(), version=4))


def _check_message(message: str, session_id: str | None, role: str, key: str | None) -> None:
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
