from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import apsw
import numpy as np
import pytest

from openviking.errors import ConflictError, InputError, NotFoundError, ShapeError
from openviking.store import SqliteStore
from openviking.store.sqlite import schema
from openviking.store.sqlite.migrations import MIGRATIONS
from openviking.types import Namespace, NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openviking.store.port import Store

NOBODY = Namespace()
ANN = Namespace("ann", "")


def say(store: Store, *contents: str, session: str = "s", owner: Namespace = NOBODY) -> None:
    store.conversations.append(owner, session, [NewMessage("user", text) for text in contents])


def test_several_messages_are_appended_in_order_and_survive_a_restart(
    open_store: Callable[[], Store],
):
    store = open_store()
    moment = datetime(2026, 3, 1, tzinfo=UTC)
    new = [NewMessage("user", "a", {"n": 1}, moment), NewMessage("tool", "b", reply_to=1)]
    done = store.conversations.append(ANN, "s", new)
    store.close()
    again = open_store()
    assert again.conversations.page(ANN, "s", after=0, limit=9) == [one.message for one in done]
    session = again.conversations.get_session(ANN, "s")
    assert (session.message_count, session.last_seq, session.created_at) == (2, 2, moment)
    again.close()


def test_a_key_is_taken_once_per_session(store: Store):
    new = NewMessage("user", "a", key="k")
    (first,) = store.conversations.append(NOBODY, "s", [new])
    (again,) = store.conversations.append(NOBODY, "s", [new])
    assert (first.is_new, again.is_new, again.message) == (True, False, first.message)
    with pytest.raises(ConflictError):
        store.conversations.append(NOBODY, "s", [NewMessage("user", "b", key="k")])
    assert store.conversations.append(NOBODY, "t", [new])[0].is_new
    assert store.conversations.append(ANN, "s", [new])[0].is_new


def test_a_failed_append_keeps_nothing_of_its_batch(store: Store):
    say(store, "a")
    store.conversations.append(NOBODY, "s", [NewMessage("user", "b", key="k")])
    with pytest.raises(ConflictError):
        store.conversations.append(
            NOBODY, "s", [NewMessage("user", "c"), NewMessage("user", "d", key="k")]
        )
    assert [m.content for m in store.messages("s", last=9)] == ["a", "b"]
    assert store.conversations.get_session(NOBODY, "s").message_count == 2


def test_tail_stops_at_the_flush_and_at_through(store: Store):
    say(store, *"abcdef")
    tail = store.conversations.tail
    assert [m.content for m in tail(NOBODY, "s", count=3)] == ["d", "e", "f"]
    assert [m.content for m in tail(NOBODY, "s", count=3, through=4)] == ["b", "c", "d"]
    assert store.conversations.clear_windows(NOBODY, "s") == 1
    say(store, "g")
    assert [m.content for m in tail(NOBODY, "s", count=3)] == ["g"]
    assert len(store.messages("s", last=9)) == 7
    assert tail(NOBODY, "unknown", count=3) == []


def test_sessions_are_listed_in_pages_by_owner(store: Store):
    for name in "edcba":
        say(store, "x", session=name)
    say(store, "x", session="z", owner=ANN)
    first = store.conversations.list_sessions(NOBODY, limit=3, after=None)
    rest = store.conversations.list_sessions(NOBODY, limit=3, after=first.next)
    assert [s.id for s in (*first.sessions, *rest.sessions)] == list("abcde")
    assert rest.next is None
    assert [s.id for s in store.conversations.list_sessions(ANN, limit=9, after=None).sessions] == [
        "z"
    ]


def test_words_are_matched_within_their_scope(store: Store):
    say(store, "apples grow", "pears grow too", session="s")
    say(store, "apples fall", session="t")
    say(store, "apples rot", session="s", owner=ANN)
    match = store.conversations.match

    def found(owner: Namespace, session: str | None, *terms: str) -> list[str]:
        numbers = [hit.number for hit in match(owner, session, terms, limit=9)]
        by_number = {m.number: m.message.content for m in store.conversations.get_many(numbers)}
        return [by_number[number] for number in numbers]

    assert found(NOBODY, "s", "apple") == ["apples grow"]
    assert sorted(found(NOBODY, None, "apples")) == ["apples fall", "apples grow"]
    assert found(ANN, None, "apples") == ["apples rot"]
    assert found(NOBODY, "s", "growing", "pears")[0] == "pears grow too"
    assert found(NOBODY, "unknown", "apples") == found(Namespace("x"), None, "apples") == []
    assert match(NOBODY, None, [], limit=9) == []


def test_vectors_are_kept_per_build_and_replaced(store: Store):
    say(store, "a", "b")
    waiting = store.conversations.without_vectors("b1", after=0, limit=9, before=2)
    assert [[m.message.content for m in group] for group in waiting] == [["a"], ["a", "b"]]
    numbers = [group[-1].number for group in waiting]
    rows = np.eye(2, 8, dtype=np.float32)
    kept, _ = store.conversations.put_vectors("b1", [*numbers, 999], np.eye(3, 8, dtype=np.float32))
    assert kept.tolist() == [0, 1], "a message that is gone is passed over"
    assert store.conversations.without_vectors("b1", after=0, limit=9, before=2) == []
    loaded = store.conversations.vectors(NOBODY, "b1", limit=9)
    assert loaded.messages.tolist() == numbers
    assert loaded.seqs.tolist() == [1, 2]
    np.testing.assert_allclose(loaded.vectors, rows, atol=1e-3)
    assert len(store.conversations.vectors(ANN, "b1", limit=9).numbers) == 0
    newest = store.conversations.vectors(NOBODY, "b1", limit=1)
    assert newest.messages.tolist() == numbers[-1:]
    store.conversations.put_vectors("b2", numbers, rows)
    assert len(store.conversations.vectors(NOBODY, "b1", limit=9).numbers) == 0
    assert len(store.conversations.vectors(NOBODY, "b2", limit=9).numbers) == 2


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((2, 8), np.float32), np.zeros((1, 8)), np.full((1, 8), np.nan, np.float32)],
)
def test_vectors_that_do_not_fit_are_refused(store: Store, vectors: np.ndarray):
    say(store, "a")
    with pytest.raises(ShapeError):
        store.conversations.put_vectors("b1", [1], vectors)


def test_blank_and_unsearchable_messages_wait_for_no_vector(store: Store):
    store.conversations.append(
        NOBODY, "s", [NewMessage("user", " "), NewMessage("user", "a", is_searchable=False)]
    )
    assert store.conversations.without_vectors("b1", after=0, limit=9, before=2) == []
    assert store.conversations.match(NOBODY, None, ["a"], limit=9) == []


def test_a_deleted_session_is_gone_with_words_and_vectors(store: Store):
    say(store, *(f"apple {n}" for n in range(1200)))
    say(store, "apple", session="t")
    store.conversations.put_vectors("b1", [1, 1201], np.eye(2, 8, dtype=np.float32))
    assert store.conversations.delete_session(NOBODY, "s") == 1200
    assert len(store.conversations.match(NOBODY, None, ["apple"], limit=9)) == 1
    assert len(store.conversations.vectors(NOBODY, "b1", limit=9).numbers) == 1
    assert store.stats()["messages"] == 1
    with pytest.raises(NotFoundError):
        store.conversations.delete_session(NOBODY, "s")


def test_old_messages_go_and_sessions_that_this_empties(store: Store):
    now = datetime.now(UTC)
    for days, session in ((9, "old"), (9, "both"), (1, "both")):
        moment = now - timedelta(days=days)
        store.conversations.append(NOBODY, session, [NewMessage("user", "x", created_at=moment)])
    before = now - timedelta(days=5)
    assert store.conversations.delete_messages_before(before, limit=1) == 1
    assert store.conversations.delete_messages_before(before, limit=9) == 1
    assert store.conversations.delete_messages_before(before, limit=9) == 0
    assert store.conversations.get_session(NOBODY, "both").message_count == 1
    with pytest.raises(NotFoundError):
        store.conversations.get_session(NOBODY, "old")


def test_the_newest_message_of_all_is_known(store: Store):
    assert store.conversations.last_activity() is None
    now = datetime.now(UTC)
    for days, session in ((1, "s"), (3, "t")):
        moment = now - timedelta(days=days)
        store.conversations.append(ANN, session, [NewMessage("user", "x", created_at=moment)])
    assert store.conversations.last_activity() == now - timedelta(days=1)
    store.conversations.delete_session(ANN, "s")
    assert store.conversations.last_activity() == now - timedelta(days=3)


def test_an_answer_in_the_same_append_names_its_question(store: Store):
    new = [NewMessage("user", "a", key="k"), NewMessage("assistant", "b", reply_to=0)]
    first = store.conversations.append(NOBODY, "s", new)
    again = store.conversations.append(NOBODY, "s", [new[0], NewMessage("user", "c", reply_to=0)])
    assert [one.message.reply_to for one in first] == [None, 1]
    assert [one.is_new for one in (*first, *again)] == [True, True, False, False]
    assert again[1].message == first[1].message
    with pytest.raises(InputError, match="is the first"):
        store.conversations.append(NOBODY, "s", [NewMessage("assistant", "b", reply_to=0)])


def test_a_deletion_leaves_no_number_to_be_given_again(store: Store):
    say(store, "a", "b")
    store.conversations.delete_session(NOBODY, "s")
    say(store, "c")
    (waiting,) = store.conversations.without_vectors("b1", after=0, limit=9, before=2)
    assert waiting[-1].number == 3


def test_deleting_while_others_write_loses_nothing_of_theirs(store: Store):
    say(store, *(f"m{n}" for n in range(1500)))
    with ThreadPoolExecutor(4) as pool:
        gone = pool.submit(store.conversations.delete_session, NOBODY, "s")
        list(pool.map(lambda n: say(store, f"n{n}", session="t"), range(50)))
        assert gone.result() == 1500
    assert store.conversations.get_session(NOBODY, "t").message_count == 50


def test_surrogates_are_refused(store: Store):
    for owner, session, new in (
        (Namespace("\ud800"), "s", NewMessage("user", "a")),
        (Namespace("", "\ud800"), "s", NewMessage("user", "a")),
        (NOBODY, "\ud800", NewMessage("user", "a")),
        (NOBODY, "s", NewMessage("user", "a", key="\ud800")),
        (NOBODY, "s", NewMessage("user", "a", about="\ud800")),
    ):
        with pytest.raises(InputError, match="surrogate"):
            store.conversations.append(owner, session, [new])


def test_a_store_of_the_first_schema_keeps_its_sessions(tmp_path: Path):
    folder = tmp_path / "storage"
    folder.mkdir()
    connection = apsw.Connection(str(folder / "openviking.db"))
    connection.execute(MIGRATIONS[0])  # what an older program has left
    connection.execute("PRAGMA user_version = 1")
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("INSERT INTO sessions VALUES (7, 's', 1000, 2000, 2)")
    connection.execute("INSERT INTO messages VALUES (3, 7, 1, 'user', '{}', 1000, 'apples grow')")
    connection.execute("INSERT INTO messages VALUES (4, 7, 2, 'system', '{}', 2000, 'saved')")
    connection.close()
    store = SqliteStore(folder)
    assert [m.content for m in store.messages("s", last=9)] == ["apples grow", "saved"]
    (hit,) = store.conversations.match(NOBODY, "s", ["apple"], limit=9)
    assert (hit.number, hit.session_number, hit.seq) == (3, 7, 1)
    say(store, "more")
    assert store.conversations.get_session(NOBODY, "s").last_seq == 3
    assert store.conversations.delete_session(NOBODY, "s") == 3
    store.close()
