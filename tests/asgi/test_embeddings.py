from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking_asgi.limits import NAME_CHARS_MAX, TEXTS_MAX

if TYPE_CHECKING:
    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine


def embed(client: CheckedClient, **body: Any) -> dict[str, Any]:
    response = client.post("/embeddings", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_one_text_gives_the_contract_fields_with_their_exact_types(client: CheckedClient):
    answer = embed(client, text="a calm sea")
    assert len(answer["embedding"]) == answer["dimension"] == 768
    assert np.linalg.norm(answer["embedding"]) == pytest.approx(1.0, abs=1e-6)
    assert answer["cached"] is answer["cache_hit"] is False
    assert answer["token_usage"] == 5
    assert type(answer["token_usage"]) is int
    assert answer["truncated"] is False
    assert type(answer["model"]) is str
    assert "embeddings" not in answer


def test_floats_survive_json_to_the_last_bit(client: CheckedClient, engine: Engine):
    written = np.array(embed(client, text="three words here")["embedding"], dtype=np.float32)
    assert np.array_equal(written, engine.embed(["three words here"]).vectors[0])


def test_the_repeat_is_a_hit_and_the_same_vector(client: CheckedClient):
    first, second = embed(client, text="again"), embed(client, text="again")
    assert (first["cached"], second["cached"], second["cache_hit"]) == (False, True, True)
    assert first["embedding"] == second["embedding"]


def test_a_cache_key_is_a_namespace_and_never_shares_vectors_between_texts(client: CheckedClient):
    one = embed(client, text="one text", cache_key="key")
    other = embed(client, text="another thing", cache_key="key")
    assert other["cached"] is False
    assert one["embedding"] != other["embedding"]
    assert embed(client, text="one text", cache_key="key")["cached"] is True
    assert embed(client, text="one text", cache_key="elsewhere")["cached"] is False
    assert embed(client, text="one text", cache_key=None)["cached"] is False


def test_several_texts_come_back_in_order_with_their_own_facts(client: CheckedClient):
    long = "word " * 1000
    alone = embed(client, text="alpha beta")["embedding"]
    answer = embed(client, texts=["alpha beta", long, "gamma"])
    assert answer["embeddings"][0] == alone
    assert len(answer["embeddings"]) == 3
    assert [item["cached"] for item in answer["items"]] == [True, False, False]
    assert [item["truncated"] for item in answer["items"]] == [False, True, False]
    assert answer["token_usage"] == sum(item["token_usage"] for item in answer["items"])
    assert (answer["cached"], answer["truncated"]) == (False, True)
    assert "embedding" not in answer


def test_a_megabyte_of_text_is_accepted_and_reported_as_truncated(shared_client: CheckedClient):
    answer = embed(shared_client, text="word " * 200_000)
    assert answer["truncated"] is True
    assert len(answer["embedding"]) == 768


def test_unknown_fields_are_ignored(shared_client: CheckedClient):
    assert embed(shared_client, text="a", colour="blue", nested={"x": [1]})["dimension"] == 768


@pytest.mark.parametrize(
    "text", ["\U0001f600", "日本語", "a\u0000b", "\u202eabc", "'; DROP TABLE x"]
)
def test_any_unicode_text_is_embedded(shared_client: CheckedClient, text: str):
    assert embed(shared_client, text=text)["dimension"] == 768


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ({}, ["body", "text"]),
        ({"text": None}, ["body", "text"]),
        ({"text": 5}, ["body", "text"]),
        ({"text": ["a"]}, ["body", "text"]),
        ({"text": ""}, ["body", "text"]),
        ({"text": " \n"}, ["body", "text"]),
        ({"text": "a", "texts": ["b"]}, ["body", "text"]),
        ({"texts": []}, ["body", "texts"]),
        ({"texts": "a"}, ["body", "texts"]),
        ({"texts": ["a", 5]}, ["body", "texts", 1]),
        ({"texts": ["a", ""]}, ["body", "texts", 1]),
        ({"text": "a", "cache_key": 5}, ["body", "cache_key"]),
    ],
)
def test_a_wrong_field_is_422_and_named(
    shared_client: CheckedClient, body: Any, loc: list[str | int]
):
    response = shared_client.post("/embeddings", json=body)
    problem = response.json()
    assert response.status_code == 422
    assert problem["errors"][0]["loc"] == loc
    assert problem["errors"][0]["msg"]
    assert type(problem["detail"]) is str


@pytest.mark.parametrize(
    ("count", "status"),
    [(TEXTS_MAX - 1, 200), (TEXTS_MAX, 200), (TEXTS_MAX + 1, 422), (10_000, 422)],
)
def test_the_number_of_texts_is_limited(shared_client: CheckedClient, count: int, status: int):
    response = shared_client.post("/embeddings", json={"texts": ["same"] * count})
    assert response.status_code == status
    if status == 200:
        assert len(response.json()["embeddings"]) == count
    else:
        assert response.json()["errors"][0]["loc"] == ["body", "texts"]


@pytest.mark.parametrize(
    ("chars", "status"),
    [(NAME_CHARS_MAX - 1, 200), (NAME_CHARS_MAX, 200), (NAME_CHARS_MAX + 1, 422)],
)
def test_the_length_of_a_cache_key_is_limited(
    shared_client: CheckedClient, chars: int, status: int
):
    body = {"text": "a", "cache_key": "k" * chars}
    assert shared_client.post("/embeddings", json=body).status_code == status


def test_the_encoder_has_a_health_route(client: CheckedClient):
    answer = client.get("/embeddings/health").json()
    assert (answer["status"], answer["dimension"]) == ("healthy", 768)
