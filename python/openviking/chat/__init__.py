"""A chat model somewhere else, asked over HTTP in the shape that OpenAI has made common."""

from openviking.chat.client import ChatClient

__all__ = ["ChatClient"]
