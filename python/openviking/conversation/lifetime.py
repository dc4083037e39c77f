"""How long things last: the working window by idleness, the archive by its retention.

Messages past their retention are deleted by a sweep in the background, some at a time, with their
words and vectors. A sweep asks what time it is, and a clock that leaps ahead must not empty the
archive: a leap, also from the newest message to the start of this process, is believed only when it
has lasted for an hour of real time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Self

from openviking.background import Background
from openviking.conversation.window import IDLE

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.config import Conversation
    from openviking.store.port import ConversationStore

SWEEP_S = 600.0
"""Seconds between two sweeps."""

SWEPT_AT_ONCE = 500
"""Messages of one transaction of a sweep: others' writes wait for some milliseconds only."""

LEAP = timedelta(hours=1)
"""What a clock may run ahead of the time that has really passed before it is doubted, and how long
it must then keep its word to be believed."""


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """How long things last.

    Attributes:
        idle: a pause of this length ends the working window.
        retention: messages older than this are deleted; None keeps them.
    """

    idle: timedelta = IDLE
    retention: timedelta | None = None

    @classmethod
    def of(cls, settings: Conversation) -> Self:
        """Return what is configured."""
        days = settings.retention_days
        return cls(
            idle=timedelta(minutes=settings.idle_minutes),
            retention=None if days is None else timedelta(days=days),
        )


class SteadyClock:
    """A clock whose leaps ahead count only when they have lasted; leaps back count at once.

    Args:
        clock: what is doubted; with a zone.
        since: a time that it showed once; None if none is known, its first time is then believed.
        monotonic: seconds that really pass.
    """

    def __init__(
        self,
        clock: Callable[[], datetime],
        since: datetime | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._believed = since or clock()
        self._at = monotonic()
        self._leapt_at: float | None = None

    def __call__(self) -> datetime:
        """Return the time as far as it is believed."""
        now, at = self._clock(), self._monotonic()
        expected = self._believed + timedelta(seconds=at - self._at)
        if now - expected <= LEAP:
            self._leapt_at = None
        else:
            if self._leapt_at is None:
                self._leapt_at = at
            if at - self._leapt_at < LEAP.total_seconds():
                now = expected
            else:
                self._leapt_at = None
        self._believed, self._at = now, at
        return now


class Sweeper(Background):
    """One thread that deletes what is past its retention.

    Args:
        store: where messages are.
        retention: their greatest age.
        clock: gives the time.
        deleted: called after something was deleted.
    """

    def __init__(
        self,
        store: ConversationStore,
        retention: timedelta,
        clock: Callable[[], datetime],
        deleted: Callable[[], None],
    ) -> None:
        super().__init__("conversation-sweep", self._sweep, interval_s=SWEEP_S)
        self._store = store
        self._retention = retention
        self._clock = clock
        self._deleted = deleted

    def _sweep(self) -> None:
        before = self._clock() - self._retention
        is_changed = False
        try:
            while not self.is_closing and self._store.delete_messages_before(
                before, limit=SWEPT_AT_ONCE
            ):
                is_changed = True
        finally:
            if is_changed:
                self._deleted()
