"""The working window: the newest messages of a session that still belong together."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from openviking.types import Message

WINDOW_MESSAGES = 10
"""Messages that the window holds, replies included."""

IDLE = timedelta(minutes=30)
"""A pause of this length ends the window, if the configuration names no other."""


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
