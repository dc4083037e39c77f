"""The working window: the newest messages of a session that still belong together."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from openviking.types import Appended, Message, Namespace

WINDOW_MESSAGES = 10
"""Messages that the window holds, replies included."""

IDLE = timedelta(minutes=30)
"""A pause of this length ends the window, if the configuration names no other."""


KEPT_SESSIONS = 1024
"""Sessions whose newest messages are kept in memory."""

KEPT_CHARS_MAX = 1 << 15
"""Characters of one session's newest messages that are kept; longer ones are read when needed."""


class Tails:
    """The newest messages of the sessions that spoke last, so that a message need not read them.

    What is kept is only used when a new message follows it without a gap in the same session, so
    it can be incomplete or old, but never wrong. Safe for threads.

    Args:
        read: returns the last messages up to a number, oldest first, from the store.
    """

    def __init__(self, read: Callable[[Namespace, str, int], Sequence[Message]]) -> None:
        self._read = read
        self._kept: OrderedDict[int, tuple[Message, ...]] = OrderedDict()
        self._changing = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def through(self, namespace: Namespace, done: Appended) -> tuple[Message, ...]:
        """Return the last messages of a session up to one that was appended, oldest first.

        Those that a flush put away are left out.
        """
        message, session = done.message, done.session
        with self._changing:
            before = self._kept.pop(session.number, ())
        if done.is_new and before and before[-1].seq == message.seq - 1:
            tail = (*before, message)[-WINDOW_MESSAGES:]
        else:
            tail = tuple(self._read(namespace, session.id, message.seq))
        if tail and tail[0].seq <= session.window_start:
            tail = tuple(one for one in tail if one.seq > session.window_start)
        if done.is_new and sum(len(one.content) for one in tail) <= KEPT_CHARS_MAX:
            with self._changing:
                self._kept[session.number] = tail
                if len(self._kept) > KEPT_SESSIONS:
                    self._kept.popitem(last=False)
        return tail

    def forget(self) -> None:
        """Keep nothing of what was deleted."""
        with self._changing:
            self._kept.clear()


def working_window(
    tail: Sequence[Message], now: datetime, idle: timedelta = IDLE
) -> tuple[Message, ...]:
    """Return the messages of *tail* that are in the window at *now*, oldest first.

    Nothing else has to be remembered: the window ends at the first pause, counted from the end. A
    clock that was set back makes a pause negative, which is none.

    Args:
        tail: the newest messages of the session, oldest first.
        now: the moment that counts.
        idle: the pause that ends it.
    """
    window: list[Message] = []
    later = now
    for message in reversed(tail[-WINDOW_MESSAGES:]):
        if later - message.created_at >= idle:
            break
        window.append(message)
        later = message.created_at
    return tuple(reversed(window))
