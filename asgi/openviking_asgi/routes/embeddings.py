"""Embeddings: contract, section 2, the older interface."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from openviking.errors import InputError
from openviking_asgi.errors import RequestError
from openviking_asgi.operation import Operation
from openviking_asgi.schemas.embeddings import EmbedAnswer, EmbedRequest, EncoderHealth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Embeddings
    from openviking_asgi.operation import Call


def embed_texts(call: Call, texts: Sequence[str], *, namespace: str | None = None) -> Embeddings:
    """Embed *texts* and record the time if the model had to compute."""
    started = time.perf_counter()
    found = call.engine.embed(texts, namespace=namespace)
    if not found.cached.all():
        call.services.metrics.encode_seconds.observe(time.perf_counter() - started)
    return found


def _embed(call: Call) -> EmbedAnswer:
    body: EmbedRequest = call.body
    if (body.text is None) == (body.texts is None):
        came = "neither" if body.text is None else "both"
        raise RequestError(
            422, f"text: expected `text` (or `texts`), got {came}", loc=("body", "text")
        )
    if body.texts is not None:
        found = embed_texts(call, body.texts, namespace=body.cache_key)
    else:
        found = _embed_one(call, body.text or "", body.cache_key)
    is_cached = bool(found.cached.all())
    answer: EmbedAnswer = {
        "dimension": int(found.vectors.shape[1]),
        "model": call.engine.model,
        "cached": is_cached,
        "cache_hit": is_cached,
        "token_usage": int(found.token_counts.sum()),
        "truncated": bool(found.truncated.any()),
    }
    if body.texts is None:
        answer["embedding"] = found.vectors[0]
    else:
        answer["embeddings"] = found.vectors
        columns = (found.cached.tolist(), found.token_counts.tolist(), found.truncated.tolist())
        answer["items"] = [
            {"cached": cached, "token_usage": tokens, "truncated": truncated}
            for cached, tokens, truncated in zip(*columns, strict=True)
        ]
    return answer


def _embed_one(call: Call, text: str, namespace: str | None) -> Embeddings:
    try:
        return embed_texts(call, (text,), namespace=namespace)
    except InputError as error:
        # The engine speaks of the first of its texts; the client sent a single one.
        error.loc = ("text",)
        raise


def _health(call: Call) -> EncoderHealth:
    engine = call.engine
    engine.embed(("health",))
    return {
        "status": "healthy",
        "model": engine.model,
        "dimension": engine.encoder.dim,
        "build": engine.encoder.build_id,
    }


OPERATIONS = (
    Operation(
        "POST", "/embeddings", "embed", "Embed one text, or several", "Embeddings", _embed,
        body=EmbedRequest, answer=EmbedAnswer,
    ),
    Operation(
        "GET", "/embeddings/health", "embeddings_health", "Whether the encoder can serve",
        "Embeddings", _health, answer=EncoderHealth,
    ),
)  # fmt: skip
