"""Runbook calls: each answers with what is in force, and it is in force."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from starlette.testclient import TestClient
from tests.asgi.conftest import BlockedEncoder, open_client

from openviking.config import Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.errors import ConflictError, EncoderError, InputError, StoreError
from openviking.store import SqliteStore
from openviking_asgi.app import create_app
from openviking_asgi.breaker import CircuitBreaker
from openviking_asgi.errors import LateError, RequestError
from openviking_asgi.limits import CACHE_ENTRIES_MAX, DEADLINE_MS_MAX, DEADLINE_MS_MIN, QUEUE_MAX

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient

    from openviking.types import Embeddings


def post(client: TestClient, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(f"/admin/{path}", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def embed(client: TestClient, text: str) -> bool:
    return bool(client.post("/embeddings", json={"text": text}).json()["cached"])


def test_the_cache_holds_as_many_embeddings_as_it_is_told(client: CheckedClient, engine: Engine):
    for number in range(5):
        embed(client, f"text {number}")

    answer = post(client, "cache/resize", max_size=3)

    assert (answer["max_size"], answer["entries"], answer["evicted"]) == (3, 3, 2)
    assert answer["previous_max_size"] > 1000
    assert answer["bytes_max"] == engine.cache.stats()["bytes_max"]
    assert embed(client, "text 4")
    assert not embed(client, "text 0")
    assert engine.cache.stats()["entries"] == 3


def test_a_cache_of_size_0_keeps_nothing_until_it_is_given_room(
    client: CheckedClient, engine: Engine
):
    post(client, "cache/resize", max_size=0)
    assert not embed(client, "a")
    assert not embed(client, "a")
    refused = client.post("/admin/cache/aggressive", json={})
    assert refused.status_code == 409
    assert "cache/resize" in refused.json()["detail"]

    assert post(client, "cache/resize")["max_size"] == 2000
    embed(client, "a")
    assert embed(client, "a")
    assert engine.cache.stats()["entries"] == 1


def test_aggressive_caching_sets_the_time_to_live_and_refuses_what_cannot(
    client: CheckedClient, engine: Engine
):
    answer = post(client, "cache/aggressive", cache_ttl_seconds=1800, force_cache=True)

    assert answer["force_cache"] is True
    assert answer["cache_ttl_seconds"] == 1800
    assert answer["redis"] == "off"
    assert engine.cache.stats()["ttl_s"] == 1800
    embed(client, "a")
    assert embed(client, "a")
    refused = client.post("/admin/cache/aggressive", json={"force_cache": False})
    assert refused.status_code == 409


def test_the_queue_refuses_beyond_its_new_size_while_the_runbook_still_answers(tmp_path: Path):
    encoder, statuses = BlockedEncoder(), []
    with (
        Engine.open(Settings(), encoder=encoder, store=SqliteStore(tmp_path)) as engine,
        open_client(engine) as client,
    ):
        answer = post(client, "queue/enable", max_queue_size=1, timeout_ms=20_000)
        assert (answer["max_queue_size"], answer["timeout_ms"]) == (1, 20_000)

        def ask() -> None:
            statuses.append(client.post("/embeddings", json={"text": "a"}).status_code)

        first = threading.Thread(target=ask)
        first.start()
        assert encoder.has_begun.wait(10)
        refused = client.post("/embeddings", json={"text": "b"})
        wider = post(client, "queue/enable", max_queue_size=10, timeout_ms=20_000)
        encoder.may_end.set()
        accepted = client.post("/embeddings", json={"text": "b"})
        first.join(10)

    assert refused.status_code == 429
    assert (wider["max_queue_size"], wider["jobs"]) == (10, 1)
    assert accepted.status_code == 200
    assert statuses == [200]


def test_the_deadline_holds_for_the_next_request(tmp_path: Path):
    encoder = BlockedEncoder()
    with (
        Engine.open(Settings(), encoder=encoder, store=SqliteStore(tmp_path)) as engine,
        open_client(engine) as client,
    ):
        post(client, "queue/enable", timeout_ms=DEADLINE_MS_MIN)
        late = client.post("/embeddings", json={"text": "a"})
        encoder.may_end.set()

    assert late.status_code == 503
    assert "not finished within 1 s" in late.json()["detail"]


class FailingEncoder(HashingEncoder):
    """Fails as long as it is told to, and counts how often it was asked."""

    is_failing = True
    calls = 0

    def encode(self, texts: Sequence[str]) -> Embeddings:
        self.calls += 1
        if self.is_failing:
            raise EncoderError("the model failed")
        return super().encode(texts)


def test_an_operation_that_keeps_failing_is_refused_without_asking_the_model(tmp_path: Path):
    encoder = FailingEncoder()
    with (
        Engine.open(Settings(), encoder=encoder, store=SqliteStore(tmp_path)) as engine,
        open_client(engine) as client,
    ):
        answer = post(client, "circuit-breaker/enable", failure_threshold=3, recovery_timeout=60)
        assert answer["failure_threshold"] == 3
        for _ in range(3):
            assert client.post("/embeddings", json={"text": "a"}).json()["detail"] == (
                "the model failed"
            )
        calls = encoder.calls
        refused = client.post("/embeddings", json={"text": "a"})
        other = client.get("/resources")
        again = post(client, "circuit-breaker/enable", failure_threshold=3)
        encoder.is_failing = False
        healed = client.post("/embeddings", json={"text": "a"})

    assert encoder.calls == calls + 1
    assert refused.status_code == 503
    assert 50 < int(refused.headers["retry-after"]) <= 60
    assert "3 times in a row" in refused.json()["detail"]
    assert other.status_code == 200
    assert again["open_operations"] == []
    assert healed.status_code == 200


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def fail(breaker: CircuitBreaker, times: int, error: BaseException | None = None) -> None:
    for _ in range(times):
        breaker.admit("embed")
        breaker.settle("embed", error or StoreError("down"))


def is_open(breaker: CircuitBreaker) -> bool:
    try:
        breaker.admit("embed")
    except RequestError:
        return True
    breaker.settle("embed", InputError("says nothing"))
    return False


def test_a_breaker_that_is_off_never_opens():
    breaker = CircuitBreaker()
    fail(breaker, 100)

    assert not is_open(breaker)
    assert breaker.state().failure_threshold is None


def test_after_its_time_one_request_may_try_and_decides():
    clock = Clock()
    breaker = CircuitBreaker(clock)
    breaker.enable(2, 30.0)
    fail(breaker, 2)
    assert is_open(breaker)
    assert breaker.state().open_operations == ("embed",)

    clock.now += 30
    breaker.admit("embed")
    assert is_open(breaker)
    breaker.settle("embed", LateError("late"))
    assert is_open(breaker)

    clock.now += 30
    breaker.admit("embed")
    breaker.settle("embed", None)
    assert not is_open(breaker)
    assert breaker.state().open_operations == ()
    assert breaker.state().refused == 3


def test_a_try_that_says_nothing_leaves_the_next_one_to_try():
    clock = Clock()
    breaker = CircuitBreaker(clock)
    breaker.enable(1, 5.0)
    fail(breaker, 1)
    clock.now += 5

    breaker.admit("embed")
    breaker.settle("embed", ConflictError("the client's fault"))

    breaker.admit("embed")


@pytest.mark.parametrize("error", [InputError("x"), ConflictError("x"), KeyboardInterrupt()])
def test_what_the_client_did_wrong_is_no_failure(error: BaseException):
    breaker = CircuitBreaker()
    breaker.enable(1, 5.0)
    fail(breaker, 5, error)

    assert not is_open(breaker)


def test_a_success_begins_the_count_anew():
    breaker = CircuitBreaker()
    breaker.enable(3, 5.0)
    for _ in range(5):
        fail(breaker, 2)
        breaker.admit("embed")
        breaker.settle("embed", None)

    assert not is_open(breaker)


LIMITS = [
    ("circuit-breaker/enable", "failure_threshold", 1, 1_000_000),
    ("circuit-breaker/enable", "recovery_timeout", 1, 86_400),
    ("cache/resize", "max_size", 0, CACHE_ENTRIES_MAX),
    ("queue/enable", "max_queue_size", 1, QUEUE_MAX),
    ("queue/enable", "timeout_ms", DEADLINE_MS_MIN, DEADLINE_MS_MAX),
    ("cache/aggressive", "cache_ttl_seconds", 1, 31_536_000),
]


@pytest.mark.parametrize(("path", "field", "low", "high"), LIMITS)
def test_values_are_limited(client: CheckedClient, path: str, field: str, low: int, high: int):
    for value, status in ((low, 200), (high, 200), (high - 1, 200)):
        assert client.post(f"/admin/{path}", json={field: value}).status_code == status
    wrong_values: list[Any] = [low - 1, high + 1, "5", None, [], 1e300]
    for wrong in wrong_values:
        response = client.post(f"/admin/{path}", json={field: wrong})
        assert response.status_code == 422, (wrong, response.text)
        assert response.json()["errors"][0]["loc"] == ["body", field]


def test_a_web_page_cannot_change_a_limit(client: CheckedClient):
    for kind in ("text/plain", "application/x-www-form-urlencoded", None):
        headers = {"origin": "https://elsewhere.example"} | (
            {} if kind is None else {"content-type": kind}
        )
        response = client.post("/admin/cache/resize", content=b'{"max_size": 0}', headers=headers)
        assert response.status_code == 415


def test_the_migration_is_completed_when_everything_can_be_searched(
    client: CheckedClient, engine: Engine
):
    client.post("/resources", json={"content": "a", "target_uri": "u"})

    status = client.get("/migration/status").json()

    assert status["status"] == "completed"
    assert status["counts"]["resources"] == 1
    assert status["features"] == list(engine.features)
    engine.store.close()
    assert client.get("/migration/status").json()["status"] == "in_progress"


def test_while_loading_the_migration_is_in_progress_and_the_cache_is_not_there(engine: Engine):
    client = TestClient(create_app(lambda: engine))

    assert client.get("/migration/status").json()["status"] == "in_progress"
    assert client.post("/admin/cache/resize", json={}).status_code == 503
    assert client.post("/admin/queue/enable", json={}).status_code == 200
