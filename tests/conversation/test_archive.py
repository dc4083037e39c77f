from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from openviking.conversation import Conversations, Lifetimes
from openviking.encoder.fake import HashingEncoder
from openviking.errors import InputError, NotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conversation.conftest import Clock

    from openviking.store import SqliteStore


def contents(conversations: Conversations, query: str, session: str | None = None) -> list[str]:
    return [hit.message.content for hit in conversations.search(query, session_id=session).hits]


def test_a_message_is_found_by_words_before_and_by_meaning_after_it_has_a_vector(
    conversations: Conversations,
):
    conversations.say("we deploy on Fridays", "s", "assistant")
    (hit,) = conversations.search("deploy").hits
    assert hit.message.content == "we deploy on Fridays"
    assert conversations.wait_until_embedded()
    (hit,) = conversations.search("deploy").hits
    assert hit.meaning is not None


def test_speaker_and_date_find_a_message(conversations: Conversations):
    conversations.say("the boat is blue", "s", "user", metadata={"name": "Freya"})
    conversations.say("so is the sky", "s", "assistant")
    assert contents(conversations, "Freya")[0] == "the boat is blue"
    assert "the boat is blue" in contents(conversations, "March 2026")


def test_an_answer_without_the_words_is_found_through_its_question(conversations: Conversations):
    for number in range(20):
        conversations.say(f"talk number {number}", "s", "assistant")
    conversations.say("where does the spare key hide?", "s", "assistant")
    conversations.say("underneath a flower pot", "s", "assistant")
    conversations.wait_until_embedded()
    assert "underneath a flower pot" in contents(conversations, "where is the spare key")[:2]


def test_generated_answers_are_not_found(conversations: Conversations):
    conversations.say("the cat is called Miso", "s")
    conversations.say("what is the cat called", "s")
    conversations.wait_until_embedded()
    found = conversations.search("cat called Miso").hits
    assert {hit.message.role for hit in found} == {"user"}


def test_a_search_stays_in_its_session(conversations: Conversations):
    conversations.say("apples are red", "a", "note")
    conversations.say("apples are green", "b", "note")
    conversations.wait_until_embedded()
    assert contents(conversations, "apples", "a") == ["apples are red"]
    assert contents(conversations, "apples", "unknown") == []
    assert len(contents(conversations, "apples")) == 2


@pytest.mark.parametrize("query", ["", "  ", "\x00"])
def test_an_empty_question_is_an_error(conversations: Conversations, query: str):
    with pytest.raises(InputError, match="query"):
        conversations.search(query)


@pytest.mark.parametrize("query", ['"', "a AND NOT (", "*", "scope : n1", "NEAR(", "\ud800", "?!"])
def test_any_text_is_a_question(conversations: Conversations, query: str):
    conversations.say("hello", "s")
    assert conversations.search(query).degraded is None


def test_what_a_stopped_process_did_not_embed_the_next_one_does(store: SqliteStore):
    first = Conversations(store, HashingEncoder())
    first.close()
    first.say("we deploy on Fridays", "s", "note")
    encoder = HashingEncoder()
    second = Conversations(store, encoder)
    assert second.wait_until_embedded()
    second.close()
    assert encoder.texts_encoded == 1
    third = Conversations(store, encoder)
    assert third.wait_until_embedded()
    third.close()
    assert encoder.texts_encoded == 1, "nothing is embedded twice"


def test_another_model_embeds_everything_again(store: SqliteStore):
    first = Conversations(store, HashingEncoder())
    first.say("we deploy on Fridays", "s", "note")
    first.wait_until_embedded()
    first.close()
    second = Conversations(store, HashingEncoder(dim=64))
    second.wait_until_embedded()
    (hit,) = second.search("deploy").hits
    assert hit.meaning is not None
    second.close()


def test_deleting_leaves_nothing_to_find_or_to_read(
    conversations: Conversations, store: SqliteStore
):
    for number in range(30):
        conversations.say(f"the swordfish password {number}", "s", "note")
    conversations.say("harmless", "t", "note")
    conversations.wait_until_embedded()
    assert conversations.search("swordfish").hits
    assert b"swordfish" in everything(store.path.parent)
    assert conversations.delete("s") == 30
    assert contents(conversations, "swordfish") in ([], ["harmless"])
    assert b"swordfish" not in everything(store.path.parent)
    with pytest.raises(NotFoundError):
        conversations.stats("s")
    assert conversations.say("anew", "s").view.session.message_count == 2


def everything(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


def test_retention_deletes_what_is_older(store: SqliteStore, clock: Clock):
    first = Conversations(store, HashingEncoder(), clock=clock)
    first.say("old", "s", "note")
    first.say("old", "gone", "note")
    clock.advance(days=10)
    first.say("new", "s", "note")
    first.close()
    second = Conversations(
        store, HashingEncoder(), clock=clock, lifetimes=Lifetimes(retention=timedelta(days=5))
    )
    assert second.wait_until_swept()
    assert [m.content for m in second.messages("s")] == ["new"]
    assert second.stats("s").session.message_count == 1
    with pytest.raises(NotFoundError):
        second.stats("gone")
    second.close()


def test_an_export_comes_back_the_same_and_only_once(conversations: Conversations):
    conversations.say("hello", "s", metadata={"name": "Ann", "n": [1, None]})
    conversations.say("a\u2028b\nc", "s", "tool")
    lines = list(conversations.export_lines("s"))
    assert conversations.import_lines(lines).appended == 0, "it is there already"
    other = conversations.of("ann")
    assert other.import_lines(lines).appended == 3
    assert other.import_lines(lines).known == 3
    assert list(other.export_lines()) == lines
    assert [m.role for m in other.messages("s")] == ["user", "assistant", "tool"]


def test_an_imported_history_grows_no_answers(conversations: Conversations):
    lines = [json.dumps({"role": "user", "content": text}) for text in ("a", "b", "b")]
    assert conversations.import_lines(lines, "s").appended == 3
    assert [m.role for m in conversations.messages("s")] == ["user"] * 3


def test_a_cut_import_resumes(conversations: Conversations):
    lines = [
        json.dumps({"session_id": "s", "role": "user", "content": f"m{n}"}) for n in range(450)
    ]
    with pytest.raises(InputError, match="line 301") as caught:
        conversations.import_lines([*lines[:300], lines[300][:20]])
    assert caught.value.loc == ("lines", 301)
    assert conversations.stats("s").session.message_count == 300
    done = conversations.import_lines(lines)
    assert (done.appended, done.known, done.sessions) == (150, 300, 1)
    found = conversations.messages("s", limit=1000)
    assert [m.content for m in found] == [f"m{n}" for n in range(450)]


def test_two_imports_at_once_double_nothing_and_keep_the_order(conversations: Conversations):
    lines = [
        json.dumps({"session_id": "s", "role": "user", "content": f"m{n}"}) for n in range(900)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: conversations.import_lines(lines), range(4)))
    found = conversations.messages("s", limit=1000)
    assert [m.content for m in found] == [f"m{n}" for n in range(900)]


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "5", '{"role": "user"}', '{"content": "a"}', '{"role": 5, "content": "a"}',
     '{"role": "user", "content": "a", "timestamp": "yesterday"}',
     '{"role": "user", "content": "a", "seq": -1}', '{"role": "user", "content": "\\ud800"}',
     '{"role": "user", "content": "a", "metadata": [1]}', "[" * 100_000],
)  # fmt: skip
def test_a_wrong_line_is_named(conversations: Conversations, line: str):
    with pytest.raises(InputError, match="line 2"):
        conversations.import_lines(['{"role": "user", "content": "a"}', line], "s")
    assert conversations.stats("s").session.message_count == 1
