from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.asgi.conformance import KNOWN, resolve

from openviking.config import Server
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
        # The flush takes its session from the query string: a contract with old scripts.
        has_body = (
            method in {"post", "put", "patch"} and operation["operationId"] != "flush_session"
        )
        assert ("requestBody" in operation) == has_body
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


def test_the_readme_states_the_limits_that_hold():
    text = (Path(__file__).parents[2] / "asgi/README.md").read_text("utf-8")
    table = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|$", text, re.MULTILINE))
    lines, server = limits.Connections(), Server()
    head = f"{lines.head_bytes_max >> 10} KiB, {lines.headers_max} headers, {lines.head_s:g} s"
    assert table["body"] == f"{limits.BODY_BYTES_MAX >> 20} MiB"
    assert table["request line and headers"] == head
    assert table["body to arrive"] == f"{lines.body_s:g} s"
    assert table["idle connection, slow reader"] == f"{lines.idle_s:g} s, {lines.write_s:g} s"
    assert table["open connections"] == str(lines.count_max)
    assert table["texts or inputs per call"] == str(limits.TEXTS_MAX)
    assert table["token ids per call"] == f"{limits.TOKENS_MAX:,}"
    assert table["results of a search"] == f"1 to {limits.RESULTS_MAX}"
    assert (
        table["records of a page"] == f"1 to {limits.PAGE_MAX}, {limits.PAGE_DEFAULT} if not said"
    )
    assert table["URI"] == f"{limits.URI_CHARS_MAX} characters"
    names = table["names (session, type, category, cache key)"]
    assert names == f"{limits.NAME_CHARS_MAX} characters"
    for value in (server.requests_max, server.deadline_s, server.drain_s):
        assert f"({value:g}" in table["requests at work or waiting, deadline, time to drain"]
