from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.asgi.conformance import KNOWN, resolve

from openviking_asgi import limits
from openviking_asgi.routes import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.asgi.conftest import CheckedClient


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def described(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_document_describes_exactly_what_is_routed(shared_client: CheckedClient):
    document = shared_client.get("/openapi.json").json()
    documented = {(method.upper(), path) for path, method, _ in described(document)}
    routed = set()
    for route in shared_client.app.routes:  # type: ignore[attr-defined]
        allowed = (
            shared_client.options(re.sub(r"\{[^}]*\}", "x", route.path))
            .headers["allow"]
            .split(", ")
        )
        shown = route.path.replace(":path}", "}")
        routed |= {(method, shown) for method in allowed if method not in {"HEAD", "OPTIONS"}}
    assert documented == routed
    assert len(documented) == len(OPERATIONS)


def test_the_document_is_openapi_3_1_and_whole(shared_client: CheckedClient):
    document = shared_client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"]
    assert document["info"]["version"]
    for reference in references(document):
        assert resolve(document, reference)
    tags = {tag["name"] for tag in document["tags"]}
    ids = []
    for path, method, operation in described(document):
        ids.append(operation["operationId"])
        assert set(operation["tags"]) <= tags
        assert operation["summary"]
        in_path = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
        assert in_path == set(re.findall(r"\{([^}]*)\}", path)), path
        assert all(response["description"] for response in operation["responses"].values())
        assert ("requestBody" in operation) == (method in {"post", "put"})
    assert len(set(ids)) == len(ids)


def test_the_limits_in_the_document_are_the_limits_that_hold(shared_client: CheckedClient):
    schemas = shared_client.get("/openapi.json").json()["components"]["schemas"]
    texts = schemas["EmbedRequest"]["properties"]["texts"]["anyOf"][0]
    assert (texts["minItems"], texts["maxItems"]) == (1, limits.TEXTS_MAX)
    results = schemas["SkillSearchRequest"]["properties"]["max_results"]["anyOf"][0]
    assert (results["minimum"], results["maximum"]) == (1, limits.RESULTS_MAX)


def test_the_checks_of_answers_know_every_word_of_the_document(shared_client: CheckedClient):
    document = json.loads(shared_client.app.state.services.openapi)  # type: ignore[attr-defined]
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            assert not set(field) - KNOWN
