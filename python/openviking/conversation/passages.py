"""What of a message is embedded and indexed: its words, who said them, when, and after what.

A turn by itself often says little ("yes, on Tuesday"); together with the two turns before it, the
speaker and the date it can be found by what it is about. A window always *ends* with its message,
so a stored window never changes when the conversation goes on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime

    from openviking.types import Message

NEIGHBOURS = 2
"""Turns before a message that are embedded with it."""

NEIGHBOUR_CHARS_MAX = 400
"""Characters of a neighbour that are embedded; its end, which the message answers, counts most."""

PIECE_CHARS = 1400
"""Characters of one embedded piece: about the 384 tokens that the encoder reads."""

PIECES_MAX = 32
"""Pieces of one message that get a vector; what lies behind is found by its words."""

_SPEAKER_KEYS = ("name", "speaker", "author")


def speaker(role: str, metadata: Mapping[str, Any]) -> str:
    """Return the name in the metadata of who speaks, else the role."""
    for key in _SPEAKER_KEYS:
        name = metadata.get(key)
        if isinstance(name, str) and name.strip():
            return name.strip()[:100]
    return role


def about(role: str, metadata: Mapping[str, Any], moment: datetime) -> str:
    """Return words that find a message beside its own: the speaker, the day written out."""
    return f"{speaker(role, metadata)} {_written_out(moment.date())}"


@lru_cache(maxsize=64)
def _written_out(day: date) -> str:
    return f"{day:%d %B %Y %A}"


def pieces(group: Sequence[Message]) -> list[str]:
    """Return the texts to embed for the last message of *group*, at least one.

    Args:
        group: up to NEIGHBOURS earlier messages, then the message itself.
    """
    *before, message = group
    content = message.content.strip()
    first, rest = content[:PIECE_CHARS], content[PIECE_CHARS:]
    lines = [_line(one, one.content.strip()[-NEIGHBOUR_CHARS_MAX:]) for one in before]
    texts = ["\n".join([_date(message), *lines, _line(message, first)])]
    for start in range(0, min(len(rest), PIECE_CHARS * (PIECES_MAX - 1)), PIECE_CHARS):
        piece = rest[start : start + PIECE_CHARS].strip()
        if piece:
            texts.append(f"{_date(message)}\n{_line(message, piece)}")
    return texts


def _line(message: Message, text: str) -> str:
    return f"{speaker(message.role, message.metadata)}: {text}"


def _date(message: Message) -> str:
    return f"{message.created_at:%d %B %Y}"
