"""Text to stems, by the same tokenizer that indexes messages; no database is involved."""

from __future__ import annotations

import re
import threading
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, cast

import apsw

from openviking.store.words import (
    QUERY_CHARS_MAX,
    QUERY_TERMS_MAX,
    identifier_forms,
    query_terms,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Skill

STEMS_VERSION = 1
"""Counts up when the same skill would get other stems or weights; stored ones are made anew."""

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


@lru_cache(maxsize=8192)
def _stem(term: str) -> str | None:
    """Return the stem of one word of a query; remembered, for queries share their words."""
    found = stems(term)
    return found[0] if found else None


def query_stems(query: str) -> dict[str, str]:
    """Map each word of *query* to its stem."""
    return {term: stem for term in query_terms(query) if (stem := _stem(term)) is not None}


def request_stems(query: str, parts: Sequence[str]) -> list[dict[str, str]]:
    """Return :func:`query_stems` of a query and of each of its parts, which together are all of it.

    Its words are theirs, and looked for once.
    """
    of_parts = [query_stems(part) for part in parts]
    if not parts or not query.isascii() or len(query) > QUERY_CHARS_MAX:
        # Of scripts without spaces, pairs of characters follow behind all words of a text.
        return [query_stems(query), *of_parts]
    whole: dict[str, str] = {}
    for stems_of_part in of_parts:
        whole.update(stems_of_part)
    return [dict(islice(whole.items(), QUERY_TERMS_MAX)), *of_parts]
