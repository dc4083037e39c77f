"""Embeddings as OpenAI's clients ask for them: ``/v1/``."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, cast

from openviking.errors import InputError
from openviking_asgi.errors import Loc, RequestError
from openviking_asgi.limits import TOKENS_MAX
from openviking_asgi.operation import Operation
from openviking_asgi.routes.embeddings import embed_texts
from openviking_asgi.schemas.embeddings import (
    OpenAIEmbeddings,
    OpenAIEmbedRequest,
    OpenAIModel,
    OpenAIModels,
)

if TYPE_CHECKING:
    from openviking.engine import Engine
    from openviking.types import Embeddings
    from openviking_asgi.operation import Call

OWNER = "openviking"


def _embed(call: Call) -> OpenAIEmbeddings:
    body: OpenAIEmbedRequest = call.body
    engine = call.engine
    _check_model(body.model, engine)
    if body.dimensions is not None and body.dimensions != engine.encoder.dim:
        raise _unsupported(
            "dimensions",
            f"expected {engine.encoder.dim}, the model's only width, got {body.dimensions}",
        )
    if body.encoding_format not in {None, "float", "base64"}:
        raise _unsupported("encoding_format", "expected 'float' or 'base64'")
    try:
        found = _encode(call, body)
    except InputError as error:
        # The engine numbers texts or token lists; the client knows them as `input`.
        is_single = isinstance(body.input, str) or isinstance(body.input[0], int)
        error.loc = ("input", *error.loc[2 if is_single else 1 :])
        raise
    vectors = found.vectors
    if body.encoding_format == "base64":
        rows = vectors.astype("<f4", copy=False)
        written = [base64.b64encode(row.tobytes()).decode("ascii") for row in rows]
    else:
        written = list(vectors)
    tokens = int(found.token_counts.sum())
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": embedding}
            for index, embedding in enumerate(written)
        ],
        "model": engine.model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encode(call: Call, body: OpenAIEmbedRequest) -> Embeddings:
    given = body.input
    if isinstance(given, str):
        return embed_texts(call, (given,))
    kind = type(given[0])
    for position, item in enumerate(given):
        if type(item) is not kind:
            raise RequestError(
                422,
                "input: expected only texts, only token ids, or only lists of token ids",
                loc=("body", "input", position),
            )
    if kind is str:
        return embed_texts(call, cast("list[str]", given))
    lists = [cast("list[int]", given)] if kind is int else cast("list[list[int]]", given)
    if sum(map(len, lists)) > TOKENS_MAX:
        raise RequestError(
            422, f"input: expected at most {TOKENS_MAX} tokens in all", loc=("body", "input")
        )
    return call.engine.embed_tokens(lists)


def _check_model(asked: str | None, engine: Engine) -> None:
    """Accept this server's model by any of its names.

    A foreign name is refused: a client that compares vectors with stored ones of another model must
    learn that these differ.
    """
    names = _names(engine)
    if asked is not None and asked not in names:
        raise RequestError(
            404,
            f"model: {asked!r} is not served here; ask for {names[0]!r}",
            loc=("body", "model"),
            code="model_not_found",
        )


def _names(engine: Engine) -> tuple[str, ...]:
    return (engine.model, f"sentence-transformers/{engine.model}", OWNER)


def _unsupported(field: str, detail: str) -> RequestError:
    loc: Loc = ("body", field)
    return RequestError(400, f"{field}: {detail}", loc=loc, code="unsupported_value")


def _models(call: Call) -> OpenAIModels:
    return {"object": "list", "data": [_describe(call)]}


def _model(call: Call) -> OpenAIModel:
    _check_model(call.params["model"], call.engine)
    return _describe(call)


def _describe(call: Call) -> OpenAIModel:
    return {
        "id": call.engine.model,
        "object": "model",
        "created": call.services.host.opened_at,
        "owned_by": OWNER,
    }


OPERATIONS = (
    Operation(
        "POST", "/v1/embeddings", "openai_embeddings", "Embed as OpenAI does", "OpenAI", _embed,
        body=OpenAIEmbedRequest, answer=OpenAIEmbeddings, errors=(404,),
    ),
    Operation(
        "GET", "/v1/models", "openai_models", "List the model", "OpenAI", _models,
        answer=OpenAIModels,
    ),
    Operation(
        "GET", "/v1/models/{model:path}", "openai_model", "Describe the model", "OpenAI", _model,
        answer=OpenAIModel, errors=(404,), params=(("model", "The model's id."),),
    ),
)  # fmt: skip
