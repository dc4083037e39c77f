"""How long windows and messages last, whatever the clock does."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from openviking.conversation import Conversations, Lifetimes
from openviking.conversation.lifetime import SWEPT_AT_ONCE, SteadyClock
from openviking.encoder.fake import HashingEncoder
from openviking.errors import NotFoundError
from openviking.types import Namespace, NewMessage

if TYPE_CHECKING:
    from tests.conversation.conftest import Clock

    from openviking.store import SqliteStore

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEEK = Lifetimes(retention=timedelta(days=7))


class Times:
    """A wall clock and the seconds that really pass, each turned by the test."""

    def __init__(self) -> None:
        self.wall = NOON
        self.passed = 0.0

    def steady(self, since: datetime | None = None) -> SteadyClock:
        return SteadyClock(lambda: self.wall, since, lambda: self.passed)

    def go_on(self, seconds: float) -> None:
        self.wall += timedelta(seconds=seconds)
        self.passed += seconds


def test_a_clock_that_goes_on_is_believed():
    times = Times()
    clock = times.steady()
    for seconds in (1, 3000, 5 * 3600, 86_400):
        times.go_on(seconds)
        assert clock() == times.wall


def test_a_leap_ahead_is_believed_when_it_has_lasted_an_hour():
    times = Times()
    clock = times.steady()
    times.wall += timedelta(days=3650)
    assert clock() == NOON
    times.go_on(1800)
    assert clock() == NOON + timedelta(minutes=30)
    times.go_on(1801)
    assert clock() == times.wall


def test_a_leap_that_is_taken_back_changes_nothing():
    times = Times()
    clock = times.steady()
    times.wall += timedelta(days=3650)
    clock()
    times.wall -= timedelta(days=3650)
    times.go_on(7200)
    assert clock() == NOON + timedelta(hours=2)
    times.wall += timedelta(days=3650)
    assert clock() == NOON + timedelta(hours=2), "a new leap lasts anew"


def test_a_clock_set_back_is_believed_at_once():
    times = Times()
    clock = times.steady()
    times.wall -= timedelta(days=30)
    assert clock() == times.wall


def test_at_the_start_the_newest_message_is_what_is_known():
    times = Times()
    clock = times.steady(NOON - timedelta(days=30))
    assert clock() == NOON - timedelta(days=30)
    times.go_on(3600)
    assert clock() == times.wall


def test_a_start_with_a_clock_years_ahead_deletes_nothing(store: SqliteStore, clock: Clock):
    with closing(Conversations(store, HashingEncoder(), clock=clock)) as conversations:
        conversations.say("precious", "s", "note")
    clock.advance(days=3650)
    opened = Conversations(store, HashingEncoder(), clock=clock, lifetimes=WEEK)
    with closing(opened) as conversations:
        assert conversations.wait_until_swept(20)
        assert [m.content for m in conversations.messages("s")] == ["precious"]


def test_a_sweep_deletes_all_that_is_past_in_slices_with_words_and_vectors(
    store: SqliteStore, clock: Clock
):
    count = 2 * SWEPT_AT_ONCE + 10
    old = [NewMessage("note", f"swordfish {n}", created_at=clock.now) for n in range(count)]
    store.conversations.append(Namespace(), "old", old)
    vectors = HashingEncoder(dim=8).encode([one.content for one in old[:5]]).vectors
    store.conversations.put_vectors("b", range(1, 6), vectors)
    clock.advance(days=8)
    with closing(Conversations(store, HashingEncoder(), clock=clock)) as conversations:
        conversations.say("new", "s", "note")
    opened = Conversations(store, HashingEncoder(), clock=clock, lifetimes=WEEK)
    with closing(opened) as conversations:
        assert conversations.wait_until_swept(20)
        with pytest.raises(NotFoundError):
            conversations.stats("old")
        assert store.stats()["messages"] == 1
        assert store.conversations.match(Namespace(), None, ["swordfish"], limit=9) == []
        assert len(store.conversations.vectors(Namespace(), "b", limit=9).numbers) == 0
    files = store.path.parent.iterdir()
    assert all(b"swordfish" not in path.read_bytes() for path in files)


def test_the_pause_that_ends_a_window_is_configured(store: SqliteStore, clock: Clock):
    brief = Lifetimes(idle=timedelta(minutes=5))
    opened = Conversations(store, HashingEncoder(), clock=clock, lifetimes=brief)
    with closing(opened) as conversations:
        conversations.say("one", "s")
        clock.advance(minutes=4)
        assert len(conversations.say("two", "s").context) == 3
        clock.advance(minutes=5)
        assert len(conversations.say("three", "s").context) == 1
