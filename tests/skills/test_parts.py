from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openviking.skills.parts import _END, PARTS_MAX, query_parts
from openviking.store.sqlite.stems import (
    _known_word,
    _known_words,
    query_words,
    request_words,
)
from openviking.store.words import query_terms

if TYPE_CHECKING:
    from openviking.skills import Skills

PDF = "merge many scanned pdf files into one document"
CSV = "clean the broken columns of a large csv table"


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (PDF, []),
        (f"{PDF}. {CSV}?", [f"{PDF}.", f"{CSV}?"]),
        (f"{PDF}\n\n{CSV}", [PDF, CSV]),
        (f"Hello! {PDF}. Please. {CSV}. Thanks!", [f"Hello! {PDF}.", f"Please. {CSV}. Thanks!"]),
        ("Short. And this as well.", []),
        ("My pod keeps restarting. Then write the release notes.", []),
        (
            "My pod keeps restarting today. Then write the release notes.",
            ["My pod keeps restarting today.", "Then write the release notes."],
        ),
        (f"{PDF}, see v1.2.3 of file.txt", []),
        ("", []),
        ("?!... ;;", []),
    ],
)
def test_a_request_is_cut_at_the_ends_of_sentences(text: str, parts: list[str]):
    assert query_parts(text) == parts


@given(st.text(alphabet="ab.:?\n\t \u2003", max_size=60))
def test_sentences_end_at_white_space_behind_a_sign_and_at_lines(text: str):
    """The pattern that is fast cuts where the one that says so does."""
    ends = re.compile(r"(?<=[.!?;:])\s+|\n+")

    assert _END.split(text) == ends.split(text)


@settings(deadline=None)
@given(st.text(max_size=600))
def test_every_word_stands_in_one_part_and_parts_are_few(text: str):
    parts = query_parts(text)

    assert len(parts) != 1
    assert len(parts) <= PARTS_MAX
    assert not parts or " ".join(parts).split() == text.split()


def test_each_task_of_a_long_request_finds_its_skill(skills: Skills):
    skills.create(fields={"name": "pdf", "description": "merge scanned pdf files"})
    skills.create(fields={"name": "csv", "description": "clean broken csv columns"})
    skills.create(fields={"name": "other", "description": "water the plants on the balcony"})
    chatter = "my colleague and somebody else sent me all of this yesterday evening"

    found = skills.search(f"{chatter}. {PDF}. {chatter}. {CSV}.")

    assert {hit.skill.id for hit in found.hits[:2]} == {"pdf", "csv"}
    assert found.hits[0].why.meaning > skills.search(chatter + PDF + chatter).hits[0].why.meaning


@given(st.text(alphabet="abcEF19 .?!;\n'+#-_/é日本", max_size=200))
@example("Convert the CI/CD logs to C++. " + " ".join(f"word{at}." for at in range(400)))
def test_the_words_of_a_request_are_those_of_its_parts(text: str):
    parts = query_parts(text)

    together = request_words(text, parts)

    alone = [query_words(text), *map(query_words, parts)]
    assert [[word.text for word in words] for words in together] == [
        [word.text for word in words] for words in alone
    ]
    assert [word.text for word in alone[0]] == query_terms(text)


def test_long_words_of_a_request_are_not_remembered():
    before = [known.cache_info().currsize for known in (_known_word, _known_words)]

    texts = [word.text for at in range(10) for word in query_words(f"{at}x" * 500)]

    assert texts == [f"{at}x" * 500 for at in range(10)]
    assert [known.cache_info().currsize for known in (_known_word, _known_words)] == before
