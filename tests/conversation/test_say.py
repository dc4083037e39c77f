from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from openviking.conversation import Conversations, Sources
from openviking.conversation.conversations import MESSAGE_BYTES_MAX
from openviking.encoder.fake import HashingEncoder
from openviking.errors import ConflictError, EncoderError, InputError, LimitError, NotFoundError
from openviking.types import Skill

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.conversation.conftest import Clock

    from openviking.store import SqliteStore
    from openviking.types import Embeddings


def test_three_messages_give_the_counts_of_the_contract(conversations: Conversations):
    counts = []
    for text in ("one", "two", "three"):
        said = conversations.say(text, "s")
        counts.append((len(said.context), said.view.session.message_count))
    assert counts == [(1, 2), (3, 4), (3, 6)]
    assert [message.content for message in said.context][::2] == ["two", "three"]


def test_the_window_holds_ten_messages_and_the_archive_all(conversations: Conversations):
    for number in range(8):
        said = conversations.say(f"number {number}", "s", context_turns=1000)
    assert len(said.context) == 10
    assert len(said.view.window) == 10
    assert said.view.session.message_count == 16
    assert [m.seq for m in conversations.messages("s")] == list(range(1, 17))


@pytest.mark.parametrize(("turns", "length"), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 3)])
def test_context_turns_counts_messages(conversations: Conversations, turns: int, length: int):
    conversations.say("one", "s")
    said = conversations.say("two", "s", context_turns=turns)
    assert len(said.context) == length
    assert not said.context or said.context[-1].content == "two"


def test_only_a_user_is_answered(conversations: Conversations):
    for role in ("assistant", "system", "tool", "User"):
        said = conversations.say("hello", "s", role)
        assert (said.reply.kind, said.reply.text) == ("none", "")
    assert said.view.session.message_count == 4
    assert conversations.say("hello", "s").view.session.message_count == 6


def test_without_an_id_a_session_begins(conversations: Conversations):
    first, second = conversations.say("a"), conversations.say("a")
    assert UUID(first.message.session_id).version == 4
    assert first.message.session_id != second.message.session_id


@pytest.mark.parametrize(("minutes", "length"), [(29, 3), (30, 1), (31, 1), (60 * 24, 1)])
def test_thirty_idle_minutes_end_the_window_but_not_the_archive(
    conversations: Conversations, clock: Clock, minutes: int, length: int
):
    conversations.say("one", "s")
    clock.advance(minutes=minutes)
    said = conversations.say("two", "s")
    assert len(said.context) == length
    assert said.view.session.message_count == 4
    assert [m.content for m in conversations.messages("s")][::2] == ["one", "two"]
    clock.advance(minutes=30)
    assert conversations.stats("s").window == ()


def test_a_clock_set_back_ends_no_window(conversations: Conversations, clock: Clock):
    conversations.say("one", "s")
    clock.advance(hours=-5)
    assert len(conversations.say("two", "s").context) == 3
    assert conversations.stats("s").age_minutes == 0


def test_a_flush_ends_windows_and_keeps_the_archive(conversations: Conversations):
    conversations.say("one", "s")
    conversations.say("one", "t")
    assert conversations.flush("unknown") == 0
    assert conversations.flush("s") == 1
    assert conversations.stats("s").window == ()
    assert len(conversations.stats("t").window) == 2
    assert len(conversations.messages("s")) == 2
    assert conversations.flush() == 2
    assert conversations.stats("t").window == ()
    said = conversations.say("two", "s")
    assert (len(said.context), said.view.session.message_count) == (1, 4)


def test_a_repeat_under_the_same_key_changes_nothing(conversations: Conversations):
    first = conversations.say("hello", "s", key="k")
    again = conversations.say("hello", "s", key="k")
    assert (first.is_repeat, again.is_repeat) == (False, True)
    assert again.message == first.message
    assert again.reply.text == first.reply.text
    assert again.view.session.message_count == 2
    with pytest.raises(ConflictError, match="key"):
        conversations.say("other", "s", key="k")
    assert conversations.say("hello", "t", key="k").is_repeat is False


def test_a_key_without_a_session_finds_its_session_again(conversations: Conversations):
    first, again = conversations.say("hello", key="k"), conversations.say("hello", key="k")
    assert again.message == first.message
    assert conversations.say("hello", key="l").message.session_id != first.message.session_id
    other = conversations.of("ann").say("hello", key="k")
    assert other.message.session_id != first.message.session_id


def test_a_retry_after_a_crash_before_the_answer_gets_one(
    conversations: Conversations, store: SqliteStore
):
    """The user's message was stored, its answer was not: what a killed process leaves."""
    from openviking.types import Namespace, NewMessage  # noqa: PLC0415

    store.conversations.append(Namespace(), "s", [NewMessage("user", "hello", key="k")])
    said = conversations.say("hello", "s", key="k")
    assert said.is_repeat
    assert said.reply.kind == "extractive"
    assert [m.role for m in conversations.messages("s")] == ["user", "assistant"]


def test_many_retries_at_once_make_one_message_and_one_answer(conversations: Conversations):
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: conversations.say("hello", "s", key="k"), range(32)))
    assert sum(not one.is_repeat for one in said) == 1
    assert [m.role for m in conversations.messages("s")] == ["user", "assistant"]


def test_many_clients_keep_the_order_of_every_session(conversations: Conversations):
    def talk(client: int) -> None:
        for number in range(5):
            conversations.say(f"{client}:{number}", f"s{client % 50}", "tool")

    with ThreadPoolExecutor(32) as pool:
        list(pool.map(talk, range(200)))
    for session in range(50):
        found = conversations.messages(f"s{session}")
        assert [m.seq for m in found] == list(range(1, 21))
        for client in range(session, 200, 50):
            own = [m.content for m in found if m.content.startswith(f"{client}:")]
            assert own == [f"{client}:{number}" for number in range(5)]


def test_namespaces_never_meet(conversations: Conversations):
    ann, bot = conversations.of("ann"), conversations.of("ann", "bot")
    ann.say("the password is swordfish", "s")
    for other in (conversations, bot, conversations.of("", "ann")):
        with pytest.raises(NotFoundError):
            other.messages("s")
        assert other.search("password swordfish").hits == ()
        assert other.flush() == 0
        with pytest.raises(NotFoundError):
            other.delete("s")
    assert ann.search("password swordfish").hits
    assert [session.id for session in ann.sessions().sessions] == ["s"]


def test_an_answer_quotes_what_is_known_with_its_source(conversations: Conversations):
    conversations.say("the cat is called Miso", "s")
    conversations.wait_until_embedded()
    reply = conversations.say("what is the cat called", "s").reply
    assert "the cat is called Miso" in reply.text
    assert [(p.kind, p.source) for p in reply.passages] == [("message", "s#1")]
    assert reply.recall == (), "it is in the window already"
    conversations.flush("s")
    reply = conversations.say("which name has the cat called Miso", "s").reply
    assert "the cat is called Miso" in [hit.message.content for hit in reply.recall]


def test_nothing_known_is_said_plainly(conversations: Conversations):
    reply = conversations.say("quantum chromodynamics", "s").reply
    assert reply.text.startswith("Nothing is known")
    assert not reply.passages
    assert not reply.recall


def test_strangers_of_the_nameless_namespace_are_not_quoted(conversations: Conversations):
    conversations.say("the cat is called Miso", "s")
    assert conversations.say("what is the cat called", "t").reply.passages == ()
    ann = conversations.of("ann")
    ann.say("the cat is called Miso", "s")
    assert ann.say("what is the cat called", "t").reply.passages


@dataclass(frozen=True)
class Told:
    name: str
    instructions: str


class Commands:
    def find(self, name: str) -> Told | None:
        return Told("plan", "Make a plan.") if name == "plan" else None

    def names(self) -> Sequence[str]:
        return ["plan", "review"]


def opened(store: SqliteStore, **sources: Any) -> Conversations:
    return Conversations(store, HashingEncoder(), sources=Sources(**sources))


def test_a_slash_command_is_answered_with_its_instructions(store: SqliteStore):
    conversations = opened(store, commands=Commands())
    try:
        assert conversations.say("/plan the week", "s").reply.text == "Make a plan."
        unknown = conversations.say("/nope", "s").reply.text
        assert "/plan" in unknown
        assert "/review" in unknown
        assert conversations.say("/etc/passwd is a file", "s").reply.kind == "extractive"
        assert conversations.say("/plan", "s", "assistant").reply.kind == "none"
    finally:
        conversations.close()


def test_skills_that_fit_are_named_within_the_budget(store: SqliteStore):
    skills = [(Skill(f"s{n}", f"Skill {n}", "word " * 300), 0.5) for n in range(3)]
    conversations = opened(store, skills=lambda _query, k: skills[:k])
    try:
        reply = conversations.say("help", "s").reply
        assert [p.source for p in reply.passages] == ["s0", "s1", "s2"]
        assert len(reply.text.split()) < 512
    finally:
        conversations.close()


class FailingEncoder(HashingEncoder):
    def encode(self, texts: Sequence[str]) -> Embeddings:
        raise EncoderError(f"the model is gone, {len(texts)} texts wait")


def test_a_failing_model_costs_no_message_and_is_said(store: SqliteStore):
    conversations = Conversations(store, FailingEncoder())
    try:
        conversations.say("the cat is called Miso", "s")
        reply = conversations.say("what is the cat called", "s").reply
        assert "Miso" in reply.text, "words find it"
        assert "the model is gone" in (reply.note or "")
    finally:
        conversations.close()


def test_a_megabyte_is_kept_whole(conversations: Conversations):
    text = "é" * 500_000
    said = conversations.say(text, "s")
    assert said.message.content == text
    assert conversations.messages("s", limit=1)[0].content == text


@pytest.mark.parametrize(
    ("arguments", "kind", "loc"),
    [
        ({"message": ""}, InputError, "message"),
        ({"message": " \n"}, InputError, "message"),
        ({"message": 5}, InputError, "message"),
        ({"message": "\ud800"}, InputError, "message"),
        ({"message": "x" * (MESSAGE_BYTES_MAX + 1)}, LimitError, "message"),
        ({"message": "a", "role": ""}, InputError, "role"),
        ({"message": "a", "role": "x" * 257}, LimitError, "role"),
        ({"message": "a", "session_id": "x" * 10_000}, LimitError, "session_id"),
        ({"message": "a", "session_id": "\udfff"}, InputError, "session_id"),
        ({"message": "a", "context_turns": -1}, InputError, "context_turns"),
        ({"message": "a", "metadata": {"a": float("nan")}}, InputError, "metadata"),
        ({"message": "a", "key": "x" * 257}, LimitError, "key"),
    ],
)
def test_bad_input_is_named_and_stores_nothing(
    conversations: Conversations, arguments: dict[str, Any], kind: type[Exception], loc: str
):
    with pytest.raises(kind) as caught:
        conversations.say(**arguments)
    assert isinstance(caught.value, InputError)
    assert caught.value.loc[0] == loc
    assert conversations.sessions().sessions == ()


@pytest.mark.parametrize("odd", ["a/b", "x\x00y", "\u202eabc", "🛶", "%2F", "y" * 256, "'; --"])
def test_odd_session_ids_work(conversations: Conversations, odd: str):
    conversations.say("hello there", odd)
    assert conversations.stats(odd).session.id == odd
    assert conversations.search("hello", session_id=odd).hits
    assert conversations.delete(odd) == 2
