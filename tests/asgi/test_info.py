from __future__ import annotations

import errno
import re
from datetime import datetime
from typing import TYPE_CHECKING

from starlette.testclient import TestClient

from openviking.config import Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.errors import EncoderError, StoreError
from openviking.store import SqliteStore
from openviking.version import __version__
from openviking_asgi.app import create_app
from openviking_asgi.routes import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest
    from tests.asgi.conftest import CheckedClient

    from openviking.types import Embeddings


def test_root_names_version_features_and_every_endpoint(client: CheckedClient, engine: Engine):
    root = client.get("/").json()
    assert root["version"] == __version__ == engine.version
    assert root["features"] == list(engine.features)
    assert set(root["endpoints"]) == {operation.name for operation in OPERATIONS}
    assert root["endpoints"]["search_skills"].startswith("POST /skills/search")


def test_health_says_healthy_with_all_components(client: CheckedClient):
    response = client.get("/health")
    report = response.json()
    assert response.status_code == 200
    assert report["status"] == "healthy"
    assert datetime.fromisoformat(report["timestamp"]).tzinfo is not None
    assert set(report["components"]) == {
        "encoder", "store", "skills", "resources", "conversations", "memory", "llm", "commands",
        "cache",
    }  # fmt: skip
    assert {part["status"] for part in report["components"].values()} == {"ok"}


def test_health_is_503_and_unhealthy_when_the_store_is_gone(client: CheckedClient, engine: Engine):
    engine.store.close()
    response = client.get("/health")
    assert response.status_code == 503
    assert response.headers["retry-after"].isdigit()
    assert response.json()["status"] == "unhealthy"
    assert response.json()["components"]["store"]["status"] == "failed"
    assert response.json()["features"] == []


def test_probes_answer_200_when_ready(shared_client: CheckedClient):
    assert shared_client.get("/livez").json() == {"status": "alive"}
    assert shared_client.get("/readyz").json() == {"status": "ready"}


def test_while_loading_only_the_server_itself_answers(engine: Engine):
    # Without its lifespan the application has not begun to open the engine.
    client = TestClient(create_app(lambda: engine))
    assert client.get("/livez").status_code == 200
    assert client.get("/readyz").status_code == 503
    assert client.get("/readyz").json() == {"status": "loading"}
    assert client.get("/health").status_code == 503
    assert client.get("/health").json()["components"]["encoder"]["status"] == "loading"
    assert client.get("/").json()["features"] == []
    assert client.get("/docs").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    refused = client.post("/embeddings", json={"text": "a"})
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "1"
    assert "loading" in refused.json()["detail"]


def test_every_route_that_needs_the_engine_is_503_without_one(engine: Engine):
    client = TestClient(create_app(lambda: engine))
    for operation in OPERATIONS:
        if operation.lane == "work":
            path = re.sub(r"\{[^}]*\}", "x", operation.path)
            response = client.request(operation.method, path)
            assert response.status_code == 503, operation.name
            assert response.headers["retry-after"], operation.name


def test_a_factory_is_opened_by_the_lifespan_and_closed_with_it(engine: Engine):
    app = create_app(lambda: engine)
    with TestClient(app) as client:
        app.state.services.host._thread.join(5)  # noqa: SLF001 - the load, not a sleep
        assert client.get("/readyz").json() == {"status": "ready"}
        assert client.post("/embeddings", json={"text": "a"}).status_code == 200
    assert app.state.services.host.state == "closed"
    assert engine.health().status == "unhealthy"


def test_an_engine_that_cannot_be_opened_leaves_readyz_at_503_failed():
    def fail() -> Engine:
        raise EncoderError("the model is missing; run `openviking model pull`")

    app = create_app(fail)
    with TestClient(app) as client:
        app.state.services.host._thread.join(5)  # noqa: SLF001 - the load, not a sleep
        response = client.get("/readyz")
        assert (response.status_code, response.json()) == (503, {"status": "failed"})
        assert client.post("/embeddings", json={"text": "a"}).status_code == 503
    assert isinstance(app.state.services.host.failure, EncoderError)


def test_draining_refuses_new_work_but_stays_alive(client: CheckedClient):
    client.app.state.services.host.drain()  # type: ignore[attr-defined]
    assert client.get("/readyz").json() == {"status": "draining"}
    assert client.get("/readyz").status_code == 503
    assert client.get("/livez").status_code == 200
    assert client.post("/embeddings", json={"text": "a"}).status_code == 503


def test_metrics_count_requests_encodings_searches_and_cache(client: CheckedClient):
    client.post("/embeddings", json={"text": "a calm sea"})
    client.post("/embeddings", json={"text": "a calm sea"})
    client.post("/skills/search", json={"query": "a calm sea"})
    client.get("/no/such/path")
    response = client.get("/metrics")
    text = response.text
    assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert (
        'openviking_http_requests_total{method="POST",route="/embeddings",status="200"} 2.0' in text
    )
    assert 'route="(unmatched)",status="404"} 1.0' in text
    assert "/no/such/path" not in text
    assert "openviking_encode_duration_seconds_count 1.0" in text
    assert 'openviking_search_duration_seconds_count{kind="skills"} 1.0' in text
    assert "openviking_embedding_cache_hits_total 2.0" in text
    assert "openviking_embedding_cache_misses_total 1.0" in text
    assert f'openviking_build_info{{model_build="hashing-768",version="{__version__}"}} 1.0' in text
    assert "openviking_http_requests_in_flight 1.0" in text
    assert "openviking_work_queue_depth 0.0" in text
    assert "process_resident_memory_bytes" in text


def test_two_applications_do_not_share_their_counters(engine: Engine):
    with TestClient(create_app(engine)) as one, TestClient(create_app(engine)) as other:
        one.get("/livez")
        assert 'route="/livez"' in one.get("/metrics").text
        assert 'route="/livez"' not in other.get("/metrics").text


def test_the_documentation_page_is_self_contained(shared_client: CheckedClient):
    response = shared_client.get("/docs")
    assert response.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.findall(r"""(?:src|href)=["'](?:https?:)?//""", response.text)
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


class BrokenEncoder(HashingEncoder):
    """Fails in a way that nobody foresaw."""

    def encode(self, texts: Sequence[str]) -> Embeddings:
        raise RuntimeError(f"secret detail of {len(texts)} texts")


def test_an_unexpected_error_is_500_without_internals_and_logged_with_the_request_id(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    with (
        Engine.open(Settings(), encoder=BrokenEncoder(), store=SqliteStore(tmp_path)) as engine,
        TestClient(create_app(engine)) as client,
    ):
        response = client.post("/embeddings", json={"text": "a"}, headers={"X-Request-ID": "abc-1"})
    assert response.status_code == 500
    assert "secret" not in response.text
    assert response.json()["request_id"] == "abc-1"
    assert "abc-1" in caplog.text
    assert "secret detail" in caplog.text


def test_a_failing_store_is_503_with_retry_after(client: CheckedClient, engine: Engine):
    engine.store.close()
    response = client.post("/resources", json={"content": "a", "target_uri": "b"})
    assert response.status_code == 503
    assert response.headers["retry-after"].isdigit()
    assert StoreError.__name__ not in response.text


def test_a_log_that_cannot_be_written_does_not_cost_the_answer(engine: Engine):
    def full(event: str, **fields: object) -> None:
        raise OSError(errno.ENOSPC, event, str(fields))

    with TestClient(create_app(engine, log_request=full)) as client:
        assert client.get("/livez").status_code == 200
        assert client.post("/embeddings", json={"text": "a"}).status_code == 200
