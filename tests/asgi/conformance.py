"""Holds an answer against the OpenAPI document: is the status described, is the body as described.

A small validator of the JSON Schema words that the document uses; an unknown word is a failure, so
that nothing is passed over.
"""

from __future__ import annotations

import re
from typing import Any

KNOWN = {
    "$ref", "anyOf", "type", "properties", "required", "items", "enum", "const", "title",
    "description", "default", "additionalProperties", "minimum", "maximum", "minLength",
    "maxLength", "minItems", "maxItems",
}  # fmt: skip

_TYPES: dict[str, Any] = {
    "string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list,
    "object": dict, "null": type(None),
}  # fmt: skip


def check_answer(document: dict[str, Any], response: Any) -> None:
    """Fail if a served operation answered in a way that the document does not describe."""
    assert response.headers["x-request-id"]
    # As it was sent: an encoded slash belongs to a parameter.
    path = response.request.url.raw_path.partition(b"?")[0].decode("ascii")
    method = response.request.method.lower()
    described = find_operation(document, method, path)
    if described is None or response.status_code == 405:
        assert response.status_code in {204, 404, 405, 307}, response.text
        return
    status = str(response.status_code)
    assert status in described["responses"], f"{method} {path}: {status} is not documented"
    content = described["responses"][status]["content"]
    media_type = response.headers["content-type"].partition(";")[0]
    assert media_type in content, f"{method} {path} {status}: {media_type} is not documented"
    if media_type.endswith("json") and method != "head":
        check_value(document, content[media_type]["schema"], response.json(), f"{method} {path}")


def find_operation(document: dict[str, Any], method: str, path: str) -> dict[str, Any] | None:
    """Return the operation that serves *path*; fixed and longer paths come first."""
    method = "get" if method == "head" else method
    for template in sorted(document["paths"], key=lambda shown: ("{" in shown, -len(shown))):
        pattern = re.sub(r"\\\{[^}]*\\\}", ".+", re.escape(template))
        if re.fullmatch(pattern, path, re.DOTALL) and method in document["paths"][template]:
            operation: dict[str, Any] = document["paths"][template][method]
            return operation
    return None


def check_value(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> None:
    """Fail if *value* is not what *schema* says; fields that it does not name are failures too."""
    assert not set(schema) - KNOWN, f"{where}: unknown words {set(schema) - KNOWN}"
    if "$ref" in schema:
        check_value(document, resolve(document, schema["$ref"]), value, where)
        return
    if "anyOf" in schema:
        assert any(fits(document, one, value, where) for one in schema["anyOf"]), (
            f"{where}: {value}"
        )
        return
    if "enum" in schema:
        assert value in schema["enum"], where
    kind = schema.get("type")
    if kind is None:
        return
    assert isinstance(value, _TYPES[kind]), f"{where}: {value!r} is not {kind}"
    assert kind == "boolean" or not isinstance(value, bool), f"{where}: {value!r} is not {kind}"
    if kind == "array" and "items" in schema:
        # The first few stand for all: most long lists are the numbers of a vector.
        for position, item in enumerate(value[:20]):
            check_value(document, schema["items"], item, f"{where}[{position}]")
    if kind == "object" and "properties" in schema:
        missing = set(schema.get("required", ())) - set(value)
        assert not missing, f"{where}: without {missing}"
        for name, item in value.items():
            assert name in schema["properties"], f"{where}: {name} is not documented"
            check_value(document, schema["properties"][name], item, f"{where}.{name}")


def fits(document: dict[str, Any], schema: dict[str, Any], value: Any, where: str) -> bool:
    """Return whether *value* is what *schema* says."""
    try:
        check_value(document, schema, value, where)
    except AssertionError:
        return False
    return True


def resolve(document: dict[str, Any], reference: str) -> dict[str, Any]:
    """Return the schema that a local reference names."""
    schema: dict[str, Any] = document["components"]["schemas"][reference.rpartition("/")[2]]
    return schema
