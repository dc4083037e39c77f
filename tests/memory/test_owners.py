"""Whose memories are: nobody is told what somebody else said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.memory.conftest import Mind, opened

if TYPE_CHECKING:
    from openviking.store import SqliteStore


def test_memories_of_one_owner_never_reach_another(mind: Mind):
    mind.tell("My name is Olga and my dog is called Rex.", user="ann")
    mind.resources.wait_until_embedded()
    for user, agent in (("bob", ""), ("", ""), ("ann", "bot"), ("", "ann"), ("ann2", "")):
        reply = mind.tell(
            "what is my name? My name is what? dog called Rex?", "s", user, agent
        ).reply
        assert "Olga" not in reply.text, (user, agent)
        assert all(one.kind != "memory" for one in reply.passages)


def test_owners_with_odd_names_do_not_meet(mind: Mind):
    for number, user in enumerate(
        ("a/b", "a%2Fb", "a", "a,agent:b", "x" * 256, "x" * 255, "\u202ea")
    ):
        mind.tell(f"My name is N{number}.", user=user)
    mind.tell("My name is Bot.", user="a", agent="b")
    assert sorted(mind.known().values()) == sorted(
        [*(f"The user's name is N{n}." for n in range(7)), "The user's name is Bot."]
    )


def test_sessions_of_nobody_in_particular_do_not_share(mind: Mind):
    mind.tell("My name is Olga.", "s", user="")
    mind.resources.wait_until_embedded()
    assert "Olga" in mind.tell("what is my name", "s", user="").reply.text
    assert "Olga" not in mind.tell("what is my name", "t", user="").reply.text


def test_on_a_machine_of_one_person_they_do(store: SqliteStore):
    with opened(store, is_shared=True) as mind:
        mind.tell("My name is Olga.", "s", user="")
        mind.resources.wait_until_embedded()
        assert "Olga" in mind.tell("what is my name", "t", user="").reply.text
        assert list(mind.known()) == ["profile/everyone/name"]
