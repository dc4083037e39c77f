"""OpenAPI 3.1 from the routes table and the schemas: what is served is what is described."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from openviking.version import __version__
from openviking_asgi.schemas import OpenAIError, Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking_asgi.operation import Operation

_REF = "#/components/schemas/{name}"

_DESCRIPTION = """\
Embeddings, skill search and memory for AI agents, computed on this machine.

Errors are `application/problem+json` (RFC 9457), below `/v1/` OpenAI's `{"error": {...}}`. Every \
response carries `X-Request-ID`; a valid one of the client's is echoed. Of a JSON object's \
duplicate names the last counts. Answers with 429 and 503 carry `Retry-After`."""

_TAGS = {
    "Skills": "Which skill fits a task.",
    "Embeddings": "Text to 768 numbers of unit length.",
    "OpenAI": "The same for OpenAI's clients: set `base_url` to this server's `/v1`.",
    "Resources": "Texts that last, under URIs of your choice.",
    "Conversation": "Messages that are remembered, per person and agent.",
    "Commands": "Slash commands: what an agent does when it hears `/name`.",
    "Performance": "What was measured.",
    "Admin": "Limits that can be changed while the server runs; a restart ends them.",
    "Server": "The server itself.",
}

_MEANINGS = {
    400: "Not JSON, or a value that is not supported",
    404: "Not found",
    409: "In conflict with what is stored",
    413: "The body is too large",
    415: "The body is not JSON in UTF-8",
    422: "A field is missing or wrong",
    429: "Too busy",
    503: "Not ready, or not durable",
}


def build_document(operations: Sequence[Operation]) -> bytes:
    """Return the OpenAPI document of *operations* as JSON."""
    bodies = [operation.body for operation in operations if operation.body is not None]
    answers = [operation.answer for operation in operations if operation.answer is not None]
    types = list(dict.fromkeys([*bodies, *answers, Problem, OpenAIError]))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    # `errors` comes with a 422 only.
    components["Problem"]["required"].remove("errors")
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _describe(operation, by_type)
        paths.setdefault(operation.shown_path, {})[operation.method.lower()] = described
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "OpenViking", "version": __version__, "description": _DESCRIPTION},
            "servers": [{"url": "/"}],
            "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def _describe(operation: Operation, by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": {"type": "string"}}
    if operation.answer is not None:
        content = {"schema": by_type[operation.answer]}
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "responses": {
            str(operation.status): {
                "description": HTTPStatus(operation.status).phrase,
                "content": _contents(operation, content),
            },
            **_refusals(operation, by_type),
        },
    }
    parameters = [*_path_parameters(operation), *_query_parameters(operation)]
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None:
        described["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": by_type[operation.body]}},
        }
    return described


def _contents(operation: Operation, content: dict[str, Any]) -> dict[str, Any]:
    contents = {operation.media_type: content}
    if operation.other_media_type is not None:
        contents[operation.other_media_type] = {"schema": {"type": "string"}}
    return contents


def _refusals(operation: Operation, by_type: dict[Any, dict[str, Any]]) -> dict[str, Any]:
    is_openai = operation.path.startswith("/v1/")
    schema = by_type[OpenAIError if is_openai else Problem]
    media_type = "application/json" if is_openai else "application/problem+json"
    refusals = {}
    for status in operation.refusals:
        answer = {media_type: {"schema": schema}}
        is_probe = operation.lane != "work" and operation.method == "GET"
        if is_probe and status == 503 and operation.answer is not None:
            # Probes answer 503 in their own shape.
            answer["application/json"] = {"schema": by_type[operation.answer]}
        refusals[str(status)] = {"description": _MEANINGS[status], "content": answer}
    return refusals


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": description,
            "schema": {"type": "string"},
        }
        for name, description in operation.params
    ]


def _query_parameters(operation: Operation) -> list[dict[str, Any]]:
    if operation.query is None:
        return []
    name = operation.query.__name__
    _, components = msgspec.json.schema_components([operation.query], ref_template=_REF)
    fields = components[name]["properties"]
    required = components[name].get("required", [])
    return [
        {"name": field, "in": "query", "required": field in required, "schema": schema}
        for field, schema in fields.items()
    ]
