from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking_asgi.limits import TEXTS_MAX, TOKENS_MAX

if TYPE_CHECKING:
    import httpx2
    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine


def ask(client: CheckedClient, **body: Any) -> httpx2.Response:
    return client.post("/v1/embeddings", json=body)


def vectors(response: httpx2.Response) -> list[list[float]]:
    assert response.status_code == 200, response.text
    return [item["embedding"] for item in response.json()["data"]]


def test_a_text_gives_openais_answer(client: CheckedClient, engine: Engine):
    answer = ask(client, input="a calm sea", model=engine.model).json()
    assert answer["object"] == "list"
    assert answer["model"] == engine.model
    assert answer["usage"] == {"prompt_tokens": 5, "total_tokens": 5}
    (item,) = answer["data"]
    assert (item["object"], item["index"], len(item["embedding"])) == ("embedding", 0, 768)


def test_both_interfaces_give_the_same_vector(client: CheckedClient):
    legacy = client.post("/embeddings", json={"text": "one vector"}).json()["embedding"]
    assert vectors(ask(client, input="one vector", model="openviking")) == [legacy]


def test_base64_is_the_little_endian_float32_of_the_same_numbers(client: CheckedClient):
    (plain,) = vectors(ask(client, input="a", model="openviking", encoding_format="float"))
    (coded,) = vectors(ask(client, input="a", model="openviking", encoding_format="base64"))
    raw = base64.b64decode(str(coded), validate=True)
    assert np.array_equal(np.frombuffer(raw, "<f4"), np.array(plain, np.float32))


def test_texts_tokens_and_lists_of_tokens_are_accepted(client: CheckedClient, engine: Engine):
    assert len(vectors(ask(client, input=["a", "b"], model="openviking"))) == 2
    (single,) = vectors(ask(client, input=[7, 8], model="openviking"))
    assert vectors(ask(client, input=[[7, 8], [9]], model="openviking"))[0] == single
    assert np.array_equal(np.array(single, np.float32), engine.embed_tokens([[7, 8]]).vectors[0])


@pytest.mark.parametrize("name", ["openviking", None])
def test_the_model_answers_to_its_names_and_to_none(shared_client: CheckedClient, name: str | None):
    assert ask(shared_client, input="a", model=name).status_code == 200


def test_a_foreign_model_is_404_model_not_found(shared_client: CheckedClient):
    response = ask(shared_client, input="a", model="text-embedding-3-small")
    error = response.json()["error"]
    assert response.status_code == 404
    assert error["code"] == "model_not_found"
    assert error["param"] == "model"
    assert "text-embedding-3-small" in error["message"]


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 422, "input"),
        ({"input": None}, 422, "input"),
        ({"input": ""}, 422, "input"),
        ({"input": []}, 422, "input"),
        ({"input": ["a", ""]}, 422, "input.1"),
        ({"input": ["a", 5]}, 422, "input.1"),
        ({"input": [[1], "a"]}, 422, "input.1"),
        ({"input": [1.5]}, 422, "input.0"),
        ({"input": {"a": 1}}, 422, "input"),
        ({"input": "a", "model": 5}, 422, "model"),
        ({"input": "a", "dimensions": 256}, 400, "dimensions"),
        ({"input": "a", "dimensions": 769}, 400, "dimensions"),
        ({"input": "a", "dimensions": "768"}, 422, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, 400, "encoding_format"),
    ],
)
def test_a_wrong_value_is_refused_in_openais_shape(
    shared_client: CheckedClient, body: Any, status: int, param: str
):
    response = shared_client.post("/v1/embeddings", json=body)
    error = response.json()["error"]
    assert response.status_code == status
    assert set(error) == {"message", "type", "param", "code"}
    assert (error["type"], error["param"]) == ("invalid_request_error", param)


def test_dimensions_that_the_model_has_are_accepted(shared_client: CheckedClient):
    assert (
        ask(shared_client, input="a", model="openviking", dimensions=768, user="me").status_code
        == 200
    )


@pytest.mark.parametrize(("count", "status"), [(TEXTS_MAX, 200), (TEXTS_MAX + 1, 422)])
def test_the_number_of_inputs_is_limited(shared_client: CheckedClient, count: int, status: int):
    assert ask(shared_client, input=["a"] * count, encoding_format="base64").status_code == status


@pytest.mark.parametrize(
    ("count", "status"), [(TOKENS_MAX // 1024, 200), (TOKENS_MAX // 1024 + 1, 422)]
)
def test_the_number_of_tokens_is_limited(shared_client: CheckedClient, count: int, status: int):
    assert (
        ask(shared_client, input=[[7] * 1024] * count, encoding_format="base64").status_code
        == status
    )


def test_models_lists_the_one_model_and_describes_it(client: CheckedClient, engine: Engine):
    (model,) = client.get("/v1/models").json()["data"]
    assert model["id"] == engine.model
    assert type(model["created"]) is int
    assert client.get(f"/v1/models/{engine.model}").json() == model
    assert client.get(f"/v1/models/sentence-transformers/{engine.model}").json() == model


def test_errors_of_the_router_below_v1_have_openais_shape_too(shared_client: CheckedClient):
    assert shared_client.get("/v1/models/gpt-4").json()["error"]["code"] == "model_not_found"
    assert shared_client.get("/v1/nothing").json()["error"]["code"] == "not_found"
    assert shared_client.put("/v1/embeddings").json()["error"]["code"] == "method_not_allowed"
