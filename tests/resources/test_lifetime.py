"""Resources that expire, and their versions, on a clock that the test moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError, NotFoundError
from openviking.resources.embedder import SWEPT_AT_ONCE
from openviking.store.resources import NewResource

if TYPE_CHECKING:
    from tests.resources.conftest import Clock, Place

    from openviking.resources import Resources

WAIT_S = 60.0


def test_what_has_expired_is_gone_for_everyone_at_once(found: Resources, clock: Clock):
    gone = found.put("the password is swordfish", "a", ttl_s=60, metadata={"k": 1})
    found.put("the password is not told", "b")
    assert gone.expires_at is not None
    assert (gone.expires_at - gone.created_at).total_seconds() == 60
    assert found.wait_until_embedded(WAIT_S)
    clock.move(59.9)
    assert found.get(gone.id) == gone
    assert len(found.search("password swordfish").hits) == 2
    clock.move(0.1)
    for lookup in (lambda: found.get(gone.id), lambda: found.get_by_uri("a"),
                   lambda: found.versions("a"), lambda: found.delete(gone.id)):  # fmt: skip
        with pytest.raises(NotFoundError):
            lookup()
    assert [one.target_uri for one in found.list().resources] == ["b"]
    assert found.list(metadata={"k": 1}).resources == ()
    hits = found.search("password swordfish").hits
    assert [hit.resource.target_uri for hit in hits] == ["b"]
    assert found.search("password", prefix="a").hits == ()


def test_an_expired_uri_begins_anew_whether_or_not_it_was_swept(place: Place, clock: Clock):
    for is_swept in (False, True):
        resources = place.open()
        first = resources.put("one", "a")
        resources.put("two", "a", ttl_s=10)
        clock.move(10)
        with pytest.raises(NotFoundError):
            resources.get(first.id)
        if is_swept:
            resources = place.open()
            assert resources.wait_until_embedded(WAIT_S)
        assert resources.put("three", "a").version == 1
        with pytest.raises(NotFoundError):
            resources.get(first.id)
        resources.delete(resources.get_by_uri("a").id)


def test_a_newer_version_without_a_ttl_lives_on(found: Resources, clock: Clock):
    old = found.put("old", "a", ttl_s=10)
    found.put("new", "a")
    clock.move(11)
    assert found.get_by_uri("a").content == "new"
    with pytest.raises(NotFoundError):
        found.get(old.id)
    assert [one.version for one in found.versions("a")] == [2]


def test_the_sweep_deletes_from_disk_in_bounded_batches(place: Place, clock: Clock):
    resources = place.open()
    count = SWEPT_AT_ONCE + 10
    resources.put_all([NewResource("x", f"u{at}", ttl_s=5) for at in range(count)])
    resources.put("stays", "kept", ttl_s=50)
    clock.move(6)
    store = place.open()._store  # noqa: SLF001 - the rows themselves are the claim
    assert len(store.sweep(limit=1)) <= 1
    resources = place.open()
    assert resources.wait_until_embedded(WAIT_S)
    assert resources._store.count() == 1  # noqa: SLF001 - same


def test_versions_come_newest_first_in_pages(found: Resources):
    for at in range(5):
        found.put(f"v{at + 1}", "a")
    assert [one.version for one in found.versions("a", limit=2)] == [5, 4]
    assert [one.content for one in found.versions("a", limit=9, before=4)] == ["v3", "v2", "v1"]
    with pytest.raises(NotFoundError):
        found.versions("b")
    with pytest.raises(InputError):
        found.versions("a", limit=0)


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan"), float("inf"), 1e30, True])
def test_a_ttl_that_is_none_is_refused(found: Resources, ttl_s: float):
    with pytest.raises(InputError, match="ttl_s"):
        found.put("a", "u", ttl_s=ttl_s)


def test_a_clock_that_jumps_back_loses_nothing(found: Resources, clock: Clock):
    found.put("kept", "a", ttl_s=100)
    clock.move(-10_000)
    found.put("also kept", "b")
    assert [one.target_uri for one in found.list().resources] == ["a", "b"]
    clock.move(10_099)
    assert found.get_by_uri("a").content == "kept"
