"""A message that is stored, and how its answer comes: at once, or from a chat model in a while.

While the model is asked, nothing is held: the message is committed before, the answer is one more
append after it. Others may speak in the session meanwhile; every message keeps the place at which
it was stored, and an answer names the message that it answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from openviking.conversation.history import SessionView
from openviking.conversation.passages import about
from openviking.conversation.prompt import build_prompt
from openviking.conversation.reply import Reply, extractive_reply
from openviking.conversation.window import WINDOW_MESSAGES
from openviking.errors import ChatError
from openviking.types import NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from openviking.conversation.knowledge import Knowledge
    from openviking.conversation.ports import ChatModel
    from openviking.conversation.reply import TokenCounter
    from openviking.store.port import ConversationStore
    from openviking.types import Appended, Message, Namespace


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


class Turn(Protocol):
    """A stored message and its answer."""

    @property
    def is_waiting(self) -> bool:
        """Whether a language model has yet to be asked, which may take long."""

    def finish(self) -> Said:
        """Return what became of the message, once its answer is on disk."""

    def pieces(self) -> Iterator[str]:
        """Yield the answer as it comes; behind the last piece it is on disk.

        A generator that is closed before its end reads the answer to the end all the same: what is
        stored is the whole answer. If the model fails midway, the pieces were in vain, and
        :meth:`finish` returns the quotations that are stored instead.
        """


@dataclass(frozen=True, slots=True)
class Stored:
    """A message on disk, before its answer.

    Attributes:
        namespace: whose session.
        appended: what the append of the message did.
        window: the working window then, this message last.
        turns: messages of the context to return.
    """

    namespace: Namespace
    appended: Appended
    window: tuple[Message, ...]
    turns: int

    @property
    def message(self) -> Message:
        """The message."""
        return self.appended.message

    def said(self, reply: Reply, answer: Appended | None, now: datetime) -> Said:
        """Return what became of it; *answer* is what the append of *reply* did, None without."""
        session, window = self.appended.session, self.window
        if answer is not None:
            # Not read again: what others said meanwhile belongs to their answers.
            session, window = answer.session, (*window, answer.message)[-WINDOW_MESSAGES:]
        return Said(
            message=self.message,
            context=self.window[len(self.window) - min(self.turns, len(self.window)) :],
            reply=reply,
            view=SessionView(session, window, now),
            is_repeat=not self.appended.is_new,
        )


class Answered:
    """A turn that is over.

    Args:
        said: what became of the message.
    """

    is_waiting = False

    def __init__(self, said: Said) -> None:
        self._said = said

    def finish(self) -> Said:
        """Return what became of the message."""
        return self._said

    def pieces(self) -> Iterator[str]:
        """Yield the answer as one piece; none if nobody answers."""
        if self._said.reply.text:
            yield self._said.reply.text


class Waiting:
    """A turn that a language model is to end. For one thread at a time.

    Args:
        stored: the message.
        knowledge: what the model may quote.
        chat: the model.
        asking: how it is asked, and where its answer goes.
    """

    is_waiting = True

    def __init__(
        self, stored: Stored, knowledge: Knowledge, chat: ChatModel, asking: Asking
    ) -> None:
        self._stored = stored
        self._knowledge = knowledge
        self._chat = chat
        self._asking = asking
        self._said: Said | None = None

    def finish(self) -> Said:
        """Ask the model, unless :meth:`pieces` did; see Turn."""
        if self._said is None:
            try:
                reply = self._written(self._chat.complete(self._prompt()))
            except ChatError as error:
                reply = self._fallback(error)
            self._said = self._settle(reply)
        return self._said

    def pieces(self) -> Iterator[str]:
        """Ask the model and yield what it writes; see Turn."""
        source = self._pieces()
        try:
            for piece in source:  # noqa: UP028 - `yield from` would hand the closing on
                yield piece
        finally:
            for _ in source:
                pass

    def _pieces(self) -> Iterator[str]:
        got: list[str] = []
        try:
            for piece in self._chat.stream(self._prompt()):
                got.append(piece)
                yield piece
            reply = self._written("".join(got))
        except ChatError as error:
            reply = self._fallback(error)
        self._said = self._settle(reply)

    def _prompt(self) -> list[tuple[str, str]]:
        asking = self._asking
        return build_prompt(
            self._stored.window, self._knowledge, asking.tokens_max, asking.count_tokens
        )

    def _written(self, text: str) -> Reply:
        known = self._knowledge
        reply = Reply(text, "llm", known.passages, note=known.note, model=self._chat.model)
        return reply.recalling(known, self._stored.window)

    def _fallback(self, error: ChatError) -> Reply:
        reply = extractive_reply(self._knowledge, self._asking.count_tokens, failure=str(error))
        return reply.recalling(self._knowledge, self._stored.window)

    def _settle(self, reply: Reply) -> Said:
        """Store the answer; of two to one message, which retries can make, the first stands."""
        stored, now = self._stored, self._asking.clock()
        new = answer_message(reply, now, stored.message.seq)
        (done,) = self._asking.store.append(stored.namespace, stored.message.session_id, [new])
        return stored.said(reply if done.is_new else stored_reply(done.message), done, now)


@dataclass(frozen=True, slots=True)
class Asking:
    """How a model is asked, and where its answer goes.

    Attributes:
        store: where it goes.
        clock: dates it.
        tokens_max: tokens that the model is given.
        count_tokens: counts them.
    """

    store: ConversationStore
    clock: Callable[[], datetime]
    tokens_max: int
    count_tokens: TokenCounter


def answer_message(reply: Reply, now: datetime, reply_to: int) -> NewMessage:
    """Return *reply* as the message that is stored."""
    is_written = reply.kind == "llm"
    return NewMessage(
        "assistant",
        reply.text,
        {"kind": reply.kind} | ({"model": reply.model} if is_written else {}),
        now,
        # A quotation can be found already, and would only stand in its way.
        is_searchable=is_written,
        about=about("assistant", {}, now) if is_written else "",
        reply_to=reply_to,
    )


def stored_reply(message: Message) -> Reply:
    """Return a stored answer as the reply that it was, without what it drew on."""
    kind = message.metadata.get("kind", "extractive")
    return Reply(message.content, kind, model=message.metadata.get("model"))
