"""Shapes of requests and answers; the OpenAPI document is made of them.

Requests are msgspec structs: they check while they decode, and unknown fields are ignored, for old
clients send more than we read. Answers are typed dicts: orjson writes them as they are, arrays
included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias, TypedDict

import msgspec

from openviking_asgi.limits import NAME_CHARS_MAX

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vector: TypeAlias = NDArray[np.float32]
    Matrix: TypeAlias = NDArray[np.float32]
else:
    # In the code an array, which orjson writes without a detour; on the wire, and so in the
    # OpenAPI document, plain numbers.
    Vector = list[float]
    Matrix = list[list[float]]

Name: TypeAlias = Annotated[str, msgspec.Meta(max_length=NAME_CHARS_MAX)]
"""A short text: an id, a type, a category."""


class ErrorPlace(TypedDict):
    """One field that was refused: its path, outermost part first, and what is wrong with it."""

    loc: list[str | int]
    msg: str


class Problem(TypedDict):
    """An error, as RFC 9457 describes it."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str
    errors: list[ErrorPlace]


class OpenAIErrorBody(TypedDict):
    """What went wrong, in OpenAI's words."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIError(TypedDict):
    """An error below ``/v1/``."""

    error: OpenAIErrorBody


class Done(TypedDict):
    """A change that was made."""

    success: bool
    message: str


JsonObject: TypeAlias = dict[str, Any]
