"""Text to stems, by the same tokenizer that indexes messages; no database is involved."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, cast

import apsw

from openviking.store.bags import word_hash
from openviking.store.words import (
    FUNCTION_WORDS,
    QUERY_CHARS_MAX,
    QUERY_TERMS_MAX,
    identifier_forms,
    query_terms,
    token_terms,
)
from openviking.vectors.postings import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Skill

STEMS_VERSION = 1
"""Counts up when the same skill would get other stems or weights; stored ones are made anew."""

_KNOWN_MAX = 8192
"""Words that are remembered, for queries share them: some 5 MB."""

_KNOWN_CHARS_MAX = 64
"""Longer ones are not remembered: nobody else asks for them, and they would fill the memory."""

# A tokenizer belongs to a connection, and a connection is used by one thread at a time.
_own = threading.local()


def _tokenizer() -> apsw.FTS5Tokenizer:
    found: apsw.FTS5Tokenizer | None = getattr(_own, "tokenizer", None)
    if found is None:
        _own.connection = apsw.Connection(":memory:")
        found = _own.connection.fts5_tokenizer("porter", ["unicode61", "remove_diacritics", "2"])
        _own.tokenizer = found
    return found


def stems(text: str) -> list[str]:
    """Return the stems of *text* in order: case, accents and endings are gone."""
    found = _tokenizer()(
        text.encode("utf-8", "replace"),
        apsw.FTS5_TOKENIZE_DOCUMENT,
        None,
        include_offsets=False,
        include_colocated=False,
    )
    return cast("list[str]", found)


def skill_stems(skill: Skill) -> list[list[str]]:
    """Return the stems of a skill, field by field in the order of ``bags.FIELDS``."""
    # An id usually repeats the name, or does so with an addition that only tells it from others;
    # where it does not, its words count as words of the name.
    repeats = skill.id.startswith(re.sub(r"[^a-z0-9]+", "-", skill.name.lower()).strip("-") or " ")
    name = skill.name if repeats else f"{skill.name} {skill.id}"
    fields = (
        name,
        skill.description,
        f"{skill.category} {skill.subcategory}",
        "\n".join(skill.examples),
        skill.body,
    )
    return [stems(f"{field}\n{identifier_forms(field)}") for field in fields]


def _new_word(term: str) -> Word | None:
    """Return a term of a query as a word, if it has a stem."""
    found = stems(term)
    if not found:
        return None
    return Word(term, found[0], word_hash(found[0]), is_content=term not in FUNCTION_WORDS)


def _new_words(token: str) -> tuple[Word, ...]:
    """Return the words of what stands between white space."""
    terms = token_terms(token)
    return tuple([word for term in terms if (word := _word(term)) is not None])


_known_word = lru_cache(maxsize=_KNOWN_MAX)(_new_word)
_known_words = lru_cache(maxsize=_KNOWN_MAX)(_new_words)


def _word(term: str) -> Word | None:
    return (_known_word if len(term) <= _KNOWN_CHARS_MAX else _new_word)(term)


def query_words(query: str) -> list[Word]:
    """Return the distinct words of *query* that have a stem, in order."""
    if query.isascii():
        # What query_terms says of such a text, token by token.
        words: dict[Word, None] = {}
        for token in query[:QUERY_CHARS_MAX].split():
            is_short = len(token) <= _KNOWN_CHARS_MAX
            for found in (_known_words if is_short else _new_words)(token):
                words[found] = None
        return list(words)[:QUERY_TERMS_MAX]
    return [word for term in query_terms(query) if (word := _word(term)) is not None]


def request_words(query: str, parts: Sequence[str]) -> list[list[Word]]:
    """Return :func:`query_words` of a query and of each of its parts, which together are all of it.

    Its words are theirs, and looked for once.
    """
    of_parts = [query_words(part) for part in parts]
    if not parts or not query.isascii() or len(query) > QUERY_CHARS_MAX:
        # Of scripts without spaces, pairs of characters follow behind all words of a text.
        return [query_words(query), *of_parts]
    whole = dict.fromkeys(chain.from_iterable(of_parts))
    return [list(whole)[:QUERY_TERMS_MAX], *of_parts]
