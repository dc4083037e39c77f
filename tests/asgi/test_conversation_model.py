"""A chat model behind POST /conversation: streams, failures, and the key that nobody sees."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from tests.asgi.conftest import CheckedClient, open_client
from tests.chat.endpoint import KEY, Endpoint, answers, cuts_the_stream, open_endpoint, says

from openviking.config import Settings
from openviking.config.conversation import Llm
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.errors import StoreError
from openviking.store import SqliteStore
from openviking_asgi.operation import Streamed
from openviking_asgi.stream import send_stream
from openviking_asgi.workers import WorkerPool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with open_endpoint(says("hi there")) as opened:
        yield opened


@pytest.fixture
def client(
    tmp_path: Path, endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> Iterator[CheckedClient]:
    monkeypatch.setenv("A_KEY", KEY)
    settings = Settings(llm=Llm(api_base=endpoint.url, model="m", api_key_env="A_KEY"))
    store = SqliteStore(tmp_path / "store")
    with (
        Engine.open(settings, encoder=HashingEncoder(), store=store) as engine,
        open_client(engine) as opened,
    ):
        yield opened


def events(text: str) -> list[tuple[str, Any]]:
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        assert name.startswith("event: ")
        assert data.startswith("data: ")
        found.append((name[7:], json.loads(data[6:])))
    return found


def test_the_model_answers(client: CheckedClient, endpoint: Endpoint):
    answer = client.post("/conversation", json={"message": "hello", "session_id": "s"}).json()
    assert (answer["response"], answer["message_count"]) == ("hi there", 2)
    assert (answer["response_source"], answer["response_model"]) == ("llm", "m")
    assert answer["response_note"] is None
    assert endpoint.keys == [f"Bearer {KEY}"]


def test_a_stream_ends_with_the_whole_answer(client: CheckedClient):
    body = {"message": "hello", "session_id": "s", "stream": True}
    response = client.post("/conversation", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    *deltas, (name, answer) = events(response.text)
    assert deltas == [
        ("delta", {"text": "hi "}),
        ("delta", {"text": "there "}),
    ]
    assert name == "done"
    assert (answer["response"], answer["message_count"]) == ("hi there ", 2)
    stored = client.get("/conversation/s/messages").json()["messages"]
    assert [message["content"] for message in stored] == ["hello", "hi there "]


def test_a_stream_is_refused_like_any_request_before_it_begins(client: CheckedClient):
    response = client.post("/conversation", json={"message": " ", "stream": True})
    assert response.status_code == 422


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_fails_is_said_and_the_key_is_nowhere(
    client: CheckedClient, endpoint: Endpoint, stream: Any, caplog: pytest.LogCaptureFixture
):  # fmt: skip
    caplog.set_level(logging.DEBUG)
    refusal = json.dumps({"error": {"message": f"bad key {KEY}"}}).encode()
    endpoint.behave = cuts_the_stream if stream else answers(401, refusal)
    body = {"message": "hello", "session_id": "s", "stream": stream}
    response = client.post("/conversation", json=body)
    answer = events(response.text)[-1][1] if stream else response.json()
    assert answer["response_source"] == "extractive"
    assert ("ended in the middle" if stream else "401") in answer["response_note"]
    health = client.get("/health").text
    assert '"last_error"' in health
    for text in (response.text, health, client.get("/metrics").text, caplog.text):
        assert KEY not in text


def test_a_client_that_hangs_up_does_not_end_the_making():
    made, may_go_on = [], threading.Event()

    def pieces() -> Iterator[bytes]:
        yield b"one"
        may_go_on.wait()
        made.append("whole")
        yield b"two"

    async def send(message: Any) -> None:
        if message["type"] == "http.response.body":
            raise ConnectionResetError

    async def serve() -> None:
        pool = WorkerPool("talk", threads=1, jobs_max=9, deadline_s=20)
        with pytest.raises(ConnectionResetError):
            await send_stream(Streamed(pieces(), "text/plain", lambda _: b""), pool, send)
        assert not made
        may_go_on.set()
        assert await asyncio.to_thread(pool.close, 20)

    asyncio.run(serve())
    assert made == ["whole"]


def test_a_failure_behind_the_first_piece_is_said_in_the_stream_and_before_it_raised():
    async def serve(*first: bytes) -> list[Any]:
        def pieces() -> Iterator[bytes]:
            yield from first
            raise StoreError("the disk is full")

        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        pool = WorkerPool("talk", threads=1, jobs_max=9, deadline_s=20)
        try:
            reply = Streamed(pieces(), "text/plain", lambda error: str(error).encode())
            await send_stream(reply, pool, send)
        finally:
            await asyncio.to_thread(pool.close, 20)
        return sent

    start, one, last = asyncio.run(serve(b"one"))
    assert start["status"] == 200
    assert (one["body"], one["more_body"]) == (b"one", True)
    assert (last["body"], last["more_body"]) == (b"the disk is full", False)
    with pytest.raises(StoreError):
        asyncio.run(serve())
