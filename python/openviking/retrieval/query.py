"""The text of a question, made safe and bounded before anything looks at it."""

from __future__ import annotations

from openviking.errors import InputError, LimitError

QUERY_CHARS_MAX = 4000
"""Characters of a query that are used: more than the encoder's window holds."""

QUERY_CHARS_REFUSED = 1 << 20
"""A longer query is an error."""

HITS_MAX = 1000
"""Hits that one search returns at most."""


def clean_query(query: object) -> tuple[str, bool]:
    """Return the usable beginning of *query* and whether something was cut.

    Raises:
        InputError: the query is no text, or holds nothing but white space.
        LimitError: it has more than ``QUERY_CHARS_REFUSED`` characters.
    """
    if not isinstance(query, str):
        raise InputError(f"query: expected text, got {type(query).__name__}", loc=("query",))
    if len(query) > QUERY_CHARS_REFUSED:
        raise LimitError(
            f"query: expected at most {QUERY_CHARS_REFUSED} characters, got {len(query)}",
            loc=("query",),
        )
    # A lone surrogate has no UTF-8 form: neither the tokenizer nor the store could take it.
    text = query.encode("utf-8", "replace").decode("utf-8").replace("\0", " ").strip()
    if not text:
        raise InputError("query: expected a question, got nothing", loc=("query",))
    return text[:QUERY_CHARS_MAX].rstrip(), len(text) > QUERY_CHARS_MAX


def check_k(k: object) -> int:
    """Return *k* if it is a possible number of hits."""
    if not isinstance(k, int) or isinstance(k, bool) or k < 1:
        raise InputError(
            f"expected a whole number of results, at least 1, got {k!r}", loc=("max_results",)
        )
    if k > HITS_MAX:
        raise LimitError(f"expected at most {HITS_MAX} results, got {k}", loc=("max_results",))
    return k
