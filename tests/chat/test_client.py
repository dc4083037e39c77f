"""The chat client against real endpoints that behave, refuse, hang, drip, lie and hang up."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.chat.endpoint import (
    KEY,
    Behaviour,
    Endpoint,
    answers,
    cuts_the_body,
    cuts_the_stream,
    delta,
    drips,
    hangs,
    open_endpoint,
    says,
)

from openviking.chat.client import ANSWER_BYTES_MAX, ChatClient
from openviking.circuit import Circuit
from openviking.errors import ChatError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

TURNS = [("system", "Be brief."), ("user", "hello")]


@contextmanager
def asking(behave: Behaviour, *, timeout_s: float = 20.0) -> Iterator[tuple[ChatClient, Endpoint]]:
    with open_endpoint(behave) as endpoint:
        client = ChatClient(endpoint.url, "m", key=KEY, timeout_s=timeout_s, tokens_max=7)
        with closing(client):
            yield client, endpoint


def test_the_request_is_what_openai_documents():
    with asking(says("hi there")) as (client, endpoint):
        assert client.complete(TURNS) == "hi there"
        assert list(client.stream(TURNS)) == ["hi ", "there "]
        messages = [{"role": role, "content": content} for role, content in TURNS]
        assert endpoint.bodies == [
            {"model": "m", "messages": messages, "max_tokens": 7, "stream": stream}
            for stream in (False, True)
        ]
        assert endpoint.keys == [f"Bearer {KEY}"] * 2
        assert client.stats() == {
            "model": "m", "running": 0, "circuit": "closed", "last_error": None,
        }  # fmt: skip


def test_without_a_key_none_is_sent():
    with open_endpoint(says("hi")) as endpoint:
        client = ChatClient(endpoint.url, "m", key=" ", timeout_s=20, tokens_max=7)
        with closing(client):
            assert client.complete(TURNS) == "hi"
        assert endpoint.keys == [None]


def test_pieces_come_while_the_model_still_writes():
    def behave(request: Any) -> None:
        request.begin_events()
        request.event(delta("one"))
        request.server.endpoint.go_on.wait()
        request.event(delta("two", "stop"))

    with asking(behave) as (client, endpoint):
        pieces = client.stream(TURNS)
        assert next(pieces) == "one"
        endpoint.go_on.set()
        assert list(pieces) == ["two"]


def test_an_endpoint_that_cannot_stream_answers_in_one_piece():
    body = json.dumps({"choices": [{"message": {"content": "whole"}}]}).encode()
    with asking(answers(200, body)) as (client, _):
        assert list(client.stream(TURNS)) == ["whole"]


FAILURES: dict[str, tuple[Behaviour, str]] = {
    "unauthorised": (
        answers(401, json.dumps({"error": {"message": f"no such key: {KEY}"}}).encode()),
        "answered 401: no such key: ***",
    ),
    "a page": (answers(502, b"<h1>Bad\ngateway</h1>", "text/html"), "answered 502: <h1>Bad gate"),
    "moved": (answers(307, b""), "answered 307"),
    "not JSON": (answers(200, b"\xff{"), "is not JSON"),
    "deep": (answers(200, b"[" * 100_000), "is not JSON"),
    "no choices": (answers(200, b"{}"), "holds no text"),
    "odd shapes": (answers(200, b'{"choices": {"0": [1]}}'), "holds no text"),
    "null": (answers(200, b'{"choices": [{"message": {"content": null}}]}'), "holds no text"),
    "blank": (answers(200, b'{"choices": [{"message": {"content": " "}}]}'), "holds no text"),
    "huge": (answers(200, b" " * (ANSWER_BYTES_MAX + 1)), "is over"),
    "cut": (cuts_the_body, "could not be reached"),
}


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("way", ["complete", "stream"])
def test_a_bad_answer_is_an_error_that_says_why(name: str, way: str):
    behave, said = FAILURES[name]
    with asking(behave) as (client, _):
        with pytest.raises(ChatError) as caught:
            list(getattr(client, way)(TURNS))
        assert said in str(caught.value)
        assert KEY not in str(caught.value)
        assert caught.value.__cause__ is None or KEY not in repr(caught.value.__cause__)
        assert said in str(client.stats()["last_error"])


@pytest.mark.parametrize("behave", [hangs, drips], ids=["hangs", "drips"])
@pytest.mark.parametrize("way", ["complete", "stream"])
def test_the_time_limit_holds_for_the_whole_call(behave: Behaviour, way: str):
    with (
        asking(behave, timeout_s=0.2) as (client, _),
        pytest.raises(ChatError, match=r"no answer within 0\.2 s"),
    ):
        list(getattr(client, way)(TURNS))


def test_an_endpoint_that_is_not_there():
    with socket.create_server(("127.0.0.1", 0)) as held:
        port = held.getsockname()[1]
    client = ChatClient(f"http://127.0.0.1:{port}/v1", "m", key=KEY, timeout_s=20, tokens_max=7)
    with closing(client), pytest.raises(ChatError, match="could not be reached"):
        client.complete(TURNS)


@pytest.mark.parametrize(
    ("behave", "said"),
    [
        (cuts_the_stream, "ended in the middle"),
        (lambda r: (r.begin_events(), r.event(delta("a")), r.event("{"))[0], "is not JSON"),
        (
            lambda r: (r.begin_events(), r.event(delta("a")), r.event({"error": "too long"}))[0],
            "failed: too long",
        ),
        (lambda r: (r.begin_events(), r.event("[DONE]"))[0], "holds no text"),
    ],
    ids=["cut", "garbage", "error", "empty"],
)
def test_half_a_stream_is_an_error_behind_its_pieces(behave: Behaviour, said: str):
    with asking(behave) as (client, _):
        pieces = client.stream(TURNS)
        with pytest.raises(ChatError, match=said):
            list(pieces)


def test_a_given_up_stream_and_a_closed_client_end_their_calls():
    with asking(hangs) as (client, endpoint):
        failure: list[Exception] = []

        def ask() -> None:
            try:
                client.complete(TURNS)
            except ChatError as error:
                failure.append(error)

        asker = threading.Thread(target=ask)
        asker.start()
        assert endpoint.asked.wait(20)
        client.close()
        asker.join(20)
        assert "closed" in str(failure[0])
        client.close()


def test_an_endpoint_that_is_down_is_left_alone_and_then_tried_by_one():
    now = [0.0]
    with open_endpoint(answers(503, b"down")) as endpoint:
        circuit = Circuit(2, 30.0, lambda: now[0])
        client = ChatClient(endpoint.url, "m", key=KEY, timeout_s=20, tokens_max=7, circuit=circuit)
        with closing(client):
            for asked in (1, 2, 2):
                with pytest.raises(ChatError, match="answered 503"):
                    client.complete(TURNS)
                assert len(endpoint.bodies) == asked
            with pytest.raises(ChatError, match="left alone for 30 s"):
                list(client.stream(TURNS))
            endpoint.behave = says("back")
            now[0] += 30
            assert client.complete(TURNS) == "back"
            assert client.stats()["circuit"] == "closed"


def test_a_refused_key_or_an_odd_answer_is_no_outage():
    with asking(answers(401, b"")) as (client, endpoint):
        for behave in (answers(401, b""), answers(400, b""), answers(200, b"{}")) * 3:
            endpoint.behave = behave
            with pytest.raises(ChatError):
                client.complete(TURNS)
        assert len(endpoint.bodies) == 9
        assert client.stats()["circuit"] == "closed"


@pytest.mark.parametrize("key", ["a b", "a\nb", "käse", "a\x00"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key: str):
    with pytest.raises(ConfigError) as caught:
        ChatClient("http://a", "m", key=key, timeout_s=1, tokens_max=7)
    assert key not in str(caught.value)
    assert "llm.api_key_env" in str(caught.value)
