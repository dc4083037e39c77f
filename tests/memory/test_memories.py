"""Memories over a real store and real resources: learned, superseded, found, deleted."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from tests.memory.conftest import CATEGORIES, Mind, opened

from openviking.conversation import Conversations, Lifetimes, Sources
from openviking.encoder.fake import HashingEncoder
from openviking.errors import NotFoundError, StoreError
from openviking.memory import PREFIX, Memories
from openviking.resources import Resources

if TYPE_CHECKING:
    from openviking.store import SqliteStore


def test_what_is_told_becomes_a_resource_that_names_its_message(mind: Mind):
    mind.tell("good day")
    said = mind.tell("By the way, my name is Olga. We use Postgres for everything!")
    assert mind.known() == {
        "preferences/user:ann/uses-postgres": "The user uses Postgres.",
        "profile/user:ann/name": "The user's name is Olga.",
    }
    found = mind.resources.get_by_uri(f"{PREFIX}profile/user:ann/name")
    assert found.resource_type == "memory"
    about = found.metadata
    assert about["session_id"] == "s"
    assert about["message_id"] == f"s#{said.message.seq}"
    assert about["sentence"] == "By the way, my name is Olga."
    assert (about["kind"], about["status"], about["supersedes"]) == ("fact", "current", None)


def test_what_contradicts_supersedes_and_the_old_version_stays_readable(mind: Mind):
    mind.tell("I live in Paris.")
    mind.tell("I moved to Berlin last week.", "t")
    uri = f"{PREFIX}profile/user:ann/home"
    newest, oldest = mind.resources.versions(uri)
    assert (newest.content, oldest.content) == (
        "The user lives in Berlin.", "The user lives in Paris.",
    )  # fmt: skip
    assert newest.metadata["supersedes"] == oldest.id


def test_an_end_counts_only_for_what_is_known(mind: Mind):
    mind.tell("I no longer use vim.")
    assert mind.known() == {}
    mind.tell("I use vim.")
    mind.tell("I no longer use vim.")
    mind.tell("I no longer use vim.")
    assert mind.known() == {"preferences/user:ann/uses-vim": "The user no longer uses vim."}
    versions = mind.resources.versions(f"{PREFIX}preferences/user:ann/uses-vim")
    assert [one.metadata["status"] for one in versions] == ["ended", "current"]


def test_an_end_of_something_else_ends_nothing(mind: Mind):
    mind.tell("I live in Paris. I work at Acme Robotics.")
    mind.tell("I no longer live in Rome. I quit my job at Initech.")
    assert sorted(mind.known("profile").values()) == [
        "The user lives in Paris.", "The user works at Acme Robotics.",
    ]  # fmt: skip
    mind.tell("I don't live in Paris any more. I no longer work at Acme Robotics.")
    assert sorted(mind.known("profile").values()) == [
        "The user no longer lives there.", "The user no longer works there.",
    ]  # fmt: skip


def test_only_users_are_learned_from(mind: Mind):
    for role in ("assistant", "system", "tool", "note"):
        mind.conversations.of("ann").say("My name is Olga.", "s", role)
    mind.tell("thanks")
    assert mind.known() == {}


def test_a_question_is_answered_with_the_memory_and_its_source(mind: Mind):
    mind.tell("My name is Olga.", "first")
    mind.resources.wait_until_embedded()
    reply = mind.tell("what is my name?", "second").reply
    (passage,) = [one for one in reply.passages if one.kind == "memory"]
    assert passage.source == f"{PREFIX}profile/user:ann/name"
    assert passage.text == 'The user\'s name is Olga. (message first#1: "My name is Olga.")'
    assert passage.text in reply.text
    assert reply.passages[0] == passage


def test_memories_go_with_their_only_message(mind: Mind, store: SqliteStore):
    mind.tell("I love swordfish. My name is Olga.", "s")
    mind.tell("My name is Olga.", "t")
    mind.conversations.of("ann").delete("s")
    assert mind.known() == {"profile/user:ann/name": "The user's name is Olga."}
    kept = mind.resources.get_by_uri(f"{PREFIX}profile/user:ann/name")
    assert kept.metadata["message_id"] == "t#1"
    assert len(mind.resources.versions(kept.target_uri)) == 1
    mind.conversations.of("ann").delete("t")
    assert mind.known() == {}
    everything = b"".join(path.read_bytes() for path in store.path.parent.iterdir())
    assert b"swordfish" not in everything


def test_a_deleted_correction_brings_back_what_is_left(mind: Mind):
    mind.tell("I live in Paris.", "s")
    mind.tell("I live in Berlin.", "t")
    mind.conversations.of("ann").delete("t")
    assert mind.known() == {"profile/user:ann/home": "The user lives in Paris."}


def test_a_deleted_beginning_takes_its_old_version_along(mind: Mind):
    mind.tell("I live in Paris.", "s")
    mind.tell("I live in Berlin.", "t")
    mind.conversations.of("ann").delete("s")
    versions = mind.resources.versions(f"{PREFIX}profile/user:ann/home")
    assert [one.content for one in versions] == ["The user lives in Berlin."]


def test_retention_takes_memories_along(store: SqliteStore):
    with opened(store) as mind:
        old = (datetime.now(UTC) - timedelta(days=9)).isoformat()
        line = {"role": "user", "content": "My name is Olga.", "session_id": "s", "timestamp": old}
        mind.conversations.of("ann").import_lines([json.dumps(line)])
        mind.tell("good day", "t")
        assert mind.known()
    with opened(store, lifetimes=Lifetimes(retention=timedelta(days=5))) as mind:
        assert mind.conversations.wait_until_swept(20)
        assert mind.known() == {}


def test_an_imported_history_is_learned_from_and_does_not_outrank_the_present(mind: Mind):
    mind.tell("I live in Berlin.", "now")
    lines = [
        json.dumps({"role": "user", "content": text, "timestamp": f"2019-01-0{day}T00:00:00+00:00"})
        for day, text in ((1, "I live in Paris."), (2, "I speak Polish."))
    ]
    mind.conversations.of("ann").import_lines(lines, "then")
    assert mind.memories.wait_until_idle(20)
    assert mind.known("profile") == {
        "profile/user:ann/home": "The user lives in Berlin.",
        "profile/user:ann/speaks-polish": "The user speaks Polish.",
    }


def test_what_a_stopped_process_did_not_read_the_next_one_does(store: SqliteStore):
    with opened(store, categories=()) as mind:
        mind.tell("My name is Olga.")
        assert mind.known() == {}
    with opened(store) as mind:
        assert mind.memories.wait_until_idle(20)
        assert list(mind.known()) == ["profile/user:ann/name"]


def test_reading_the_same_messages_again_changes_nothing(store: SqliteStore):
    with opened(store) as mind:
        mind.tell("I live in Paris.")
        mind.tell("I moved to Berlin.")
        before = mind.resources.versions(f"{PREFIX}profile/user:ann/home")
    # What a crash leaves: the memories are written, how far reading had come is not.
    store.memories.set_position(0)
    with opened(store) as mind:
        assert mind.memories.wait_until_idle(20)
        assert mind.resources.versions(f"{PREFIX}profile/user:ann/home") == before


def test_a_crash_between_messages_and_memories_is_made_good_at_the_next_start(store: SqliteStore):
    with opened(store) as mind:
        mind.tell("My name is Olga.")
        # The messages are deleted behind the back of what forgets: as if the process died there.
        store.conversations.delete_session(mind.conversations.of("ann").namespace, "s")
        assert mind.known()
    with opened(store) as mind:
        assert mind.memories.wait_until_idle(20)
        assert mind.known() == {}


class FailingShelf:
    """Fails once at a write, as a full disk does, and counts."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.failures = 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self._resources, name)

    def put(self, *args: Any, **options: Any) -> Any:
        if self.failures:
            self.failures -= 1
            raise StoreError("the disk is full")
        return self._resources.put(*args, **options)


def test_a_memory_that_could_not_be_written_is_written_later(store: SqliteStore):
    with closing(Resources(store)) as resources:
        shelf = FailingShelf(resources)
        with opened(store, categories=()) as mind:
            mind.tell("My name is Olga.")
        memories = Memories(store.memories, shelf, categories=CATEGORIES)
        with pytest.raises(StoreError):
            memories.read_on()
        memories.read_on()
        memories.start()
        memories.close()
        assert len(resources.list(prefix=PREFIX).resources) == 1


def test_a_memory_that_its_owner_deleted_does_not_come_back(mind: Mind):
    mind.tell("My name is Olga.", "s")
    mind.tell("My name is Olga.", "t")
    (uri,) = (PREFIX + tail for tail in mind.known())
    mind.resources.delete(mind.resources.get_by_uri(uri).id)
    mind.conversations.of("ann").delete("t")
    assert mind.known() == {}
    with pytest.raises(NotFoundError):
        mind.resources.get_by_uri(uri)


def test_only_the_wanted_categories_are_learned(store: SqliteStore):
    with opened(store, categories=("preferences",)) as mind:
        mind.tell("My name is Olga. I use vim.")
        assert list(mind.known()) == ["preferences/user:ann/uses-vim"]


def test_a_reply_does_not_wait_for_learning(store: SqliteStore):
    with closing(Resources(store)) as resources:
        memories = Memories(store.memories, resources, categories=CATEGORIES)
        # Its thread is not even started.
        opened_ = Conversations(store, HashingEncoder(), sources=Sources(memory=memories))
        with closing(opened_) as conversations:
            assert conversations.say("My name is Olga.", "s").reply.kind == "extractive"
        assert resources.list(prefix=PREFIX).resources == ()
