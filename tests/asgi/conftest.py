"""A real engine on the hashing encoder and a SQLite file, and a client that checks every answer."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from tests.asgi.conformance import check_answer

from openviking.config import Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore
from openviking_asgi.app import create_app

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import httpx2

    from openviking.types import Embeddings


class BlockedEncoder(HashingEncoder):
    """Waits for leave before each text: a request stays in flight as long as a test wants."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        self.has_begun.set()
        assert self.may_end.wait(20)
        return super().encode(texts)


class CheckedClient(TestClient):
    """A test client that holds every answer against the OpenAPI document."""

    document: dict[str, Any]

    def request(self, *args: Any, **kwargs: Any) -> httpx2.Response:
        response = super().request(*args, **kwargs)
        check_answer(self.document, response)
        return response


def open_engine(folder: Path) -> Engine:
    return Engine.open(Settings(), encoder=HashingEncoder(), store=SqliteStore(folder / "store"))


@contextmanager
def open_client(engine: Engine) -> Iterator[CheckedClient]:
    app = create_app(engine)
    # An exception that leaves the application is a failure even if it was answered.
    with CheckedClient(app) as client:
        client.document = json.loads(app.state.services.openapi)
        yield client


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with open_engine(tmp_path) as opened:
        yield opened


@pytest.fixture
def client(engine: Engine) -> Iterator[CheckedClient]:
    with open_client(engine) as opened:
        yield opened


@pytest.fixture(scope="session")
def shared_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckedClient]:
    """One application for all tests that do not care what is stored; they must not change it."""
    with open_engine(tmp_path_factory.mktemp("shared")) as engine, open_client(engine) as opened:
        yield opened
