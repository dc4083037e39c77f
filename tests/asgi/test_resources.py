from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from openviking_asgi.limits import NAME_CHARS_MAX, URI_CHARS_MAX

if TYPE_CHECKING:
    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine


def put(client: CheckedClient, uri: str, content: str = "text", **more: Any) -> dict[str, Any]:
    body = {"content": content, "target_uri": uri, **more}
    response = client.post("/resources", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_resource_is_stored_and_read_by_its_id(client: CheckedClient):
    saved = put(client, "viking://user/memories/a", "we deploy on Fridays")
    assert saved["success"] is True
    assert type(saved["message"]) is str
    assert saved["session_id"] is None
    found = client.get(f"/resources/{saved['resource_id']}").json()
    assert set(found) >= {
        "id", "content", "target_uri", "resource_type", "session_id", "timestamp",
    }  # fmt: skip
    assert found["content"] == "we deploy on Fridays"
    assert found["resource_type"] == "memory"
    assert datetime.fromisoformat(found["timestamp"]).tzinfo is not None


URIS = [
    "viking://user/memories/profile/name",
    "plain",
    "/leading/slash",
    "a//b///c",
    "file:///etc/passwd",
    "with space",
    "http://h/p?q=1&r=2",
    "http://h/p#part",
    "uri:uri:x",
    "日本語/\U0001f600",
    "a\\b",
    "trailing/",
    "a+b=c;d",
]


@pytest.mark.parametrize("uri", URIS)
def test_any_uri_is_found_when_percent_encoded(client: CheckedClient, uri: str):
    saved = put(client, uri)
    for safe in ("", "/:"):
        response = client.get(f"/resources/uri:{quote(uri, safe=safe)}")
        assert response.status_code == 200, response.text
        assert response.json()["id"] == saved["resource_id"]
        assert response.json()["target_uri"] == uri


@pytest.mark.parametrize(
    "uri", ["viking://a/b", "http://h/p?q=1&r=2", "a%20b", "http://h/p?q=a%20b", "a//b"]
)
def test_a_uri_pasted_without_encoding_is_found_too(client: CheckedClient, uri: str):
    saved = put(client, uri)
    assert client.get(f"/resources/uri:{uri}").json()["id"] == saved["resource_id"]


def test_a_second_write_makes_a_new_version_and_keeps_the_old_one(client: CheckedClient):
    old, new = put(client, "u", "old"), put(client, "u", "new")
    assert client.get("/resources/uri:u").json()["content"] == "new"
    assert client.get(f"/resources/{old['resource_id']}").json()["content"] == "old"
    assert (old["version"], new["version"]) == (1, 2)


def test_a_session_is_told_of_the_resource(client: CheckedClient, engine: Engine):
    saved = put(client, "viking://x", session_id="s-1", resource_type="fact")
    (message,) = engine.store.messages("s-1", last=10)
    assert saved["session_id"] == "s-1"
    assert message.role == "system"
    assert "fact" in message.content
    assert message.metadata == {"resource_id": saved["resource_id"], "target_uri": "viking://x"}


def test_what_does_not_exist_is_404(shared_client: CheckedClient):
    for path in ("/resources/nothing", "/resources/uri:nothing", "/resources/uri:a?b=c"):
        response = shared_client.get(path)
        assert response.status_code == 404, path
        assert response.json()["type"].endswith("not-found")
    assert shared_client.delete("/resources/nothing").status_code == 404


def test_resources_are_listed_by_type_and_prefix_in_pages(client: CheckedClient):
    for name in ("a/1", "a/2", "b/1"):
        put(client, name, resource_type="note" if name == "a/2" else "memory")
    everything = client.get("/resources").json()
    assert [one["target_uri"] for one in everything["resources"]] == ["a/1", "a/2", "b/1"]
    assert (everything["count"], everything["next"]) == (3, None)
    assert client.get("/resources", params={"prefix": "a/"}).json()["count"] == 2
    assert client.get("/resources", params={"resource_type": "note"}).json()["count"] == 1
    first = client.get("/resources", params={"limit": 2}).json()
    rest = client.get("/resources", params={"limit": 2, "after": first["next"]}).json()
    assert [one["target_uri"] for one in rest["resources"]] == ["b/1"]


def test_deleting_removes_every_version(client: CheckedClient):
    old, new = put(client, "u", "old"), put(client, "u", "new")
    assert client.delete(f"/resources/{new['resource_id']}").json()["success"] is True
    assert client.get("/resources/uri:u").status_code == 404
    assert client.get(f"/resources/{old['resource_id']}").status_code == 404
    put(client, "v/w")
    assert client.delete("/resources/uri:v/w").status_code == 200


def test_metadata_comes_back_as_it_was_sent(client: CheckedClient):
    metadata = {"a": 1, "b": [1.5, None, True], "c": {"d": "é"}, "big": 2**64 - 1}
    saved = put(client, "u", metadata=metadata)
    assert client.get(f"/resources/{saved['resource_id']}").json()["metadata"] == metadata


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"content": None}, "content"),
        ({"content": 5}, "content"),
        ({"target_uri": ""}, "target_uri"),
        ({"target_uri": 5}, "target_uri"),
        ({"resource_type": ""}, "resource_type"),
        ({"session_id": 5}, "session_id"),
        ({"session_id": ""}, "session_id"),
        ({"metadata": [1]}, "metadata"),
        ({"metadata": {"big": 10**30}}, "metadata"),
        ({"metadata": {"x": "y" * 70_000}}, "metadata"),
    ],
)
def test_a_wrong_field_is_422_and_named(
    shared_client: CheckedClient, more: dict[str, Any], field: str
):
    response = shared_client.post("/resources", json={"content": "a", "target_uri": "u", **more})
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["loc"][:2] == ["body", field]


@pytest.mark.parametrize("field", ["content", "target_uri"])
def test_a_missing_field_is_422_and_named(shared_client: CheckedClient, field: str):
    body = {"content": "a", "target_uri": "u"}
    del body[field]
    response = shared_client.post("/resources", json=body)
    assert response.json()["errors"] == [{"loc": ["body", field], "msg": response.json()["detail"]}]


@pytest.mark.parametrize(
    ("field", "longest"),
    [
        ("target_uri", URI_CHARS_MAX),
        ("resource_type", NAME_CHARS_MAX),
        ("session_id", NAME_CHARS_MAX),
    ],
)
def test_the_length_of_names_is_limited(client: CheckedClient, field: str, longest: int):
    for chars, status in ((longest - 1, 200), (longest, 200), (longest + 1, 422)):
        body = {"content": "a", "target_uri": "u", field: "x" * chars}
        assert client.post("/resources", json=body).status_code == status


def test_a_megabyte_of_content_is_kept_whole(client: CheckedClient):
    saved = put(client, "u", "é" * 500_000)
    assert client.get(f"/resources/{saved['resource_id']}").json()["content"] == "é" * 500_000


def search(client: CheckedClient, query: str, **narrowed: Any) -> list[str]:
    response = client.post("/resources/search", json={"query": query, **narrowed})
    assert response.status_code == 200, response.text
    answer = response.json()
    assert answer["found_count"] == len(answer["resources"])
    return [one["target_uri"] for one in answer["resources"]]


def test_a_resource_is_found_by_its_words_at_once_and_then_by_meaning(
    client: CheckedClient, engine: Engine
):
    text = "# Plan\n\nWe deploy on Fridays, after lunch."
    put(client, "viking://plan", text, metadata={"team": "web"}, resource_type="note")
    put(
        client,
        "viking://other",
        "xylophone lessons begin tomorrow morning inside that large green hall",
    )
    assert search(client, "deploy on Fridays") == ["viking://plan"]
    assert engine.resources.wait_until_embedded()

    answer = client.post("/resources/search", json={"query": "when to deploy"}).json()

    (hit,) = answer["resources"]
    passage = hit["passage"]
    assert passage["text"] == text[passage["start"] : passage["end"]]
    assert hit["why"]["terms"] == ["deploy"]
    assert hit["why"]["meaning"] > 0.1
    assert "content" not in hit
    assert (answer["degraded"], answer["truncated"]) == (None, False)
    assert search(client, "when to deploy", resource_type="memory") == []
    assert search(client, "when to deploy", metadata={"team": "web"}, prefix="viking://p") == [
        "viking://plan"
    ]


@pytest.mark.parametrize(
    ("more", "field"),
    [
        ({"query": ""}, "query"),
        ({"query": 5}, "query"),
        ({"max_results": 0}, "max_results"),
        ({"max_results": 10**9}, "max_results"),
        ({"prefix": "x" * (URI_CHARS_MAX + 1)}, "prefix"),
        ({"metadata": [1]}, "metadata"),
    ],
)
def test_a_search_that_cannot_be_done_is_422(
    shared_client: CheckedClient, more: dict[str, Any], field: str
):
    response = shared_client.post("/resources/search", json={"query": "a", **more})
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"][:2] == ["body", field]


def test_health_tells_what_is_not_yet_found_by_meaning(client: CheckedClient, engine: Engine):
    put(client, "a")
    assert engine.resources.wait_until_embedded()
    details = client.get("/health").json()["components"]["resources"]
    assert (details["resources"], details["waiting_for_vectors"]) == (1, 0)


def test_versions_are_listed_newest_first_in_pages(client: CheckedClient):
    for at in range(3):
        put(client, "a/b c", f"v{at + 1}")
    params: dict[str, Any] = {"target_uri": "a/b c", "limit": 2}
    first = client.get("/resources/versions", params=params).json()
    assert [one["content"] for one in first["versions"]] == ["v3", "v2"]
    rest = client.get("/resources/versions", params=params | {"before": first["next"]}).json()
    assert ([one["version"] for one in rest["versions"]], rest["next"]) == ([1], None)
    missing = client.get("/resources/versions", params={"target_uri": "none"})
    assert missing.status_code == 404
    assert client.get("/resources/versions").status_code == 422


def test_a_list_is_narrowed_by_metadata(client: CheckedClient):
    put(client, "a", metadata={"n": 1, "who": "Olga"})
    put(client, "b", metadata={"n": 1})
    listed = client.get("/resources", params={"metadata": '{"n": 1.0, "who": "Olga"}'}).json()
    assert [one["target_uri"] for one in listed["resources"]] == ["a"]
    for bad in ("[1]", "{", "1", "[" * 10_000):
        response = client.get("/resources", params={"metadata": bad})
        assert response.status_code == 422, bad
        assert response.json()["errors"][0]["loc"] == ["query", "metadata"]


def test_a_resource_says_when_it_expires(client: CheckedClient):
    saved = put(client, "a", ttl_s=3600)
    found = client.get(f"/resources/{saved['resource_id']}").json()
    lives = datetime.fromisoformat(found["expires_at"]) - datetime.fromisoformat(found["timestamp"])
    assert lives.total_seconds() == 3600
    for ttl_s in (0, -1, 1e12, "1"):
        body = {"content": "a", "target_uri": "u", "ttl_s": ttl_s}
        assert client.post("/resources", json=body).status_code == 422


HOSTILE = [
    "a\x00b",
    "x" * URI_CHARS_MAX,
    "\u202eevil\u202c",
    "%2e%2e%2f%00%ff",
    "uri:uri:uri:",
    "viking://a/uri:b/uri:",
    "versions",
    "search",
    "..",
    "../../etc/passwd",
    "//",
    "?",
    "#",
    "a\r\nSet-Cookie: x=1",
    "\ufeff\u200b",
    "'; DROP TABLE resources; --",
]


@pytest.mark.parametrize("uri", HOSTILE, ids=range(len(HOSTILE)))
def test_a_hostile_uri_names_its_own_resource_and_no_other(client: CheckedClient, uri: str):
    put(client, "other", "not this")
    saved = put(client, uri, "this")
    path = f"/resources/uri:{quote(uri, safe='')}"
    assert client.get(path).json()["target_uri"] == uri
    versions = client.get("/resources/versions", params={"target_uri": uri}).json()
    assert versions["versions"][0]["id"] == saved["resource_id"]
    listed = client.get("/resources", params={"prefix": uri}).json()["resources"]
    assert [one["target_uri"] for one in listed] == [uri]
    assert client.delete(path).status_code == 200
    assert client.get(path).status_code == 404
    assert [one["target_uri"] for one in client.get("/resources").json()["resources"]] == ["other"]
