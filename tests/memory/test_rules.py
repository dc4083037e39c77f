"""Every rule of the table by its own examples, and all that must give nothing."""

from __future__ import annotations

import pytest

from openviking.memory.extract import FACTS_MAX, SLOT_CHARS_MAX, extract
from openviking.memory.rules import RULES, Rule

EXAMPLES = [(rule, said, memory) for rule in RULES for said, memory in rule.examples]


@pytest.mark.parametrize(
    ("rule", "said", "memory"), EXAMPLES, ids=[f"{r.name}: {s}" for r, s, _ in EXAMPLES]
)
def test_an_example_of_the_table_is_what_its_rule_finds(rule: Rule, said: str, memory: str):
    found = [fact for fact in extract(said) if fact.rule is rule]
    assert [fact.memory for fact in found] == [memory]
    assert found[0].sentence in said


def test_the_table_is_whole():
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert {rule.category for rule in RULES} == {
        "profile", "preferences", "entities", "events", "cases", "patterns",
    }  # fmt: skip
    for rule in RULES:
        assert rule.examples, rule.name


NOTHING = [
    # questions
    "Do I live in Paris?",
    "What is my name",
    "My name is Olga?",
    "is my dog called Rex",
    "Should I say I work at Acme?",
    "I live in Paris, right?",
    "We use Postgres, don't we?",
    # hypotheticals, wishes, guesses
    "If I lived in Rome I would be happy.",
    "Suppose my name is Bob.",
    "I might move to Berlin.",
    "Maybe I prefer tea.",
    "I wish I lived in Oslo.",
    "Let's say I work at Acme.",
    "Imagine I have a dog called Rex.",
    "Pretend my name is Bob",
    "I would prefer tea",
    "For example, I use vim.",
    "I think we decided to use Mongo.",
    "Unless I live in Paris, no.",
    "Act as if my name is Napoleon.",
    "I guess I like jazz.",
    # quotations and reports
    '"I live in Paris and my name is Bob," he said.',
    "She said: I live in Paris.",
    "> I live in Paris.",
    "> my name is Bob\n> and I use vim",
    "Bob wrote 'I no longer use vim now'.",
    "The letter says my name is Bob.",
    "According to the form I live in Rome.",
    "Translate: I live in Paris.",
    "Sam: I live in Paris.",
    "[12:01] Sam: my name is Sam",
    "On Mon, 3 May, Bob wrote:\nI live in Paris.",
    "“I prefer tea over coffee,” was the first line.",
    "I like the line `my name is slim shady` most of all",
    # negations
    "I don't live in Paris.",
    "My name is not Bob.",
    "I'm not a teacher.",
    "I do not use vim.",
    "I have no dog called Rex.",
    "We haven't decided to use Mongo.",
    "I'm not allergic to nuts.",
    "I never said my name is Bob.",
    "I don't like jazz.",
    # third persons
    "My friend lives in Paris.",
    "He works at Acme.",
    "Her name is Olga.",
    "They use Postgres.",
    "My sister's dog is called Rex.",
    "You live in Paris.",
    "Your name is Bob.",
    "My wife is a teacher.",
    "Bob prefers tea over coffee.",
    "My boss likes jazz.",
    # program text
    "```\nI live in Paris\n```",
    "```python\n# my name is Bob",
    "    I live in Paris.",
    "~~~\nmy name is Bob\n~~~",
    "\tWe use Postgres.",
    "`I live in Paris with two cats`",
    "# I live in Paris",
    "| I live in Paris | yes |",
    # words that only look like it
    "Call me back tomorrow.",
    "call me later",
    "Call me Tuesday?",
    "I'm tired.",
    "I'm German.",
    "Hello, I'm Swedish.",
    "I live for music.",
    "We moved to Kubernetes.",
    "I moved to Linux last year.",
    "I moved to the next step.",
    "I like it.",
    "I love how this works.",
    "I use it daily.",
    "I work at night.",
    "I work for free.",
    "I was at the office every day.",
    "The problem was solved.",
    "The fix is in the main branch.",
    "It turned out fine.",
    "I'll go with the second option.",
    "I need to know the time by noon.",
    "Whenever you are ready, we can go.",
    "Never give up!",
    "My laptop is broken.",
    "My car is German.",
    "I have to be honest on Friday.",
    "I'm from the marketing team.", "Turns out I was wrong.", "Let's go with the blue one.",
    "Remind me what the capital of Peru is.", "I will move to Madrid.", "I used to live in Paris.",
    "I moved the files to Berlin.", "My boss is Carla.", "Hi, I'm new here.", "I chose to stay.",
    "I always wanted to sail.",
    "I joined Discord.",
    "My password is hunter2.",
    "My name is nothing.",
    "I live here.",
    "I live in",
    "My name is",
    "my name is ...",
    "",
    " ",
    "?",
    "\x00",
    "I",
]  # fmt: skip


@pytest.mark.parametrize("said", NOTHING)
def test_nothing_is_learned_from_what_is_not_said_of_oneself(said: str):
    found = [fact for fact in extract(said) if not fact.rule.is_end]
    assert not found, found


def memories(said: str) -> list[str]:
    return [fact.memory for fact in extract(said)]


def slots(said: str) -> list[str]:
    return [f"{fact.rule.category}/{fact.slot}" for fact in extract(said)]


@pytest.mark.parametrize(
    ("said", "memory"),
    [
        ("Please call me Alex from now on.", "The user's name is Alex."),
        ("I love my wife", "The user likes their wife."),
        ("I prefer Python over JavaScript for scripting.",
         "The user prefers Python over JavaScript."),
        ("My flight to Rome is on 12 May", "The user's date: flight to Rome is on 12 May."),
        ("I live in St. Petersburg.", "The user lives in St. Petersburg."),
        ("I'm not from Berlin, I'm from Hamburg", "The user comes from Hamburg."),
        ("Good morning, my name is Olga. What is your name?", "The user's name is Olga."),
        ("I live in Paris (France).", "The user lives in Paris."),
    ],
)  # fmt: skip
def test_values_end_where_they_end(said: str, memory: str):
    assert memories(said) == [memory]


def test_one_message_may_say_several_things():
    said = (
        "Hi! My name is Olga, I live in Paris and I work at Acme Robotics. I love hiking; we use "
        "Postgres for everything.\nRemind me to renew my passport."
    )
    assert memories(said) == [
        "The user's name is Olga.",
        "The user lives in Paris.",
        "The user works at Acme Robotics.",
        "The user likes hiking.",
        "The user uses Postgres.",
        "Open task: renew my passport.",
    ]


def test_the_later_of_two_statements_for_one_slot_stands():
    assert memories("I live in Paris. No, sorry, I live in Berlin now.") == [
        "The user lives in Berlin."
    ]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("I live in Paris.", "I moved to Berlin."),
        ("My name is Samuel.", "Actually, call me Sam."),
        ("I use vim.", "I no longer use vim."),
        ("I use Vim.", "I switched from vim to Helix."),
        ("I love dark chocolate", "I can't stand dark chocolate"),
        ("I prefer tea over coffee.", "I prefer the coffee to tea."),
        ("Let's go with SQLite.", "We decided against SQLite."),
        ("We decided to move the office.", "We decided not to move the office."),
        ("TODO: rotate the keys", "I've finished rotate the keys"),
        ("Our project is called Alpha.", "our project is named Beta"),
        ("My favourite colour is teal.", "my favourite colour is red"),
    ],
)
def test_what_contradicts_shares_a_slot(one: str, other: str):
    assert set(slots(one)) & set(slots(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("My dog is called Rex.", "My dog is called Bello."),
        ("I speak Polish.", "I speak Dutch."),
        ("I love tea.", "I love coffee."),
        ("I use vim.", "I use tmux."),
    ],
)
def test_what_can_both_be_true_does_not(one: str, other: str):
    assert not set(slots(one)) & set(slots(other))


def test_what_stands_beside_quotations_and_program_text_counts():
    said = 'I live in Oslo.\n```\nmy name is Bob\n```\nThey sing "my name is slim shady again".'
    assert memories(said) == ["The user lives in Oslo."]


@pytest.mark.parametrize(
    "document",
    ["# Guide\n\n{}", "---\nname: x\n---\n{}", "**Note:** read this\n{}", "{}" + " word" * 400],
)
def test_what_a_pasted_document_demands_is_nobodys_wish(document: str):
    said = "Always use HTTPS for callbacks.\nProblem: the proxy drops headers.\nTask: rename it."
    assert extract(document.format(said)) == []
    assert memories(document.format("My name is Olga.")) == ["The user's name is Olga."]


def test_lists_wrapped_lines_and_odd_apostrophes():
    assert memories("- I\u2019m called Bo\n- [ ] TODO: buy milk") == [
        "The user's name is Bo.", "Open task: buy milk.",
    ]  # fmt: skip
    assert memories("We decided to use\npostgres for billing.") == [
        "Decided: use postgres for billing."
    ]


def test_a_long_slot_is_cut_and_still_its_own():
    one, other = (slots(f"We decided to {'very ' * 16}carefully {end}.")[0] for end in "ab")
    assert one != other
    assert len(one.partition("/")[2]) <= SLOT_CHARS_MAX


def test_a_pasted_megabyte_costs_little_and_teaches_little():
    assert len(extract("I like tea number x. " * 50_000)) <= FACTS_MAX
    assert len(extract("\n".join(f"I use tool{n}." for n in range(1000)))) <= FACTS_MAX
    assert extract("my name is " * 100_000) == []
    assert extract("every " * 20_000) == []
    assert extract("`" * 100_000 + '"' * 100_000 + "i " * 100_000) == []
