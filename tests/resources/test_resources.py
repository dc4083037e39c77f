from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from openviking import checks
from openviking import resources as limits
from openviking.errors import InputError, LimitError, NotFoundError
from openviking.resources import Resources
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def resources(store: SqliteStore) -> Resources:
    return Resources(store)


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth - 1):
        value = {"k": value}
    return value


def test_a_put_resource_is_found_by_id_and_by_uri(resources: Resources) -> None:
    stored = resources.put("likes tea", "viking://user/memories/tea", metadata={"at": (1, 2)})
    assert resources.get(stored.id) == stored
    assert resources.get_by_uri("viking://user/memories/tea") == stored
    assert (stored.resource_type, stored.session_id, stored.version) == ("memory", None, 1)
    assert stored.metadata == {"at": [1, 2]}
    assert stored.created_at.tzinfo is not None


def test_a_session_is_told_of_what_was_saved(resources: Resources, store: SqliteStore) -> None:
    stored = resources.put("text", "viking://a", resource_type="note", session_id="s")
    (message,) = store.messages("s", last=9)
    assert message.role == "system"
    assert "note" in message.content
    assert message.metadata == {"resource_id": stored.id, "target_uri": "viking://a"}


@pytest.mark.parametrize(
    "uri", ["a//b/../c", "https://x.y/z?a=b#c", "with space", "日本/ü", "\x00", "%2F", ".", "\n"]
)
def test_any_uri_names_a_resource(resources: Resources, uri: str) -> None:
    resources.put("text", uri)
    assert resources.get_by_uri(uri).target_uri == uri
    assert [each.target_uri for each in resources.list(prefix=uri).resources] == [uri]


def test_a_deleted_resource_is_not_found(resources: Resources) -> None:
    stored = resources.put("text", "a")
    resources.delete(stored.id)
    for lookup in (resources.get, resources.delete):
        with pytest.raises(NotFoundError, match=stored.id):
            lookup(stored.id)
    with pytest.raises(NotFoundError, match="'a'"):
        resources.get_by_uri("a")


def test_pages_follow_each_other(resources: Resources) -> None:
    for at in range(5):
        resources.put("text", f"u{at}", resource_type="odd" if at % 2 else "even")
    first = resources.list(resource_type="even", limit=2)
    assert [each.target_uri for each in first.resources] == ["u0", "u2"]
    second = resources.list(resource_type="even", limit=2, after=first.next)
    assert [each.target_uri for each in second.resources] == ["u4"]
    assert second.next is None


@pytest.mark.parametrize(
    ("name", "size_max"),
    [
        ("content", limits.CONTENT_BYTES_MAX),
        ("target_uri", limits.URI_CHARS_MAX),
        ("resource_type", checks.NAME_CHARS_MAX),
        ("session_id", checks.NAME_CHARS_MAX),
    ],
)
def test_each_size_is_allowed_up_to_its_limit(
    resources: Resources, name: str, size_max: int
) -> None:
    fields: dict[str, Any] = {"content": "text", "target_uri": "a"}
    for size in (size_max - 1, size_max):
        resources.put(**fields | {name: "x" * size})
    with pytest.raises(LimitError, match=f"{name}: expected at most {size_max}") as caught:
        resources.put(**fields | {name: "x" * (size_max + 1)})
    assert caught.value.loc == (name,)


def test_content_is_limited_in_bytes_and_uris_in_characters(resources: Resources) -> None:
    resources.put("text", "é" * limits.URI_CHARS_MAX)
    with pytest.raises(LimitError):
        resources.put("é" * (limits.CONTENT_BYTES_MAX // 2 + 1), "a")


def test_metadata_is_limited_in_bytes_and_depth(resources: Resources) -> None:
    room = checks.METADATA_BYTES_MAX - len('{"k":""}')
    for size in (room - 1, room):
        assert resources.put("t", "a", metadata={"k": "x" * size}).metadata["k"] == "x" * size
    with pytest.raises(LimitError, match="bytes of JSON") as caught:
        resources.put("t", "a", metadata={"k": "x" * (room + 1)})
    assert caught.value.loc == ("metadata",)
    for depth in (checks.METADATA_DEPTH_MAX - 1, checks.METADATA_DEPTH_MAX):
        assert resources.put("t", "a", metadata=nested(depth)).metadata == nested(depth)
    for depth in (checks.METADATA_DEPTH_MAX + 1, 100_000):
        with pytest.raises(LimitError, match="nested deeper"):
            resources.put("t", "a", metadata=nested(depth))


@pytest.mark.parametrize(
    ("metadata", "loc"),
    [
        ({"a": [1, math.nan]}, ("metadata", "a", 1)),
        ({"a": math.inf}, ("metadata", "a")),
        ({"a": 2**64}, ("metadata", "a")),
        ({"a": -(2**63) - 1}, ("metadata", "a")),
        ({"a": b"bytes"}, ("metadata", "a")),
        ({"a": {1, 2}}, ("metadata", "a")),
        ({"a": "\ud800"}, ("metadata", "a")),
        ({"\ud800": 1}, ("metadata",)),
        ({1: "number as key"}, ("metadata",)),
        ([1], ("metadata",)),
    ],
)
def test_metadata_that_is_not_json_is_refused_with_its_place(
    resources: Resources, metadata: Any, loc: tuple[str | int, ...]
) -> None:
    with pytest.raises(InputError) as caught:
        resources.put("text", "a", metadata=metadata)
    assert caught.value.loc == loc


@pytest.mark.parametrize("value", [2**64 - 1, -(2**63), 1e308, True, None, "", [], {}])
def test_every_json_value_comes_back_as_it_was(resources: Resources, value: Any) -> None:
    stored = resources.put("text", "a", metadata={"v": value})
    found = resources.get(stored.id).metadata["v"]
    assert found == value
    assert type(found) is type(value)


def test_metadata_that_holds_itself_is_refused(resources: Resources) -> None:
    loop: dict[str, Any] = {}
    loop["self"] = loop
    with pytest.raises(LimitError, match="nested deeper"):
        resources.put("text", "a", metadata=loop)


@pytest.mark.parametrize("name", ["content", "target_uri", "resource_type", "session_id"])
@pytest.mark.parametrize("value", ["\ud800", b"bytes", 5, ["list"]])
def test_a_field_that_is_not_text_is_refused_with_its_name(
    resources: Resources, name: str, value: Any
) -> None:
    fields: dict[str, Any] = {"content": "text", "target_uri": "a"}
    with pytest.raises(InputError, match=name) as caught:
        resources.put(**fields | {name: value})
    assert caught.value.loc == (name,)


@pytest.mark.parametrize("name", ["target_uri", "resource_type", "session_id"])
def test_an_empty_name_is_refused_but_an_empty_content_is_kept(
    resources: Resources, name: str
) -> None:
    fields: dict[str, Any] = {"content": "text", "target_uri": "a"}
    assert resources.put("", "a").content == ""
    with pytest.raises(InputError, match="some characters"):
        resources.put(**fields | {name: ""})


@pytest.mark.parametrize("limit", [0, -1, limits.PAGE_MAX + 1, 10**9, True])
def test_a_limit_out_of_range_is_refused(resources: Resources, limit: int) -> None:
    with pytest.raises(InputError, match="1 to 1000") as caught:
        resources.list(limit=limit)
    assert caught.value.loc == ("limit",)
    assert resources.list(limit=limits.PAGE_MAX).resources == ()
