"""What is kept in memory stays bounded, however many sessions and messages there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.conversation.shelf import Shelves
from openviking.conversation.window import KEPT_CHARS_MAX, KEPT_SESSIONS, Tails
from openviking.types import Appended, Message, MessageVectors, Namespace, Session

if TYPE_CHECKING:
    from tests.conversation.conftest import Clock

    from openviking.conversation import Conversations
    from openviking.store import SqliteStore

NOBODY = Namespace()


class Log:
    """Sessions in memory, as a store would append and read them; counts the readings."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.said: dict[str, list[Message]] = {}
        self.readings = 0

    def append(self, session: str, content: str = "x", window_start: int = 0) -> Appended:
        messages = self.said.setdefault(session, [])
        now = self.clock()
        messages.append(Message(session, len(messages) + 1, "note", content, {}, now))
        number = list(self.said).index(session) + 1
        count = len(messages)
        about = Session(session, NOBODY, now, now, count, count, window_start, number)
        return Appended(messages[-1], about, is_new=True)

    def read(self, _: Namespace, session: str, through: int) -> list[Message]:
        self.readings += 1
        return self.said[session][max(0, through - 10) : through]


def test_a_session_that_goes_on_is_read_once(clock: Clock):
    log = Log(clock)
    tails = Tails(log.read)
    for number in range(1, 31):
        tail = tails.through(NOBODY, log.append("s"))
        assert [one.seq for one in tail] == list(range(max(1, number - 9), number + 1))
    assert log.readings == 1


def test_a_gap_is_read_and_a_flush_is_seen(clock: Clock):
    log = Log(clock)
    tails = Tails(log.read)
    tails.through(NOBODY, log.append("s"))
    log.append("s")
    assert [one.seq for one in tails.through(NOBODY, log.append("s"))] == [1, 2, 3]
    assert log.readings == 2
    flushed = log.append("s", window_start=3)
    assert [one.seq for one in tails.through(NOBODY, flushed)] == [4]


def test_appends_that_overtake_each_other_still_see_what_came_before_them(clock: Clock):
    log = Log(clock)
    tails = Tails(log.read)
    first, second = log.append("s"), log.append("s")
    assert [one.seq for one in tails.through(NOBODY, second)] == [1, 2]
    assert [one.seq for one in tails.through(NOBODY, first)] == [1]
    assert [one.seq for one in tails.through(NOBODY, log.append("s"))] == [1, 2, 3]


def test_few_sessions_and_no_long_messages_are_kept(clock: Clock):
    log = Log(clock)
    tails = Tails(log.read)
    for number in range(KEPT_SESSIONS + 500):
        tails.through(NOBODY, log.append(f"s{number}"))
    assert len(tails) == KEPT_SESSIONS
    tails.through(NOBODY, log.append("long", "x" * (KEPT_CHARS_MAX + 1)))
    assert len(tails) == KEPT_SESSIONS
    tails.forget()
    assert len(tails) == 0


def some_vectors(count: int, first: int = 1) -> MessageVectors:
    numbers = np.arange(first, first + count, dtype=np.int64)
    rows = np.random.default_rng(first).standard_normal((count, 8)).astype(np.float32)
    return MessageVectors(numbers, numbers, numbers, np.ones_like(numbers), rows)


def test_a_namespace_with_more_vectors_than_fit_holds_its_newest():
    stored = some_vectors(100)

    def load(_: Namespace, limit: int) -> MessageVectors:
        return MessageVectors(
            stored.numbers[-limit:],
            stored.messages[-limit:],
            stored.sessions[-limit:],
            stored.seqs[-limit:],
            stored.vectors[-limit:],
        )

    shelves = Shelves(load, 8, vectors_max=50)
    shelf = shelves.of(NOBODY)
    assert len(shelf) == 50
    assert shelf.owner(100) is not None
    assert shelf.owner(50) is None
    shelves.add(NOBODY, some_vectors(6, first=101))
    assert shelves.of(NOBODY) is not shelf, "it outgrew its limit, and was loaded anew"


def test_sessions_that_say_nothing_leave_nothing_in_memory(
    conversations: Conversations, store: SqliteStore
):
    for number in range(300):
        conversations.say(" ", f"s{number}", "system")
    assert conversations.wait_until_embedded()
    assert store.stats()["sessions"] == 300
    assert conversations.search("anything").hits == ()
