from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

if TYPE_CHECKING:
    from tests.asgi.conftest import CheckedClient


def say(client: CheckedClient, message: str, **fields: Any) -> dict[str, Any]:
    headers = fields.pop("headers", None)
    response = client.post("/conversation", json={"message": message, **fields}, headers=headers)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_the_counts_and_fields_of_the_contract(client: CheckedClient):
    first = say(client, "one")
    assert first["session_id"]
    session = {"session_id": first["session_id"]}
    answers = [first, say(client, "two", **session), say(client, "three", **session)]
    assert [(len(a["context_messages"]), a["message_count"]) for a in answers] == [
        (1, 2), (3, 4), (3, 6),
    ]  # fmt: skip
    for answer in answers:
        assert type(answer["response"]) is str
        assert answer["response"]
        assert set(answer["session_stats"]) >= {
            "id", "message_count", "created_at", "last_activity", "session_age_minutes",
        }  # fmt: skip
        for message in answer["context_messages"]:
            assert set(message) == {"role", "content", "timestamp", "metadata"}
            assert datetime.fromisoformat(message["timestamp"]).tzinfo is not None
    stats = client.get(f"/conversation/stats/{first['session_id']}").json()
    assert stats["session_stats"]["message_count"] == 6
    assert len(stats["recent_context"]) == 3


def test_unknown_fields_and_a_null_session_are_fine(client: CheckedClient):
    assert say(client, "hi", session_id=None, surprise=1, role="system")["response"] == ""


def test_a_flush_is_a_probe_that_destroys_nothing(client: CheckedClient):
    session = say(client, "one")["session_id"]
    flushed = client.post("/session/flush", params={"session_id": session})
    assert flushed.status_code == 200
    assert flushed.json()["status"] == "success"
    unknown = client.post("/session/flush", params={"session_id": "x"})
    assert (unknown.status_code, unknown.json()["status"]) == (200, "not_found")
    assert client.post("/session/flush").json()["status"] == "success"
    assert client.get(f"/conversation/{session}/messages").json()["count"] == 2
    assert client.get(f"/conversation/stats/{session}").json()["recent_context"] == []


def test_what_is_unknown_is_404(shared_client: CheckedClient):
    for path in ("stats/none", "none/messages", "none/export"):
        assert shared_client.get(f"/conversation/{path}").status_code == 404
    assert shared_client.delete("/conversation/none").status_code == 404


ODD = [
    *("stats/x", "stats/", "search", "import", "a/messages", "x/export", "a/b", "x y/z", ".."),
    *("x\x00y", "a\nb", "\u202eabc", "\u200f", "%2F", "%", "?", "#", "\U0001f6f6", "y" * 256),
]


@pytest.mark.parametrize("session", ODD)
def test_every_session_is_reached_by_every_route_whatever_its_id(
    client: CheckedClient, session: str
):
    say(client, "hello", session_id=session)
    path = quote(session, safe="").replace(".", "%2E")
    stats = client.get(f"/conversation/stats/{path}").json()
    assert stats["session_stats"]["id"] == session
    messages = client.get(f"/conversation/{path}/messages").json()["messages"]
    assert [message["session_id"] for message in messages] == [session] * 2
    assert client.get(f"/conversation/{path}/export").text.count("\n") == 2
    listed = client.get("/conversation").json()["sessions"]
    assert [one["id"] for one in listed] == [session]
    assert client.delete(f"/conversation/{path}").json()["deleted_messages"] == 2
    assert client.get("/conversation").json()["sessions"] == []


def test_slashes_may_stay_as_they_are_where_no_fixed_part_claims_them(client: CheckedClient):
    for session in ("stats/x", "search", "a/b/c"):
        say(client, "hello", session_id=session)
        assert client.delete(f"/conversation/{session}").json()["deleted_messages"] == 2
    refused = client.put("/conversation/search")
    assert (refused.status_code, refused.headers["allow"]) == (405, "OPTIONS, POST")


@pytest.mark.parametrize("session", ["x" * 257, "\U0001f6f6" * 2500])
def test_an_id_that_is_too_long_is_refused_by_name(client: CheckedClient, session: str):
    body = {"message": "hello", "session_id": session}
    assert client.post("/conversation", json=body).status_code == 422


def test_a_retry_with_a_key_changes_nothing(client: CheckedClient):
    headers = {"Idempotency-Key": "k-1"}
    first, again = (say(client, "hello", headers=headers) for _ in range(2))
    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again["session_id"] == first["session_id"]
    assert again["message_count"] == 2
    conflict = client.post("/conversation", json={"message": "other"}, headers=headers)
    assert conflict.status_code == 409


def test_headers_and_fields_name_the_namespace(client: CheckedClient):
    headers = {"X-OpenViking-User": "ann"}
    say(client, "the password is swordfish", session_id="s", headers=headers)
    assert client.get("/conversation/stats/s").status_code == 404
    assert client.get("/conversation/stats/s", headers=headers).status_code == 200
    assert client.get("/conversation/stats/s", params={"user": "ann"}).status_code == 200
    found = client.post("/conversation/search", json={"query": "swordfish", "user": "ann"}).json()
    assert found["search_time_ms"] == round(found["search_time_ms"], 3)
    assert found["messages"][0]["content"] == "the password is swordfish"
    assert client.post("/conversation/search", json={"query": "swordfish"}).json()["messages"] == []
    listed = client.get("/conversation", headers=headers).json()
    assert [session["id"] for session in listed["sessions"]] == ["s"]


def test_the_archive_is_paged_exported_and_imported(client: CheckedClient):
    for number in range(5):
        say(client, f"number {number}", session_id="s", role="note")
    first = client.get("/conversation/s/messages", params={"limit": 3}).json()
    rest = client.get("/conversation/s/messages", params={"after": first["next"]}).json()
    seqs = [message["seq"] for message in first["messages"] + rest["messages"]]
    assert (seqs, rest["next"]) == ([1, 2, 3, 4, 5], None)
    lines = client.get("/conversation/s/export").text
    body = {"lines": lines, "user": "ann"}
    assert client.post("/conversation/import", json=body).json()["appended"] == 5
    assert client.post("/conversation/import", json=body).json()["known"] == 5
    wrong = client.post("/conversation/import", json={"lines": "{", "session_id": "s"})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["loc"] == ["body", "lines", 1]


def test_two_imports_of_one_file_at_once_double_nothing(client: CheckedClient):
    lines = [json.dumps({"role": "user", "content": f"m{n}"}) for n in range(500)]
    body = {"lines": "\n".join(lines), "session_id": "s"}
    with ThreadPoolExecutor(3) as pool:
        done = list(pool.map(lambda _: client.post("/conversation/import", json=body), range(3)))
    assert sum(one.json()["appended"] for one in done) == 500
    found = client.get("/conversation/s/messages", params={"limit": 1000}).json()["messages"]
    assert [one["content"] for one in found] == [f"m{n}" for n in range(500)]


def test_a_cut_import_is_named_by_its_line_and_goes_on(client: CheckedClient):
    lines = [json.dumps({"role": "user", "content": f"m{n}"}) for n in range(300)]
    cut = {"lines": "\n".join([*lines[:250], lines[250][:9]]), "session_id": "s"}
    refused = client.post("/conversation/import", json=cut)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "lines", 251]
    done = client.post("/conversation/import", json=cut | {"lines": "\n".join(lines)}).json()
    assert (done["appended"], done["known"]) == (50, 250)


def test_a_megabyte_is_kept_whole(client: CheckedClient):
    text = "\u00e9\u202e\x00" * 250_000
    said = say(client, text, session_id="s", role="note")
    assert said["context_messages"][0]["content"] == text


def test_a_resource_with_a_session_is_a_system_message_of_it(client: CheckedClient):
    body = {"content": "x", "target_uri": "u", "resource_type": "fact", "session_id": "s"}
    saved = client.post("/resources", json=body).json()
    (message,) = client.get("/conversation/s/messages").json()["messages"]
    assert message["role"] == "system"
    assert "fact" in message["content"]
    assert message["metadata"] == {"resource_id": saved["resource_id"], "target_uri": "u"}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"message": ""}, "message"),
        ({"message": None}, "message"),
        ({"message": "a", "session_id": "x" * 10_000}, "session_id"),
        ({"message": "a", "role": ""}, "role"),
        ({"message": "a", "context_turns": -1}, "context_turns"),
        ({"message": "a", "context_turns": "3"}, "context_turns"),
        ({"message": "a", "metadata": []}, "metadata"),
        ({"message": "a", "user": "x" * 257}, "user"),
    ],
)
def test_a_wrong_field_is_422_and_named(
    shared_client: CheckedClient, body: dict[str, Any], field: str
):
    response = shared_client.post("/conversation", json=body)
    assert response.status_code == 422, response.text
    assert response.json()["errors"][0]["loc"][:2] == ["body", field]
