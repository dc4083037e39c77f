"""Whatever JSON, query string or bytes a client sends: an answer that the document describes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asgi.conftest import open_client, open_engine

from openviking_asgi.openapi import build_document
from openviking_asgi.routes import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.asgi.conftest import CheckedClient

WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
FIELDS = sorted(
    {
        name
        for schema in json.loads(build_document(OPERATIONS))["components"]["schemas"].values()
        for name in schema.get("properties", ())
    }
)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20)
    | st.sampled_from(["", "openviking", "base64", "general", "../..", "uri:", "\u0000", "768"])
)
NAMES = st.sampled_from(FIELDS) | st.text(max_size=8)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
BODIES = st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=8) | JSON
SETTINGS = settings(max_examples=150, deadline=None)


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    with open_engine(tmp_path_factory.mktemp("fuzz")) as engine, open_client(engine) as opened:
        yield opened


@SETTINGS
@given(operation=st.sampled_from(WITH_BODY), body=BODIES)
def test_any_json_gets_a_described_answer(fuzzed: CheckedClient, operation: Any, body: Any):
    path = operation.shown_path.replace("{skill_id}", "x")
    assert fuzzed.request(operation.method, path, json=body).status_code < 500


@SETTINGS
@given(operation=st.sampled_from(WITH_BODY), body=st.binary(max_size=200))
def test_any_bytes_get_a_described_answer(fuzzed: CheckedClient, operation: Any, body: bytes):
    path = operation.shown_path.replace("{skill_id}", "x")
    headers = {"content-type": "application/json"}
    response = fuzzed.request(operation.method, path, content=body, headers=headers)
    assert response.status_code in {400, 404, 422} or body.strip().startswith(b"{")


@SETTINGS
@given(
    method=st.sampled_from(["GET", "DELETE", "HEAD"]),
    path=st.sampled_from(["/resources", "/skills", "/v1/models"]),
    name=st.text(min_size=1, max_size=30),
    query=st.text(max_size=30),
)
def test_any_name_and_query_get_a_described_answer(
    fuzzed: CheckedClient, method: str, path: str, name: str, query: str
):
    for prefix in ("", "uri:"):
        response = fuzzed.request(method, f"{path}/{prefix}{quote(name, safe='/')}?{quote(query)}")
        assert response.status_code < 500
