"""Which message each memory comes from: the contract of every store."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError
from openviking.types import Namespace, NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.store.port import Store

NOBODY = Namespace()


def say(store: Store, *contents: str, role: str = "user", session: str = "s") -> None:
    store.conversations.append(NOBODY, session, [NewMessage(role, text) for text in contents])


def test_messages_are_read_in_the_order_of_storing_and_the_place_is_kept(
    open_store: Callable[[], Store],
):
    store = open_store()
    say(store, "a")
    say(store, "b", "c", role="tool", session="t")
    say(store, "d")
    assert store.memories.position() == 0
    found, last = store.memories.read("user", after=0, limit=3)
    assert [one.message.content for one in found] == ["a"]
    assert (found[0].number, last) == (1, 3)
    store.memories.set_position(last)
    store.close()
    again = open_store()
    assert again.memories.position() == 3
    found, last = again.memories.read("user", after=3, limit=3)
    assert ([one.message.content for one in found], last) == (["d"], 4)
    assert again.memories.read("user", after=4, limit=3) == ([], 4)
    again.close()


def test_a_deleted_message_leaves_its_memories_stale_until_they_are_made_anew(store: Store):
    say(store, "a", "b")
    say(store, "c", session="t")
    assert all(store.memories.link("uri", number) for number in (1, 2, 3, 3))
    assert store.memories.link("other", 3)
    assert not store.memories.link("uri", 99)
    assert store.memories.stale(limit=9) == []
    store.conversations.delete_session(NOBODY, "s")
    assert store.memories.stale(limit=9) == ["uri"]
    assert [one.message.content for one in store.memories.sources("uri")] == ["c"]
    store.memories.unlink_deleted("uri")
    assert store.memories.stale(limit=9) == []
    store.memories.scrub()


def test_surrogates_are_refused(store: Store):
    for call in (store.memories.sources, store.memories.unlink_deleted):
        with pytest.raises(InputError, match="surrogate"):
            call("\ud800")
    with pytest.raises(InputError, match="surrogate"):
        store.memories.link("\ud800", 1)
