"""What a rule is, and the words that several rules share.

A rule's pattern must match a whole clause (see sentences.py) from its first word, so that "my
friend lives in Rome" cannot match "I live in Rome". What it captures fills two templates: the
*slot*, which names the memory (a second statement for the same slot supersedes the first), and the
memory itself; ``{v}`` is the value, ``{an}`` its article, ``{pair}`` both sides of a comparison,
and what stands in brackets is left out where it has nothing to say. A rule that *ends* something
says nothing on its own: it counts only if the slot holds a memory. Every rule has examples, and
every example is a test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

Category: TypeAlias = Literal[
    "profile", "preferences", "entities", "events", "cases", "patterns"
]  # fmt: skip
"""What a memory is about."""

Kind: TypeAlias = Literal["fact", "preference", "decision", "task"]
"""What a memory is: a task is open until it is ended."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the table.

    Attributes:
        name: unique.
        category: where its memories stand.
        pattern: matches a whole clause; its groups fill the templates.
        slot: names the memory; captured text is turned into words with hyphens.
        memory: what is remembered, in English; captured text stands as it was said.
        examples: (message, memory) pairs.
        kind: what it is.
        is_end: whether it ends what the slot holds.
        is_long: whether the captured text is kept to the clause's end; else it stops before words
            such as "because" or "for".
        is_bare: whether it can match without "I", "my" or "we", as "Always use HTTPS" does; such
            a rule is not tried on what looks like a document.
        lead: what must stand before the clause, such as a greeting.
    """

    name: str
    category: Category
    pattern: re.Pattern[str]
    slot: str
    memory: str
    examples: tuple[tuple[str, str], ...]
    kind: Kind = "fact"
    is_end: bool = False
    is_long: bool = False
    is_bare: bool = False
    lead: re.Pattern[str] | None = None


AM = r"(?:i am|i'm)"
"""How one speaks of oneself."""

WE = r"(?:i|we)"
"""Who decides."""

VAGUE = (
    r"(?:to|it|its|this|that|these|those|them|him|her|you|your|yours|how|what|where|when|who|why|if|"
    r"not|the way|the idea|being able|both|either|neither|each other|a lot)\b"
)
"""What a value must not begin with: it points to something that is not said here."""

DAY = (
    "monday|tuesday|wednesday|thursday|friday|saturday|sunday|weekday|weekend|morning|evening|"
    "night|day|week|month|year|spring|summer|autumn|winter"
)
"""Times that come again."""

PAST = (
    r"(?:\w+ed|was|were|had|did|been|went|knew|thought|felt|got|get|said|came|saw|made|took|spent|"
    r"could|can|don't|never|like|love|want|need|am|hate|prefer|use|find|feel|forget)\b"
)
"""Not what somebody does, but did once, was, or only feels."""


def pattern(text: str) -> re.Pattern[str]:
    """Compile a clause; ``<v>``, or another name in angle brackets, captures some words."""
    named = re.sub(r"(?<!\?P)<(\w+)>", r"(?P<\1>[^,;:()]{1,120}?)", text)
    tail = r"(?:[,;:(].*)?"
    return re.compile(f"(?:{named}){tail}", re.IGNORECASE)
