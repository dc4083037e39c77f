"""Words for lexical search: what an index must hold beside plain words so that identifiers match.

A full-text tokenizer cuts at every sign, so ``C++`` becomes ``c`` and ``CI/CD`` two words, and it
keeps ``getUserName`` as one. Both sides, text and query, therefore add the same *forms*: an
identifier written together (``cplusplus``, ``cicd``, ``nodejs``), the parts of a mixed-case name
(``get user name``), and pairs of neighbouring characters for scripts that do not space their words.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

QUERY_CHARS_MAX = 4_000
"""Characters of a query that are read; a question is far shorter, a pasted file need not fit."""

QUERY_TERMS_MAX = 256
"""Distinct terms of a query that are looked up."""

FUNCTION_WORDS = frozenset(
    """a about after again all also am an and any anyone anything are as at be been before being
    but by can could did do does doing done for from get getting give going got had has have
    having he hello help her here hers hey hi him his how i if in into is it its just know let like
    made may me might mine more most must my need needs no not now of off ok okay
    on one or other our out over own please put really s she should so some someone something still
    such sure t tell than thank thanks that the their them then there these they thing things this
    those to too try trying up us use used using very want wants was way we well were what when
    where which while who whom why will with without would yes you your yours""".split()  # noqa: SIM905 - a list literal would be 200 lines
)
"""English words of grammar, courtesy and asking: in a question they say nothing about the task."""

_JOINED_CHARS_MAX = 24
"""Longest identifier that is also indexed written together: beyond it are paths and addresses."""

# Letters and digits with signs between or behind them, or a leading dot as in `.net`.
_IDENTIFIER = re.compile(r"\.?[^\W_]+(?:[+#]+|[-._/&+#]+[^\W_]+)*[+#]*")
_HUMP = re.compile(r"[^\W\d_A-Z][A-Z]|[A-Z]{2}[a-z]{2}")
_HUMP_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[^\W\d_A-Z]+|\d+")
_PIECE = re.compile(r"[^\W_]+")
# Kana, Han, Hangul, Thai, Lao, Khmer, Burmese: written without spaces, or inflected by suffixes.
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
    "\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_STOPS = ".,;:!?)\"'"
"""Signs with which no identifier ends."""

_SIGNS = str.maketrans({"+": "plus", "#": "sharp", "-": "", "_": "", ".": "", "/": "", "&": ""})


def identifier_forms(text: str) -> str:
    """Return the forms to index behind *text*, separated by spaces; empty if it has none."""
    forms: list[str] = []
    for found in _IDENTIFIER.findall(text):
        if not found.islower() or not found.isalpha():
            forms.extend(_forms(found))
    if not text.isascii():
        forms.extend(_pairs(text))
    return " ".join(forms)


def query_terms(query: str) -> list[str]:
    """Return the distinct words and identifier forms of *query*, in order, lower case, bounded.

    Letters, digits and nothing else stand in a term: it can be quoted safely for any index.
    """
    text = query[:QUERY_CHARS_MAX]
    terms: dict[str, None] = {}
    for token in text.split():
        terms.update(dict.fromkeys(token_terms(token)))
    if not text.isascii():
        terms.update(dict.fromkeys(_pairs(text)))
    return list(terms)[:QUERY_TERMS_MAX]


def token_terms(token: str) -> list[str]:
    """Return the terms of what stands between white space, as they come; any may come twice."""
    terms: list[str] = []
    word = token.rstrip(_STOPS)
    for found in (word,) if word.isalnum() else _IDENTIFIER.findall(token):
        if found.isalnum() and (found[1:].islower() or not _HUMP.search(found)):
            # A plain word, as most are: of one piece, and without other forms.
            terms.append(found.lower())
            continue
        forms = list(_forms(found))
        # `c` says nothing about `c++`, nor `r` and `d` about `R&D`: the joined form does.
        pieces = [word for word in _PIECE.findall(found) if len(word) > 1 or not forms]
        terms += [word.lower() for word in pieces + forms]
    return terms


def _forms(identifier: str) -> Iterator[str]:
    joined = identifier.translate(_SIGNS)
    if identifier.startswith("."):
        # `.net` is said "dotnet"; at the start of a sentence's rest, `.the` stays a plain word.
        joined = "dot" + joined if len(joined) <= 4 else joined
    if joined != identifier and len(joined) <= _JOINED_CHARS_MAX:
        yield joined.lower()
    for piece in _PIECE.findall(identifier):
        if _HUMP.search(piece):
            yield from (part.lower() for part in _HUMP_PARTS.findall(piece) if len(part) > 1)


def _pairs(text: str) -> Iterator[str]:
    for run in _UNSPACED.findall(text):
        if len(run) == 1:
            yield run
        yield from (run[at : at + 2] for at in range(len(run) - 1))
