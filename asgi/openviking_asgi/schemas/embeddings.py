"""Requests and answers of both embedding interfaces."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, TypedDict

import msgspec

from openviking_asgi.limits import TEXTS_MAX
from openviking_asgi.schemas import Matrix, Name, Vector  # noqa: TC001 - msgspec reads it

Texts: TypeAlias = Annotated[list[str], msgspec.Meta(min_length=1, max_length=TEXTS_MAX)]

Inputs: TypeAlias = Annotated[
    list[str | int | list[int]], msgspec.Meta(min_length=1, max_length=TEXTS_MAX)
]
"""Texts, or the tokens of one text, or the tokens of several; never mixed."""


class EmbedRequest(msgspec.Struct, frozen=True):
    """One ``text``, or several as ``texts``; ``cache_key`` names a namespace of the cache."""

    text: str | None = None
    texts: Texts | None = None
    cache_key: Name | None = None


class EmbedItem(TypedDict):
    """What happened to one of the texts."""

    cached: bool
    token_usage: int
    truncated: bool


class _EmbedCommon(TypedDict):
    dimension: int
    model: str
    cached: bool
    cache_hit: bool
    token_usage: int
    truncated: bool


class EmbedAnswer(_EmbedCommon, total=False):
    """``embedding`` for a text; ``embeddings`` and ``items``, in order, for several.

    With several texts ``cached`` means that all were, ``truncated`` that at least one was, and
    ``token_usage`` is their sum.
    """

    embedding: Vector
    embeddings: Matrix
    items: list[EmbedItem]


class EncoderHealth(TypedDict):
    """Whether the encoder can serve, and which one it is."""

    status: Literal["healthy"]
    model: str
    dimension: int
    build: str


class OpenAIEmbedRequest(msgspec.Struct, frozen=True):
    """OpenAI's request; ``user`` is accepted and not used."""

    input: str | Inputs
    model: Name | None = None
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None


class OpenAIEmbedding(TypedDict):
    """One vector: numbers, or their little-endian float32 bytes in base64."""

    object: Literal["embedding"]
    index: int
    embedding: Vector | str


class OpenAIUsage(TypedDict):
    """Tokens that the model read, its two markers per text included."""

    prompt_tokens: int
    total_tokens: int


class OpenAIEmbeddings(TypedDict):
    """OpenAI's answer."""

    object: Literal["list"]
    data: list[OpenAIEmbedding]
    model: str
    usage: OpenAIUsage


class OpenAIModel(TypedDict):
    """One model; ``created`` is when this server began to offer it, in Unix seconds."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str


class OpenAIModels(TypedDict):
    """All models: this server has one."""

    object: Literal["list"]
    data: list[OpenAIModel]
