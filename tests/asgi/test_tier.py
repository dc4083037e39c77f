from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.asgi.conftest import CheckedClient


def test_an_answer_names_its_tier(client: CheckedClient):
    answer = client.post("/skills/search", json={"query": "anything"})
    assert answer.json()["tier"] == "full"
    answer = client.post("/skills/search", json={"query": "anything", "tier": "full"})
    assert answer.json()["tier"] == "full"


def test_a_tier_that_cannot_be_had_is_a_conflict(client: CheckedClient):
    answer = client.post("/skills/search", json={"query": "anything", "tier": "fast"})
    assert answer.status_code == 409
    assert "fast tier" in answer.json()["detail"]


def test_a_tier_that_does_not_exist_is_an_invalid_field(client: CheckedClient):
    answer = client.post("/skills/search", json={"query": "anything", "tier": "slow"})
    assert answer.status_code == 422
    assert "tier" in str(answer.json()["errors"])
