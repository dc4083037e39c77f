from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError, NotFoundError
from openviking.store.resources import NewResource, ResourceFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.store.port import Store
    from openviking.types import Resource


def put(store: Store, uri: str, content: str = "text", kind: str = "memory") -> Resource:
    (stored,) = store.resources.put([NewResource(content, uri, kind)])
    return stored.resource


def listed(store: Store, prefix: str | None = None, kind: str | None = None) -> list[str]:
    page = store.resources.page(ResourceFilter(kind, prefix), limit=1000, after=None)
    assert page.next is None
    return [resource.target_uri for resource in page.resources]


def test_a_second_put_makes_a_version_and_the_first_stays_reachable(store: Store) -> None:
    first, second = put(store, "viking://a", "one"), put(store, "viking://a", "two")
    assert (first.version, second.version) == (1, 2)
    assert store.resources.get_by_uri("viking://a") == second
    assert store.resources.get(first.id) == first
    assert listed(store) == ["viking://a"]
    assert store.stats()["resources"] == 2


def test_a_resource_is_the_same_after_a_restart(open_store: Callable[[], Store]) -> None:
    store = open_store()
    metadata = {"tags": ["a", {"deep": None}], "n": 1.5}
    new = NewResource("céà\x00", "viking://a b/ü?x=1#f", "note", "s/1", metadata, note="kept")
    stored = store.resources.put([new])[0].resource
    store.close()
    again = open_store()
    assert again.resources.get(stored.id) == stored
    assert stored.metadata == metadata
    (message,) = again.messages("s/1", last=5)
    assert (message.role, message.content, message.seq) == ("system", "kept", 1)
    assert message.metadata == {"resource_id": stored.id, "target_uri": "viking://a b/ü?x=1#f"}
    again.close()


def test_listing_walks_all_pages_in_uri_order_whatever_changes_meanwhile(store: Store) -> None:
    uris = sorted(f"viking://{at:03}" for at in range(25))
    for uri in reversed(uris):
        put(store, uri)
    seen: list[str] = []
    after = None
    while True:
        page = store.resources.page(ResourceFilter(), limit=10, after=after)
        seen += [resource.target_uri for resource in page.resources]
        if after is None:
            store.resources.delete(store.resources.get_by_uri(seen[-1]).id)
        after = page.next
        if after is None:
            break
    assert seen == uris


def test_a_full_last_page_has_no_next(store: Store) -> None:
    for at in range(3):
        put(store, f"u{at}")
    page = store.resources.page(ResourceFilter(), limit=3, after=None)
    assert len(page.resources) == 3
    assert page.next is None


def test_prefix_and_type_narrow_a_listing_exactly(store: Store) -> None:
    for uri in (
        "a",
        "a/",
        "a/b",
        "a/\U0010ffff",
        "a/\U0010ffffz",
        "a0",
        "A/b",
        "a_b",
        "\ud7ff",
        "é",
    ):
        put(store, uri, kind="note" if uri == "a/b" else "memory")
    assert listed(store, "a/") == ["a/", "a/b", "a/\U0010ffff", "a/\U0010ffffz"]
    assert listed(store, "a/\U0010ffff") == ["a/\U0010ffff", "a/\U0010ffffz"]
    assert listed(store, "a_") == ["a_b"]
    assert listed(store, "%") == []
    assert listed(store, "\ud7ff") == ["\ud7ff"]
    assert listed(store, "\U0010ffff") == []
    assert listed(store, "a", "note") == ["a/b"]
    assert listed(store, None, "none") == []


def test_deleting_takes_every_version_and_frees_the_uri(store: Store) -> None:
    first = put(store, "a")
    second = put(store, "a")
    store.resources.delete(first.id)
    for resource in (first, second):
        with pytest.raises(NotFoundError):
            store.resources.get(resource.id)
    with pytest.raises(NotFoundError):
        store.resources.get_by_uri("a")
    with pytest.raises(NotFoundError):
        store.resources.delete(first.id)
    assert put(store, "a").version == 1


def test_messages_count_from_one_and_the_last_come_in_order(store: Store) -> None:
    for at in range(5):
        store.append_message("s", "user", f"m{at}", {"at": at})
    store.append_message("t", "user", "other", {})
    found = store.messages("s", last=3)
    assert [(m.seq, m.content, m.metadata) for m in found] == [
        (3, "m2", {"at": 2}),
        (4, "m3", {"at": 3}),
        (5, "m4", {"at": 4}),
    ]
    assert len(store.messages("s", last=100)) == 5
    assert store.messages("s", last=0) == store.messages("s", last=-1) == []
    with pytest.raises(InputError, match="64 bits"):
        store.messages("s", last=2**70)
    assert store.messages("unknown", last=3) == []
    assert store.stats()["sessions"] == 2


@pytest.mark.parametrize("odd", ["a/b", "x\x00y", "y" * 10_000, "\u202eabc", "", "🛶", "%2F"])
def test_every_odd_text_names_a_session_or_a_resource(store: Store, odd: str) -> None:
    store.append_message(odd, odd, odd, {odd: odd})
    (message,) = store.messages(odd, last=1)
    assert (message.session_id, message.role, message.content) == (odd, odd, odd)
    assert message.metadata == {odd: odd}
    put(store, odd, odd, odd)
    found = store.resources.get_by_uri(odd)
    assert (found.target_uri, found.content, found.resource_type) == (odd, odd, odd)


def test_a_lone_surrogate_is_refused_everywhere(store: Store) -> None:
    calls: list[Callable[[], object]] = [
        lambda: store.append_message("\ud800", "user", "m", {}),
        lambda: store.append_message("s", "user", "m\udfff", {}),
        lambda: store.append_message("s", "user", "m", {"k": "\ud800"}),
        lambda: store.messages("\ud800", last=1),
        lambda: store.resources.get("\ud800"),
        lambda: store.resources.get_by_uri("\ud800"),
        lambda: store.resources.delete("\ud800"),
        lambda: store.get_skill("\ud800"),
        lambda: store.delete_skills(["\ud800"]),
        lambda: put(store, "\ud800"),
        lambda: store.resources.page(ResourceFilter(prefix="\ud800"), limit=1, after=None),
    ]
    for call in calls:
        with pytest.raises(InputError, match="surrogate"):
            call()


def test_many_threads_keep_every_session_in_order_without_gap_or_double(store: Store) -> None:
    def append(number: int) -> list[int]:
        return [
            store.append_message(f"s{number % 4}", "user", f"{number}:{at}", {}).seq
            for at in range(25)
        ]

    with ThreadPoolExecutor(16) as pool:
        seqs = list(pool.map(append, range(16)))
    assert all(each == sorted(each) for each in seqs)
    for session in range(4):
        found = store.messages(f"s{session}", last=1000)
        assert [m.seq for m in found] == list(range(1, 101))
        assert len({m.content for m in found}) == 100
        for number in range(session, 16, 4):
            own = [m.content for m in found if m.content.startswith(f"{number}:")]
            assert own == [f"{number}:{at}" for at in range(25)]


def test_threads_that_put_one_uri_get_versions_without_gap(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        versions = list(pool.map(lambda at: put(store, "same", str(at)).version, range(40)))
    assert sorted(versions) == list(range(1, 41))
    assert store.resources.get_by_uri("same").version == 40


def test_check_proves_reading_and_writing_and_stats_count(store: Store) -> None:
    store.check()
    put(store, "a")
    stats = store.stats()
    assert set(stats) == {"skills", "passages", "resources", "sessions", "messages", "bytes"}
    assert stats["resources"] == 1
    assert stats["bytes"] > 0


def test_a_closed_store_says_so_and_closes_again(store: Store) -> None:
    store.close()
    store.close()
    with pytest.raises(Exception, match="closed"):
        store.append_message("s", "user", "m", {})
    with pytest.raises(Exception, match="closed"):
        store.messages("s", last=1)
