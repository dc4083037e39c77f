"""A message as the clauses in which a person may say something of themselves, and nothing else.

What is quoted, asked, supposed, reported or program text is taken out here, before any rule looks:
a rule never has to know that "what if I moved to Rome?" is none of its business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CHARS_MAX = 10_000
"""Characters of a message that are read; who tells more than that has pasted something."""

CLAUSE_CHARS_MAX = 400
"""A longer sentence is prose that was pasted, or has lost its full stops."""

_FENCE = re.compile(r"^[ \t]*(```+|~~~+).*?(?:^[ \t]*\1[^\n]*$|\Z)", re.MULTILINE | re.DOTALL)
_MAIL = re.compile(
    r"^(?:on .{5,100} wrote:|-{3,} ?(?:original|forwarded) message).*",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
# Indented program text, quotations, headings, tables, markup.
_FOREIGN_LINE = re.compile(r"(?: {4}|\t|\s{0,3}[>#|<])")
# `Sam: I live in Paris` is a line of somebody's transcript; these words head what one says oneself.
_TRANSCRIPT = re.compile(
    r"(?!\s*(?:to-?do|task|reminder|note|fyi|ps|p\.s\.|btw|update|correction|decision|decided|"
    r"important|remember|fix|solution|problem|cause|lesson|done|by the way|edit|also|"
    r"one more thing)\s*:)"
    r"\s*[\w][\w .'()\[\]@#-]{0,40}:\s",
    re.IGNORECASE,
)
_EMPHASIS = re.compile(r"\*{1,3}(?=\S)|(?<=\S)\*{1,3}|(?<!\w)__|__(?!\w)")
_BULLET = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+(?:\[[ x]\]\s+)?")
_QUOTED = re.compile(
    r"\"[^\"\n]*\"|“[^“”\n]*”|«[^«»\n]*»|„[^„“”\n]*[“”]|`+[^`\n]*`+|(?<!\w)'[^'\n]*'(?!\w)"
)
_REST_OF_QUOTE = re.compile(r"[\"“”«»„`]")
_MARK = "\x00"

_ABBREVIATION = re.compile(
    r"\b(?:e\.g|i\.e|etc|dr|mr|mrs|ms|st|vs|approx|no|a\.m|p\.m|[a-z])\.$", re.IGNORECASE
)
_END = re.compile(r"(?<=[.!?…])[\"')\]]*\s+")
_CONTINUES = re.compile(r"(?!(?:i|i'm|i've|my|we|we've|our)\b)[a-zà-ÿ]")

_ASKS = re.compile(
    r"(?:do|does|did|is|are|am|was|were|can|could|will|would|should|shall|may|has|have you|"
    r"what|what's|who|whose|where|when|why|how|which)\b",
    re.IGNORECASE,
)
_SUPPOSES = re.compile(
    r"\b(?:if|unless|suppose|supposing|imagine|imagining|pretend|pretending|assume|assuming|"
    r"let's say|say that|hypothetically|in theory|as if|would|wouldn't|could|might|maybe|perhaps|"
    r"probably|possibly|wish|hoping|hope|wonder|wondering|dream|dreamt|dreamed|for example|"
    r"for instance|e\.g|example|act as|role-?play|story|novel|character|poem|lyrics|song|joke|"
    r"joking|just kidding|guess|not sure|i think|i doubt|supposedly|allegedly|translate|"
    r"rephrase|proofread|write an?|sentence)\b",
    re.IGNORECASE,
)
_REPORTS = re.compile(
    r"\b(?:said|says|saying|wrote|writes|replied|answered|asked|tells|quote|quoting|quoted|"
    r"according to|claims?|claimed|sang|sings)\b",
    re.IGNORECASE,
)
_LEAD_IN = re.compile(
    r"(?:(?:hi|hello|hey|hi there|ok|okay|well|so|also|and|but|oh|ah|actually|by the way|btw|fyi|"
    r"anyway|please|(?:please )?(?:note|remember|keep in mind|don't forget)(?: that|:)|"
    r"just so you know|for the record|for context|to be clear|correction|update|sorry|no|nope|yes|"
    r"yeah|yep|right|now|as of now|as of today|currently|these days|as you know|in fact|"
    r"you should know(?: that)?|one more thing|important|p\.?s\.?|note|edit|good news|bad news|"
    r"thanks|thank you)(?:[\s,:;.!—\u2013-]+|$))+",
    re.IGNORECASE,
)
_CLAUSE = re.compile(
    r"\s*[,;—\u2013]?\s*\b(?:and|but|so|then|though)\b,?\s+(?=(?:i|i'm|i've|i'd|my|we|we've|we're|our|"
    r"please|call me|remind me)\b)|\s*;\s*|\s+[—\u2013-]\s+|"
    r",\s+(?=(?:i|i'm|i've|my|we|we've|we're|our|call me|please|remind me)\b)",
    re.IGNORECASE,
)
# A habit is told with its occasion.
_ONE_CLAUSE = re.compile(r"\s*(?:whenever|every|each|on \w+days)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Clause:
    """A statement: ``text`` without the ``lead`` before it, and the ``sentence`` it stands in."""

    text: str
    lead: str
    sentence: str


def clauses(message: str) -> Iterator[Clause]:
    """Yield the statements of *message* that rules may look at, in order."""
    for sentence in _sentences(_own_words(message[:CHARS_MAX])):
        if not _is_statement(sentence):
            continue
        parts = [sentence] if _ONE_CLAUSE.match(sentence) else _CLAUSE.split(sentence)
        before = ""
        for part in parts:
            found = _LEAD_IN.match(part)
            lead = found[0] if found else ""
            text = part[len(lead) :].strip(" \t.!…,;:-")
            if text and not _ASKS.match(text):
                yield Clause(text, before + lead, sentence.strip())
            # "Hi, I'm Priya": a greeting may be a clause of its own.
            before = lead if not text else ""


def _own_words(message: str) -> str:
    text = message.replace("\r\n", "\n").replace("\u2019", "'").replace("\u00a0", " ")
    text = _MAIL.sub("", _FENCE.sub("\n\n", text.replace(_MARK, " ")))
    text = _EMPHASIS.sub("", text)
    lines: list[str] = []
    for line in text.split("\n"):
        if _FOREIGN_LINE.match(line) or _TRANSCRIPT.match(line):
            lines.append("")
            continue
        bare = _BULLET.sub("", line, count=1).strip()
        # A line that goes on in the next one is one sentence, but not a list's next item.
        if lines and lines[-1] and bare == line.strip() and _goes_on(lines[-1], bare):
            lines[-1] += f" {bare}"
        else:
            lines.append(bare)
    return "\n".join(_QUOTED.sub(_unquoted, line) for line in lines)


def _goes_on(before: str, line: str) -> bool:
    return before[-1] not in ".!?…:;" and _CONTINUES.match(line) is not None


def _unquoted(found: re.Match[str]) -> str:
    """Return a short quotation, a name or a title, without its marks; a long one as a mark."""
    inner = found[0].strip("\"“”«»„`'")
    return inner if len(inner.split()) <= 3 and inner.strip() else _MARK


def _sentences(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        start = 0
        for end in _END.finditer(line):
            if not _ABBREVIATION.search(line[start : end.start()]):
                yield line[start : end.start()]
                start = end.end()
        yield line[start:]


def _is_statement(sentence: str) -> bool:
    text = sentence.strip()
    return not (
        len(text) < 4
        or len(text) > CLAUSE_CHARS_MAX
        or text.rstrip("\"')] !").endswith("?")
        or _MARK in text
        or _REST_OF_QUOTE.search(text)
        or _ASKS.match(text)
        or _SUPPOSES.search(text)
        or _REPORTS.search(text)
    )
