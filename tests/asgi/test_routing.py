"""Requests that take the short way to their endpoint are answered as those that do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from openviking_asgi.app import create_app
from openviking_asgi.routes import OPERATIONS
from openviking_asgi.routing import PathRoute, direct_routes

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send
    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine


async def first(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Stand for an endpoint."""


async def second(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Stand for another endpoint."""


def test_only_a_path_without_parameters_that_is_asked_first_is_direct():
    routes = [
        PathRoute("/things/{name}", first, ["GET"]),
        PathRoute("/things/all", second, ["GET", "POST"]),
    ]

    found = direct_routes(routes)

    assert list(found) == [("POST", b"/things/all")]


def test_every_operation_at_a_fixed_path_is_direct(engine: Engine):
    fixed = {(one.method, one.path.encode()) for one in OPERATIONS if "{" not in one.path}
    routes = [route for route in create_app(engine).routes if isinstance(route, PathRoute)]

    assert fixed <= direct_routes(routes).keys()


def test_another_spelling_of_a_path_has_the_same_answer(engine: Engine):
    body = {"text": "the same text"}

    with TestClient(create_app(engine)) as client:
        direct = client.post("/embeddings", json=body)
        spelt = client.post("/%65mbeddings", json=body)

    assert direct.status_code == spelt.status_code == 200
    assert direct.json()["embedding"] == spelt.json()["embedding"]


def test_a_method_that_is_not_offered_is_refused_with_those_that_are(client: CheckedClient):
    answer = client.delete("/embeddings")

    assert answer.status_code == 405
    assert answer.headers["allow"] == "OPTIONS, POST"
