"""A chat model somewhere else, asked over HTTP in the shape that OpenAI has made common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openviking.chat.client import ChatClient
    from openviking.config import Llm

__all__ = ["open_chat"]


def open_chat(llm: Llm, key: str | None) -> ChatClient | None:
    """Return a client of the configured model, None if none is configured.

    Raises:
        ConfigError: the key cannot stand in a header; the message does not show it.
    """
    if llm.api_base is None or llm.model is None:
        return None
    # Loaded here, because most servers have no chat model: the HTTP client takes 3 MB and 0.1 s.
    from openviking.chat.client import ChatClient  # noqa: PLC0415

    return ChatClient(
        llm.api_base, llm.model, key=key, timeout_s=llm.timeout_s, tokens_max=llm.max_tokens
    )
