"""What users tell of themselves, over HTTP: learned, quoted with its source, and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine

PREFIX = "viking://user/memories/"


def say(client: CheckedClient, message: str, user: str = "", session: str = "s") -> dict[str, Any]:
    body = {"message": message, "session_id": session, "user": user}
    answer: dict[str, Any] = client.post("/conversation", json=body).json()
    return answer


def known(client: CheckedClient) -> dict[str, str]:
    listed = client.get("/resources", params={"prefix": PREFIX}).json()["resources"]
    return {one["target_uri"].removeprefix(PREFIX): one["content"] for one in listed}


def test_what_a_user_tells_is_a_resource_and_an_answer(client: CheckedClient, engine: Engine):
    say(client, "Hi, my name is Olga and I live in Paris.", "ann")
    say(client, "I moved to Berlin last week.", "ann", "t")
    assert engine.memories.wait_until_idle(20)
    assert engine.resources.wait_until_embedded(20)
    assert known(client) == {
        "profile/user:ann/home": "The user lives in Berlin.",
        "profile/user:ann/name": "The user's name is Olga.",
    }
    answer = say(client, "what is my name?", "ann", "u")
    memories = [one for one in answer["quotations"] if one["kind"] == "memory"]
    assert memories[0]["source"] == f"{PREFIX}profile/user:ann/name"
    assert memories[0]["text"].startswith("The user's name is Olga. (message s#1: ")
    uri = f"{PREFIX}profile/user:ann/home"
    versions = client.get("/resources/versions", params={"target_uri": uri}).json()["versions"]
    assert [one["content"] for one in versions] == [
        "The user lives in Berlin.", "The user lives in Paris.",
    ]  # fmt: skip


def test_nobody_else_is_told(client: CheckedClient, engine: Engine):
    say(client, "My name is Olga.", "ann")
    say(client, "My name is Bob.")
    assert engine.memories.wait_until_idle(20)
    assert engine.resources.wait_until_embedded(20)
    for user, session in (("bob", "s"), ("", "other")):
        answer = say(client, "what is my name? name is", user, session)
        assert "Olga" not in answer["response"]
        assert "Bob" not in answer["response"]
        assert all(one["kind"] != "memory" for one in answer["quotations"])
        assert all(PREFIX not in one["source"] for one in answer["quotations"])


def test_a_deleted_session_takes_its_memories_along(client: CheckedClient, engine: Engine):
    say(client, "My name is Olga.", "ann")
    assert engine.memories.wait_until_idle(20)
    assert known(client)
    client.delete("/conversation/s", params={"user": "ann"})
    assert known(client) == {}


def test_health_names_memory_and_the_chat_model(client: CheckedClient):
    components = client.get("/health").json()["components"]
    assert components["memory"]["status"] == "ok"
    assert components["llm"] == {"status": "ok"}
