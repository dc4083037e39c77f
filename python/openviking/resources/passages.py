"""What of a resource is embedded, and what of it is quoted."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.retrieval.passages import Piece, cut_text
from openviking.store.resources import title_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from openviking.types import Resource, TextEncoder

PASSAGES_VERSION = 1
"""Counts up when the same resource would be cut differently: stored vectors are then made anew."""

PIECES_MAX = 256
"""Pieces of one resource that get a vector: some 200 kB of prose; its words are found all the
same. A piece takes about 45 ms of two cores."""

CHARS_MAX = 400_000
"""Characters of a content that are looked at for pieces."""

QUOTE_CHARS_MAX = 600
"""Characters of a passage that was found by its words alone."""


def pieces_of(resource: Resource, encoder: TextEncoder) -> tuple[list[str], NDArray[Any]]:
    """Return the texts to embed and their places in the content, (n, 2) int32; maybe none."""
    title = title_of(resource.target_uri, resource.metadata, resource.content)
    content = resource.content[:CHARS_MAX]
    pieces = cut_text(content, title, encoder, count_max=PIECES_MAX)
    if not pieces:
        # Headings alone, or nothing but the title.
        text = f"{title}\n{content.strip()}".strip()[:QUOTE_CHARS_MAX]
        pieces = [Piece(text, 0, len(content))] if text else []
    spans = np.array([(piece.start, piece.end) for piece in pieces], dtype=np.int32)
    return [piece.text for piece in pieces], spans.reshape(len(pieces), 2)


def quote(content: str, terms: Sequence[str]) -> tuple[int, int]:
    """Return where the paragraph stands that holds the first of *terms*, else the beginning.

    At most ``QUOTE_CHARS_MAX`` characters, white space at both ends left out.
    """
    place = 0
    if terms:
        found = re.search("|".join(map(re.escape, terms)), content, re.IGNORECASE)
        place = found.start() if found else 0
    start = max(content.rfind("\n\n", 0, place) + 1, place - QUOTE_CHARS_MAX // 2, 0)
    end = content.find("\n\n", place)
    end = min(len(content) if end < 0 else end, start + QUOTE_CHARS_MAX)
    return trimmed(content, start, end)


def trimmed(content: str, start: int, end: int) -> tuple[int, int]:
    """Return the place without white space at both ends."""
    text = content[start:end]
    left = len(text) - len(text.lstrip())
    return start + left, start + max(left, len(text.rstrip()))
