"""From a message to what is learned from it: every rule on every clause, values made clean."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.memory.rules import RULES, Rule
from openviking.memory.sentences import clauses

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openviking.memory.sentences import Clause

FACTS_MAX = 50
"""Facts of one message; one with more is a list that was pasted."""

SLOT_CHARS_MAX = 60
"""Characters of a slot; a longer one ends in a digest of itself."""

SHORT_WORDS_MAX = 8
"""Words of a value that is a name, a place or a thing; more is a story."""

SPOKEN_CHARS_MAX = 1500
"""Characters beyond which a message is taken for a document that was pasted."""

_SPOKEN = tuple(rule for rule in RULES if not rule.is_bare)
_DOCUMENT = re.compile(r"^\s{0,3}#{1,6} |\A---$|^\*\*[^*\n]{2,40}:\*\*", re.MULTILINE)

# Most messages begin no clause in these ways, and cost one search.
_MAY_TELL = re.compile(
    r"\b(?:i|my|me|we|our|let\W?s|always|never|every|each|turns out|"
    r"turned out|the \w+ (?:was|turned)|the lesson|what (?:helped|worked)|whenever|to-?do|task|"
    r"reminder|decision|decided|cause|fix|solution|problem|lesson|done|on \w+days)\b",
    re.IGNORECASE,
)
_VALUE_GROUPS = ("v", "w", "x", "y")
_STOPS = re.compile(
    r"\s+(?:from now on|from today|going forward|because|since|"
    r"but|which|where|who|when|while|although|though|so|until|after|before|for|"
    r"with|as|these days|now|currently|at the moment|last|this|right now|too|as well|again|"
    r"nowadays|instead|any ?more|already|by the way|btw|please|and|or)\b.*",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"\b(?:my|our)\b", re.IGNORECASE)
_TAIL = re.compile(
    r"\s+(?:please|now|too|as well|by the way|btw|again|though|anyway)$", re.IGNORECASE
)
_NO_VALUE = re.compile(
    r"(?:not|no|never|none|nothing|nobody|nowhere|it|that|this|these|those|them|him|her|you|us|"
    r"something|anything|everything|someone|anyone|here|there|one|myself|yourself|irrelevant|"
    r"secret|home|night|free|fun|scale|back|later|tomorrow|today|tonight|asap|anytime|crazy|old|"
    r"by|before|once|maybe|up|out|a bit|a little|a lot|now)\b",
    re.IGNORECASE,
)
_NO_CLAUSE = re.compile(r"(?:not|nothing|it|that|this|those|them)\b(?! \w+ \w+ \w)", re.IGNORECASE)
_ARTICLE = re.compile(r"^(?:an?|the|my|our|their|some)\s+", re.IGNORECASE)
_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Fact:
    """What one clause says.

    Attributes:
        rule: the rule that found it.
        slot: names it within its category.
        memory: what is remembered.
        value: what the clause names, empty if nothing.
        sentence: the sentence in which it was said.
    """

    rule: Rule
    slot: str
    memory: str
    value: str
    sentence: str


def extract(message: str) -> list[Fact]:
    """Return what *message*, said by a person of themselves, tells; in order, one per slot.

    Of two statements for one slot the later one stands.
    """
    if not _MAY_TELL.search(message):
        return []
    found: dict[tuple[str, str], Fact] = {}
    rules = _SPOKEN if _DOCUMENT.search(message) or len(message) > SPOKEN_CHARS_MAX else RULES
    for clause in clauses(message):
        for fact in _facts(clause, rules):
            key = (fact.rule.category, fact.slot)
            found.pop(key, None)
            found[key] = fact
            if len(found) >= FACTS_MAX:
                return list(found.values())
    return list(found.values())


def _facts(clause: Clause, rules: Sequence[Rule]) -> Iterator[Fact]:
    for rule in rules:
        match = rule.pattern.fullmatch(clause.text)
        if match is None or (rule.lead is not None and not rule.lead.search(clause.lead)):
            continue
        values = _values(match, rule)
        if values is not None:
            slot = _slot(_filled(rule.slot, values))
            if slot:
                memory = _filled(rule.memory, values)
                yield Fact(rule, slot, memory, values.get("v", ""), clause.sentence)


def _values(match: re.Match[str], rule: Rule) -> dict[str, str] | None:
    """Return what fills the templates of *rule*; None if a value says nothing."""
    groups = match.groupdict()
    values = {"what": (groups.get("what") or groups.get("what2") or "").lower()}
    raw = next((groups[name] for name in _VALUE_GROUPS if groups.get(name)), None)
    if raw is not None:
        value = _clean(raw, is_long=rule.is_long)
        if value is None:
            return None
        values["v"] = value
        values["an"] = "an" if value[0].lower() in "aeiou" else "a"
    values["other"] = _clean(groups.get("other") or "", is_long=False) or ""
    sides = [_ARTICLE.sub("", side) for side in (values.get("v", ""), values["other"]) if side]
    values["pair"] = " or ".join(sorted(sides, key=str.casefold))
    return values


def _clean(raw: str, *, is_long: bool) -> str | None:
    value = " ".join(raw.split())
    if not is_long:
        value = _POSSESSIVE.sub("their", _STOPS.sub("", value))
    value = _TAIL.sub("", value).strip(" .!…,;:-'")
    empty = _NO_CLAUSE if is_long else _NO_VALUE
    if not re.search(r"\w", value) or empty.match(value):
        return None
    if not is_long and len(value.split()) > SHORT_WORDS_MAX:
        return None
    return value


def _filled(template: str, values: dict[str, str]) -> str:
    kept = _OPTIONAL.sub(lambda part: part[1] if _has_all(part[1], values) else "", template)
    return _FIELD.sub(lambda field: values[field[1]], kept)


def _has_all(template: str, values: dict[str, str]) -> bool:
    return all(values[field[1]] for field in _FIELD.finditer(template))


def _slot(text: str) -> str:
    """Return *text* as words with hyphens, articles left out, of bounded length."""
    head, _, value = text.partition("-")
    words = re.findall(r"\w+", f"{head} {_ARTICLE.sub('', value)}".casefold())
    slot = "-".join(words)
    if len(slot) <= SLOT_CHARS_MAX:
        return slot
    digest = hashlib.blake2b(slot.encode(), digest_size=4).hexdigest()
    return f"{slot[: SLOT_CHARS_MAX - 9].rstrip('-')}-{digest}"
