"""Answers of a chat model: what it is given, what is stored, and what happens when it fails."""

from __future__ import annotations

import threading
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from tests.chat.endpoint import (
    KEY,
    Behaviour,
    Endpoint,
    answers,
    cuts_the_stream,
    delta,
    hangs,
    open_endpoint,
    says,
)

from openviking.chat.client import ChatClient
from openviking.conversation import Conversations, Sources
from openviking.encoder.fake import HashingEncoder
from openviking.types import Skill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.store import SqliteStore

SKILL = Skill("tea", "Tea", "How to brew tea well.")


@contextmanager
def talking(
    store: SqliteStore, behave: Behaviour, **options: Any
) -> Iterator[tuple[Conversations, Endpoint]]:
    timeout_s = options.pop("timeout_s", 20.0)
    with open_endpoint(behave) as endpoint:
        chat = ChatClient(endpoint.url, "m", key=KEY, timeout_s=timeout_s, tokens_max=99)
        opened = Conversations(store, HashingEncoder(), sources=Sources(chat=chat, **options))
        with closing(opened), closing(chat):
            yield opened, endpoint


def contents(conversations: Conversations) -> list[str]:
    return [message.content for message in conversations.messages("s")]


def test_the_counts_of_the_contract_hold_with_a_model(store: SqliteStore):
    with talking(store, says("hi there")) as (conversations, _):
        said = [conversations.say(text, "s") for text in ("one", "two", "three")]
        assert [(len(one.context), one.view.session.message_count) for one in said] == [
            (1, 2), (3, 4), (3, 6),
        ]  # fmt: skip
        assert contents(conversations) == [
            "one",
            "hi there",
            "two",
            "hi there",
            "three",
            "hi there",
        ]
        assert (said[0].reply.kind, said[0].reply.model, said[0].reply.note) == ("llm", "m", None)
        stored = conversations.messages("s")[1]
        assert (stored.metadata, stored.reply_to) == ({"kind": "llm", "model": "m"}, 1)


def test_the_model_is_given_window_quotations_and_message(store: SqliteStore):
    with talking(store, says("ok"), skills=lambda _q, _k: [(SKILL, 0.9)]) as (conversations, at):
        conversations.say("the cat is called Miso", "s", "tool")
        conversations.flush("s")
        conversations.say("good day", "s")
        conversations.say("what is the cat called", "s")
        (role, head), *turns = [(m["role"], m["content"]) for m in at.bodies[-1]["messages"]]
        assert role == "system"
        assert "[s#1]" in head
        assert "the cat is called Miso" in head
        assert "[tea] Tea: How to brew tea well." in head
        assert turns == [
            ("user", "good day"), ("assistant", "ok"), ("user", "what is the cat called"),
        ]  # fmt: skip


def test_the_budget_of_the_context_holds_and_the_message_is_always_there(store: SqliteStore):
    with talking(store, says("ok"), chat_tokens_max=400) as (conversations, endpoint):
        for number in range(8):
            conversations.say(f"{number} " + "word " * 200, "s", "assistant")
        question = "begins " + "x " * 5000 + "ends"
        conversations.say("short question", "s")
        conversations.say(question, "s")
        short, long = (body["messages"] for body in endpoint.bodies)
        for messages in (short, long):
            counts = HashingEncoder().token_counts([m["content"] for m in messages])
            assert sum(counts) <= 400
        assert short[-1]["content"] == "short question"
        assert [m["role"] for m in short[1:-1]] == ["assistant"]
        assert long[-1]["content"].startswith("begins")
        assert long[-1]["content"].endswith("ends")
        assert contents(conversations)[-2] == question


@pytest.mark.parametrize(
    ("behave", "timeout_s", "said"),
    [
        (answers(500, b"oops"), 20.0, "answered 500"),
        (answers(200, b"nonsense"), 20.0, "is not JSON"),
        (hangs, 0.2, "gave no answer within"),
    ],
    ids=["500", "nonsense", "late"],
)
def test_a_failing_model_falls_back_to_quotations_and_says_so(
    store: SqliteStore, behave: Behaviour, timeout_s: float, said: str
):
    with talking(store, behave, timeout_s=timeout_s) as (conversations, _):
        conversations.say("the cat is called Miso", "s", "note")
        answer = conversations.say("what is the cat called", "s")
        assert answer.reply.kind == "extractive"
        assert said in (answer.reply.note or "")
        assert "Miso" in answer.reply.text
        assert "The language model gave no answer." in answer.reply.text
        assert answer.view.session.message_count == 3
        assert contents(conversations)[-1] == answer.reply.text


def test_while_the_model_thinks_others_speak_and_every_place_is_kept(store: SqliteStore):
    def behave(request: Any) -> None:
        request.server.endpoint.go_on.wait()
        says("at last")(request)

    with talking(store, behave) as (conversations, endpoint):
        done: list[Any] = []
        asker = threading.Thread(target=lambda: done.append(conversations.say("first", "s")))
        asker.start()
        assert endpoint.asked.wait(20)
        # Neither the session nor the store waits for the model.
        between = conversations.say("meanwhile", "s", "tool")
        assert between.view.session.message_count == 2
        assert contents(conversations) == ["first", "meanwhile"]
        endpoint.go_on.set()
        asker.join(20)
        assert contents(conversations) == ["first", "meanwhile", "at last"]
        assert conversations.messages("s")[-1].reply_to == 1
        assert done[0].view.session.message_count == 3
        assert [m.content for m in done[0].view.window] == ["first", "at last"]


def test_a_repeat_asks_no_model_again(store: SqliteStore):
    with talking(store, says("hi")) as (conversations, endpoint):
        first = conversations.say("hello", "s", key="k")
        again = conversations.say("hello", "s", key="k")
        assert (again.is_repeat, again.reply.text, again.reply.kind) == (True, "hi", "llm")
        assert again.view.session.message_count == first.view.session.message_count == 2
        assert len(endpoint.bodies) == 1


def test_retries_at_once_leave_one_answer(store: SqliteStore):
    with talking(store, says("hi")) as (conversations, _):
        turns = [conversations.begin("hello", "s", key="k") for _ in range(4)]
        assert {turn.finish().reply.text for turn in turns} == {"hi"}
        assert contents(conversations) == ["hello", "hi"]


def test_a_streamed_answer_comes_in_pieces_and_is_stored_once_and_whole(store: SqliteStore):
    with talking(store, says("a b c")) as (conversations, _):
        turn = conversations.begin("hello", "s")
        assert turn.is_waiting
        assert contents(conversations) == ["hello"]
        assert list(turn.pieces()) == ["a ", "b ", "c "]
        assert turn.finish().reply.text == "a b c "
        assert contents(conversations) == ["hello", "a b c "]


def test_a_listener_who_leaves_midway_costs_nothing_of_the_answer(store: SqliteStore):
    def behave(request: Any) -> None:
        request.begin_events()
        request.event(delta("one "))
        request.server.endpoint.go_on.wait()
        request.event(delta("two", "stop"))

    with talking(store, behave) as (conversations, endpoint):
        pieces = conversations.begin("hello", "s").pieces()
        assert next(pieces) == "one "
        endpoint.go_on.set()
        pieces.close()  # type: ignore[attr-defined] # it is a generator
        assert contents(conversations) == ["hello", "one two"]


def test_a_stream_that_breaks_leaves_the_quotations(store: SqliteStore):
    with talking(store, cuts_the_stream) as (conversations, _):
        turn = conversations.begin("hello", "s")
        assert list(turn.pieces()) == ["half an "]
        said = turn.finish()
        assert said.reply.kind == "extractive"
        assert "ended in the middle" in (said.reply.note or "")
        assert contents(conversations) == ["hello", said.reply.text]


def test_without_a_model_a_stream_is_the_answer_in_one_piece(conversations: Conversations):
    turn = conversations.begin("hello", "s")
    assert not turn.is_waiting
    assert list(turn.pieces()) == [turn.finish().reply.text]
    assert list(conversations.begin("hello", "s", "note").pieces()) == []


def test_what_the_model_said_can_be_found_and_quotations_cannot(store: SqliteStore):
    with talking(store, says("the capital of Elbonia is mud")) as (conversations, _):
        conversations.say("which capital has it", "s")
        conversations.wait_until_embedded()
        hits = conversations.search("capital of Elbonia").hits
        assert "assistant" in {hit.message.role for hit in hits}


def test_a_slash_command_asks_no_model(store: SqliteStore):
    with talking(store, says("hi")) as (conversations, endpoint):
        assert conversations.say("/nope", "s").reply.kind == "command"
        assert endpoint.bodies == []
