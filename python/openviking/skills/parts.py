"""The parts of a request: a task of several sentences is looked for as a whole and part by part.

One vector of a long text is the mean of all that it asks for, and near to nothing of it.
"""

from __future__ import annotations

import re

PART_WORDS_MIN = 5
"""A shorter sentence joins the one before it: alone it says too little about a task."""

PARTS_MAX = 4
"""Parts of a request; of more sentences, the shortest neighbours are joined. With the
whole these are the texts whose words are summed side by side: five, TEXTS_MAX of the Rust core."""

# White space behind the end of a sentence, or a line's end. Begins with what it must consist of, so
# that only white space is looked at closely.
_END = re.compile(r"\s(?:(?<=[.!?;:]\s)\s*|(?<=\n)\n*)")


def query_parts(text: str) -> list[str]:
    """Return the parts of a request in order, at most ``PARTS_MAX``; none if it is of one piece.

    The same text gives the same parts, and every word of it stands in one of them.
    """
    if len(text.split()) < 2 * PART_WORDS_MIN:
        # As most requests are: too short for two parts.
        return []
    parts: list[str] = []
    for sentence in filter(None, (piece.strip() for piece in _END.split(text))):
        if parts and len(parts[-1].split()) < PART_WORDS_MIN:
            parts[-1] += f" {sentence}"
        else:
            parts.append(sentence)
    if len(parts) > 1 and len(parts[-1].split()) < PART_WORDS_MIN:
        last = parts.pop()
        parts[-1] += f" {last}"
    while len(parts) > PARTS_MAX:
        at = min(range(len(parts) - 1), key=lambda at: len(parts[at]) + len(parts[at + 1]))
        parts[at : at + 2] = [f"{parts[at]} {parts[at + 1]}"]
    return parts if len(parts) > 1 else []
