from __future__ import annotations

import gzip
import re
import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import compile_path
from starlette.testclient import TestClient
from tests.asgi.conftest import BlockedEncoder

from openviking.config import Server, Settings
from openviking.engine import Engine
from openviking.store import SqliteStore
from openviking_asgi.app import create_app
from openviking_asgi.limits import BODY_BYTES_MAX, QUERY_FIELDS_MAX, REQUEST_ID_CHARS_MAX
from openviking_asgi.routes import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient


JSON = {"content-type": "application/json"}
WITH_BODY = [operation for operation in OPERATIONS if operation.body is not None]
PATHS = sorted({operation.path for operation in OPERATIONS})


def concrete(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "x", path)


NOT_JSON = {
    "empty": b"",
    "cut": b'{"text": "a',
    "words": b"text=a",
    "nan": b'{"text": NaN}',
    "infinity": b'{"zzz": -Infinity}',
    "trailing": b'{"text": "a", "query": "a", "content": "a", "input": "a", "target_uri": "a",'
    b' "message": "a", "lines": "a", "name": "a", "disabled": true} {}',
    "single quotes": b"{'text': 'a'}",
    "broken utf-8": b'{"text": "\xff\xfe", "query": "\xff", "content": "\xff", "input": "\xff",'
    b' "message": "\xff", "lines": "\xff", "name": "\xff"}',
    "utf-16": '{"text": "a"}'.encode("utf-16"),
    "lone surrogate": b'{"zzz": "\\ud800"}',
    "reversed surrogates": b'{"zzz": "\\udc00\\ud800"}',
    "control character": b'{"zzz": "a\x00b"}',
    "deep objects": b'{"a":' * 100_000,
    "deep and closed": b'{"zzz":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "nul bytes": b"\x00" * 100,
}

NOT_AN_OBJECT = {
    "null": b"null",
    "array": b"[]",
    "string": b'"x"',
    "number": b"1e3",
    "deep arrays": b"[" * 100_000,
}


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
def test_a_hostile_body_is_400_or_422_on_every_route(shared_client: CheckedClient, operation: Any):
    path = concrete(operation.path)
    for expected, bodies in ((400, NOT_JSON), (422, NOT_AN_OBJECT)):
        for name, body in bodies.items():
            response = shared_client.request(operation.method, path, content=body, headers=JSON)
            assert response.status_code == expected, (name, response.text)


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
def test_a_body_over_the_limit_is_413_announced_or_not(
    shared_client: CheckedClient, operation: Any
):
    path = concrete(operation.path)
    announced = shared_client.request(
        operation.method, path, content=b" " * 10_000_000, headers=JSON
    )
    assert announced.status_code == 413

    def pieces() -> Iterator[bytes]:
        for _ in range(100):
            yield b" " * 100_000

    streamed = shared_client.request(operation.method, path, content=pieces(), headers=JSON)
    assert streamed.status_code == 413


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 413)])
def test_the_limit_of_a_body_is_exact(shared_client: CheckedClient, more: int, status: int):
    body = b'{"text": "a"}'.ljust(BODY_BYTES_MAX + more)
    assert shared_client.post("/embeddings", content=body, headers=JSON).status_code == status
    parts = iter([body[:1000], body[1000:]])
    assert shared_client.post("/embeddings", content=parts, headers=JSON).status_code == status


@pytest.mark.parametrize("operation", WITH_BODY, ids=lambda operation: operation.name)
@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "text/json",
        "application/json; charset=latin-1",
        "",
        "\xff",
    ],
)
def test_another_media_type_is_415(shared_client: CheckedClient, operation: Any, media_type: str):
    response = shared_client.request(
        operation.method,
        concrete(operation.path),
        content=b"{}",
        headers={"content-type": media_type.encode("latin-1")},
    )
    assert response.status_code == 415


@pytest.mark.parametrize(
    "media_type",
    [
        "application/json",
        "Application/JSON",
        "application/json; charset=utf-8",
        'application/json;charset="UTF-8"',
        "application/vnd.api+json",
    ],
)
def test_json_is_known_by_all_its_names(shared_client: CheckedClient, media_type: str):
    headers = {"content-type": media_type}
    response = shared_client.post("/embeddings", content=b'{"text": "a"}', headers=headers)
    assert response.status_code == 200


def test_a_body_without_a_type_is_json_unless_a_web_page_sent_it(shared_client: CheckedClient):
    assert shared_client.post("/embeddings", content=b'{"text": "a"}').status_code == 200
    headers = {"origin": "https://elsewhere.example"}
    response = shared_client.post("/embeddings", content=b'{"text": "a"}', headers=headers)
    assert response.status_code == 415


@pytest.mark.parametrize("encoding", ["gzip", "br", "Identity, gzip"])
def test_a_compressed_body_is_415_and_says_so(shared_client: CheckedClient, encoding: str):
    headers = JSON | {"content-encoding": encoding}
    content = gzip.compress(b'{"text": "a"}')
    response = shared_client.post("/embeddings", content=content, headers=headers)
    assert response.status_code == 415
    assert "not compressed" in response.json()["detail"]
    headers = JSON | {"content-encoding": "identity"}
    plain = shared_client.post("/embeddings", content=b'{"text": "a"}', headers=headers)
    assert plain.status_code == 200


def test_a_byte_order_mark_before_the_body_does_no_harm(shared_client: CheckedClient):
    content = b'\xef\xbb\xbf{"text": "a"}'
    response = shared_client.post("/embeddings", content=content, headers=JSON)
    assert response.status_code == 200


def test_of_duplicate_names_the_last_counts(shared_client: CheckedClient):
    body = b'{"text": "first", "text": "second"}'
    shared_client.post("/embeddings", json={"text": "second"})
    assert shared_client.post("/embeddings", content=body, headers=JSON).json()["cached"] is True


@pytest.mark.parametrize("path", PATHS)
def test_a_wrong_method_is_405_with_all_right_ones(shared_client: CheckedClient, path: str):
    offered = {operation.method for operation in OPERATIONS if operation.path == path}
    allowed = offered | {"OPTIONS"} | ({"HEAD"} if "GET" in offered else set())
    # `DELETE /conversation/search` deletes a session of that name.
    elsewhere: set[str] = {
        operation.method
        for operation in OPERATIONS
        if compile_path(operation.path)[0].match(concrete(path))
    }
    elsewhere |= {"HEAD"} if "GET" in elsewhere else set()
    for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD"} - allowed - elsewhere:
        response = shared_client.request(method, concrete(path))
        assert response.status_code == 405, method
        assert set(response.headers["allow"].split(", ")) == allowed
    options = shared_client.options(concrete(path))
    assert (options.status_code, options.content) == (204, b"")
    assert set(options.headers["allow"].split(", ")) == allowed


def test_head_is_get_without_the_body(shared_client: CheckedClient):
    for path in ("/", "/livez", "/health", "/skills", "/v1/models", "/metrics", "/docs"):
        head, get = shared_client.head(path), shared_client.get(path)
        assert (head.status_code, head.content) == (get.status_code, b"")
        assert head.headers["content-type"] == get.headers["content-type"]


@pytest.mark.parametrize("path", ["/nothing", "/skills/a/b", "/embeddings/x", "/%00", "/\xff"])
def test_an_unknown_path_is_a_404_problem(shared_client: CheckedClient, path: str):
    response = shared_client.get(path)
    assert response.status_code == 404
    assert response.headers["content-type"] == "application/problem+json"


def test_a_problem_has_the_fields_of_rfc_9457_and_the_request_id(shared_client: CheckedClient):
    response = shared_client.post("/embeddings", json={"text": 5}, headers={"x-request-id": "r-1"})
    problem = response.json()
    assert set(problem) == {"type", "title", "status", "detail", "request_id", "errors"}
    assert problem["status"] == 422
    assert problem["request_id"] == response.headers["x-request-id"] == "r-1"
    assert problem["detail"] == "text: Expected `str | null`, got `int`"
    assert "errors" not in shared_client.get("/nothing").json()


@pytest.mark.parametrize(
    "request_id", ["a", "0b1c-2d", "A.b_c:d/e+f=g@h", "x" * REQUEST_ID_CHARS_MAX]
)
def test_a_valid_request_id_is_echoed(shared_client: CheckedClient, request_id: str):
    for path in ("/livez", "/nothing"):
        response = shared_client.get(path, headers={"x-request-id": request_id})
        assert response.headers["x-request-id"] == request_id


@pytest.mark.parametrize(
    "request_id", ["", "two words", "é", 'quote"', "x" * (REQUEST_ID_CHARS_MAX + 1), "{}"]
)
def test_another_request_id_is_replaced(shared_client: CheckedClient, request_id: str):
    headers = {"x-request-id": request_id.encode()}
    response = shared_client.get("/livez", headers=headers)  # type: ignore[arg-type]
    assert re.fullmatch("[0-9a-f]{32}", response.headers["x-request-id"])


def test_two_requests_never_share_an_id(shared_client: CheckedClient):
    ids = {shared_client.get("/livez").headers["x-request-id"] for _ in range(50)}
    assert len(ids) == 50


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("limit=%ff", 422),
        ("limit=1&limit=2", 200),
        ("unknown=1", 200),
        ("limit=1;DROP", 422),
        ("prefix=%ed%a0%80", 200),
        ("&".join(f"a{n}=1" for n in range(QUERY_FIELDS_MAX)), 200),
        ("&".join(f"a{n}=1" for n in range(QUERY_FIELDS_MAX + 1)), 422),
        ("limit=" + "9" * 5000, 422),
    ],
)
def test_a_hostile_query_string_is_never_a_500(
    shared_client: CheckedClient, query: str, status: int
):
    assert shared_client.get(f"/resources?{query}").status_code == status


@pytest.fixture
def blocked() -> BlockedEncoder:
    return BlockedEncoder()


@pytest.fixture
def busy_engine(tmp_path: Path, blocked: BlockedEncoder) -> Iterator[Engine]:
    with Engine.open(Settings(), encoder=blocked, store=SqliteStore(tmp_path / "s")) as engine:
        yield engine


def test_a_full_queue_is_429_and_free_again_afterwards(
    busy_engine: Engine, blocked: BlockedEncoder
):
    app = create_app(busy_engine, server=Server(requests_max=1))
    answers: list[int] = []
    with TestClient(app) as client:

        def ask() -> None:
            answers.append(client.post("/embeddings", json={"text": "a"}).status_code)

        first = threading.Thread(target=ask)
        first.start()
        assert blocked.has_begun.wait(10)
        refused = client.post("/embeddings", json={"text": "b"})
        openai = client.post("/v1/embeddings", json={"input": "b"})
        health = client.get("/health")
        blocked.may_end.set()
        first.join(10)
        after = client.post("/embeddings", json={"text": "c"})
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) >= 1
    assert openai.json()["error"]["type"] == "rate_limit_error"
    assert health.status_code == 200
    assert answers == [200]
    assert after.status_code == 200


def test_a_call_that_outlasts_its_deadline_is_503_with_its_outcome_unknown(
    busy_engine: Engine, blocked: BlockedEncoder
):
    app = create_app(busy_engine, server=Server(deadline_s=0.05))
    with TestClient(app) as client:
        response = client.post("/embeddings", json={"text": "a"})
        blocked.may_end.set()
    assert response.status_code == 503
    assert response.headers["retry-after"]
    assert "may still complete" in response.json()["detail"]
