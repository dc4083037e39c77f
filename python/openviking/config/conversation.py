"""Settings of what is said: the working window, the archive, memory, and the model that answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

MemoryCategory = Literal["profile", "preferences", "entities", "events", "cases", "patterns"]
"""What a memory can be about."""


class Llm(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The OpenAI-compatible chat endpoint that answers; none unless both first keys are set.

    Attributes:
        api_base: its address, as ``https://api.openai.com/v1``; no user or password within.
        model: the model's name there.
        api_key_env: the environment variable that holds the key; without it none is sent.
        timeout_s: seconds from asking to the end of the answer; less than ``server.deadline_s``.
        max_tokens: tokens of an answer.
        context_tokens: tokens of the window and quotations that are sent with a message.
    """

    api_base: str | None = None
    model: str | None = None
    api_key_env: str = "OPENAI_API_KEY"
    timeout_s: float = 20.0
    max_tokens: int = 1024
    context_tokens: int = 3000


class Conversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long things last.

    Attributes:
        idle_minutes: a pause of this length ends the working window.
        retention_days: messages older than this are deleted, with what was learned from them
            alone; None keeps them for ever.
    """

    idle_minutes: float = 30.0
    retention_days: float | None = None


class Memory(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned from users' messages.

    Attributes:
        extract: whether anything is.
        categories: what about.
        shared: whether all sessions that name no user share their memories, as on a machine of one
            person; else each has its own.
    """

    extract: bool = True
    categories: tuple[MemoryCategory, ...] = (
        "profile", "preferences", "entities", "events", "cases", "patterns",
    )  # fmt: skip
    shared: bool = False


Checks = list[tuple[str, object, bool, str]]
"""Key, value, whether it makes sense, and what was expected."""


def conversation_checks(llm: Llm, conversation: Conversation, deadline_s: float) -> Checks:
    """Return the checks of these sections; *deadline_s* is that of a request."""
    days, minutes = conversation.retention_days, conversation.idle_minutes
    has_both = (llm.api_base is None) == (llm.model is None)
    return [
        (
            "llm.api_base",
            "an address that is not shown",
            llm.api_base is None or _is_address(llm.api_base),
            "http(s)://host[:port][/path] without user, password or query",
        ),
        ("llm.model", llm.model, llm.model is None or bool(llm.model.strip()), "a model's name"),
        ("llm.model", llm.model, has_both, "llm.api_base and llm.model together, or neither"),
        (
            "llm.api_key_env",
            "something that is not shown",
            llm.api_key_env.isidentifier(),
            "the name of an environment variable, not the key itself",
        ),
        (
            "llm.timeout_s",
            llm.timeout_s,
            0 < llm.timeout_s < deadline_s or llm.api_base is None,
            f"more than 0, less than server.deadline_s ({deadline_s:g})",
        ),
        ("llm.max_tokens", llm.max_tokens, 1 <= llm.max_tokens <= 1 << 20, "1 to 1048576"),
        (
            "llm.context_tokens",
            llm.context_tokens,
            256 <= llm.context_tokens <= 1 << 20,
            "256 to 1048576",
        ),
        ("conversation.idle_minutes", minutes, 0 < minutes <= 525_600, "more than 0, to 525600"),
        (
            "conversation.retention_days",
            days,
            days is None or 0 < days <= 36_500,
            "more than 0, at most 36500, or null for ever",
        ),
    ]


def api_key(llm: Llm, environ: Mapping[str, str] | None = None) -> str | None:
    """Return the key of the chat endpoint, None if its variable is not set.

    It is no part of the settings, so that nothing that shows settings can show it.
    """
    return (os.environ if environ is None else environ).get(llm.api_key_env)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_port = parts.port is None or parts.port > 0
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and is_port
        and "@" not in parts.netloc
        and not (parts.query or parts.fragment)
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )
