from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from openviking.skills.bundle import FILE_BYTES_MAX
from openviking_asgi.limits import NAME_CHARS_MAX, PAGE_MAX, RESULTS_MAX

if TYPE_CHECKING:
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient

    from openviking.engine import Engine

SKILL = """---
name: csv-cleaner
description: Cleans a messy CSV file
category: data
---
# Cleaning
Guess the separator first.
"""


@pytest.fixture
def stocked(client: CheckedClient) -> CheckedClient:
    for fields in (
        {"content": SKILL},
        {
            "name": "PDF Reader",
            "description": "Reads text out of PDF documents",
            "category": "data",
        },
        {"name": "Poet", "description": "Writes a poem in a given metre", "category": "arts"},
    ):
        assert client.post("/skills", json=fields).status_code == 201
    return client


def search(client: CheckedClient, **body: Any) -> dict[str, Any]:
    response = client.post("/skills/search", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_search_answers_with_the_contract_fields(stocked: CheckedClient):
    answer = search(stocked, query="clean a messy csv file")
    assert set(answer) >= {"skills", "query", "found_count", "search_time_ms", "category"}
    assert answer["found_count"] == len(answer["skills"]) >= 1
    assert answer["query"] == "clean a messy csv file"
    assert type(answer["search_time_ms"]) is float
    best = answer["skills"][0]
    assert set(best) == {
        "id", "name", "description", "category", "subcategory", "examples", "complexity",
        "parent_skill", "related_skills", "sub_skills", "usage_count", "disabled", "score", "why",
    }  # fmt: skip
    assert best["id"] == "csv-cleaner"
    assert type(best["complexity"]) is int
    assert type(best["score"]) is float
    assert best["why"]["lexical_rank"] == 1
    assert "csv" in best["why"]["terms"]


def test_a_query_that_nothing_fits_is_200_with_no_skills(stocked: CheckedClient):
    answer = search(stocked, query="zzz qqq")
    assert (answer["skills"], answer["found_count"]) == ([], 0)


@pytest.mark.parametrize(
    ("category", "found"), [(None, 1), ("general", 1), ("data", 1), ("arts", 0)]
)
def test_a_category_filters_and_general_means_all(
    stocked: CheckedClient, category: str | None, found: int
):
    answer = search(stocked, query="messy csv", category=category)
    assert answer["found_count"] == found
    assert answer["category"] == category


def test_unknown_fields_are_ignored(stocked: CheckedClient):
    assert search(stocked, query="messy csv", agent="x", hierarchical=True)["found_count"] == 1


@pytest.mark.parametrize(
    ("max_results", "status"),
    [
        (0, 422), (1, 200), (2, 200), (-1, 422),
        (RESULTS_MAX - 1, 200), (RESULTS_MAX, 200), (RESULTS_MAX + 1, 422),
        (10**9, 422), (10**30, 422), (1.5, 422), ("5", 422), (True, 422),
    ],
)  # fmt: skip
def test_max_results_has_limits(stocked: CheckedClient, max_results: Any, status: int):
    body = {"query": "messy csv file documents", "max_results": max_results}
    response = stocked.post("/skills/search", json=body)
    assert response.status_code == status
    if status == 422:
        assert response.json()["errors"][0]["loc"] == ["body", "max_results"]
    else:
        assert response.json()["found_count"] <= max_results


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "query"),
        ({"query": ""}, "query"),
        ({"query": "  "}, "query"),
        ({"query": 5}, "query"),
        ({"query": None}, "query"),
        ({"query": "a", "category": 5}, "category"),
        ({"query": "a", "category": "c" * (NAME_CHARS_MAX + 1)}, "category"),
        ({"query": "a", "hierarchical": "yes"}, "hierarchical"),
    ],
)
def test_a_wrong_search_field_is_422_and_named(shared_client: CheckedClient, body: Any, field: str):
    response = shared_client.post("/skills/search", json=body)
    assert response.status_code == 422
    assert response.json()["errors"][0]["loc"] == ["body", field]


@pytest.mark.parametrize(
    "query", ["AND OR NOT", '"', "a*", "NEAR(", "col:x", "-", "\U0001f600", "x" * 100_000, "\u0000"]
)
def test_no_query_is_taken_as_syntax(stocked: CheckedClient, query: str):
    response = stocked.post("/skills/search", json={"query": query})
    assert response.status_code in {200, 422}


def test_a_skill_is_created_from_content_and_read_back_whole(client: CheckedClient):
    created = client.post("/skills", json={"content": SKILL})
    assert created.status_code == 201
    skill = client.get("/skills/csv-cleaner").json()
    assert skill["body"].startswith("# Cleaning")
    assert skill["files"] == []
    assert skill["category"] == "data"
    assert skill["origin"] == "api"


def test_reading_a_skill_counts_its_use_and_asking_for_its_head_does_not(stocked: CheckedClient):
    assert stocked.get("/skills/poet").json()["usage_count"] == 1
    stocked.head("/skills/poet")
    assert stocked.get("/skills/poet").json()["usage_count"] == 2
    assert stocked.get("/skills").json()["skills"][2]["usage_count"] == 2


def test_bundled_files_of_a_skill_folder_are_listed(
    client: CheckedClient, engine: Engine, tmp_path: Path
):
    folder = tmp_path / "skills" / "csv-cleaner"
    (folder / "scripts").mkdir(parents=True)
    (folder / "SKILL.md").write_text(SKILL)
    (folder / "scripts" / "run.py").write_text("pass")
    engine.skills.import_paths([tmp_path / "skills"])
    assert client.get("/skills/csv-cleaner").json()["files"] == ["scripts/run.py"]


def test_skills_are_replaced_and_deleted(stocked: CheckedClient):
    body = {"name": "Poet", "description": "Writes limericks about ducks"}
    assert stocked.put("/skills/poet", json=body).json()["description"] == body["description"]
    assert search(stocked, query="limericks ducks")["skills"][0]["id"] == "poet"
    assert stocked.delete("/skills/poet").json()["success"] is True
    assert stocked.get("/skills/poet").status_code == 404
    assert search(stocked, query="limericks ducks")["found_count"] == 0


def test_a_missing_skill_is_404_everywhere(client: CheckedClient):
    body = {"name": "a", "description": "b"}
    assert client.get("/skills/nothing").status_code == 404
    assert client.put("/skills/nothing", json=body).status_code == 404
    assert client.delete("/skills/nothing").status_code == 404


def test_a_taken_id_is_409(stocked: CheckedClient):
    response = stocked.post("/skills", json={"content": SKILL})
    assert response.status_code == 409
    assert "csv-cleaner" in response.json()["detail"]


def test_a_skill_of_a_watched_folder_is_changed_on_disk_only(
    client: CheckedClient, engine: Engine, tmp_path: Path
):
    folder = tmp_path / "skills" / "csv-cleaner"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(SKILL)
    engine.skills.import_paths([tmp_path / "skills"])
    engine.skills.watch([tmp_path / "skills"])
    for response in (
        client.put("/skills/csv-cleaner", json={"content": SKILL}),
        client.delete("/skills/csv-cleaner"),
    ):
        assert response.status_code == 409
        assert response.json()["type"].endswith("conflict")


@pytest.mark.parametrize(
    "line",
    [
        "metadata: {a: 2020-01-01, b: .nan, c: !!binary aGVsbG8=, 1: 2, null: 3}",
        "metadata:\n  ? [a, b]\n  : c\n  1.5: {2: {3: .inf}}",
        "metadata: !!python/object:os.system x",
        "metadata: &a [*a]",
        "metadata: {a: " + "9" * 5000 + "}",
        "x: " + "[" * 5000,
        "allowed-tools: {a: b}",
    ],
)
def test_hostile_front_matter_comes_back_as_json(client: CheckedClient, line: str):
    content = f"---\nname: hostile\ndescription: d\n{line}\n---\nbody"
    assert client.post("/skills", json={"content": content}).status_code == 201
    assert client.get("/skills/hostile").status_code == 200
    assert client.post("/skills/validate", json={"content": content}).status_code == 200


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, None),
        ({"content": ""}, "content"),
        ({"content": 5}, "content"),
        ({"content": SKILL, "name": "x"}, "content"),
        ({"name": "x"}, "description"),
        ({"name": "", "description": "d"}, "name"),
        ({"name": "x", "description": "d", "complexity": 99}, "complexity"),
        ({"name": "x", "description": "d", "complexity": "high"}, "complexity"),
        ({"name": "x", "description": "d", "examples": "one"}, "examples"),
        ({"name": "x", "description": "d", "examples": [1]}, "examples"),
        ({"name": "x", "description": "d", "id": "Not Kebab"}, "id"),
        ({"name": "x", "description": "d", "metadata": [1]}, "metadata"),
        ({"name": "x", "description": "d", "metadata": {"a": "x" * 70_000}}, "metadata"),
    ],
)
def test_a_skill_that_cannot_be_stored_is_422_and_named(
    shared_client: CheckedClient, body: Any, field: str | None
):
    response = shared_client.post("/skills", json=body)
    assert response.status_code == 422, response.text
    if field is not None:
        assert response.json()["errors"][0]["loc"][:2] == ["body", field]


def test_integers_beyond_64_bits_come_back_as_they_were(client: CheckedClient):
    body = {"name": "x", "description": "d", "metadata": {"big": 10**30}}
    assert client.post("/skills", json=body).status_code == 201
    assert client.get("/skills/x").json()["metadata"] == {"big": 10**30}


def test_skills_are_listed_in_pages(stocked: CheckedClient):
    first = stocked.get("/skills", params={"limit": 2}).json()
    assert [skill["id"] for skill in first["skills"]] == ["csv-cleaner", "pdf-reader"]
    rest = stocked.get("/skills", params={"limit": 2, "after": first["next"]}).json()
    assert [skill["id"] for skill in rest["skills"]] == ["poet"]
    assert rest["next"] is None
    assert stocked.get("/skills", params={"category": "arts"}).json()["count"] == 1


@pytest.mark.parametrize(
    ("limit", "status"),
    [("0", 422), ("1", 200), (str(PAGE_MAX), 200), (str(PAGE_MAX + 1), 422), ("x", 422), ("", 200)],
)
def test_a_page_has_limits(shared_client: CheckedClient, limit: str, status: int):
    for path in ("/skills", "/resources"):
        response = shared_client.get(f"{path}?limit={limit}")
        assert response.status_code == status
        if status == 422:
            assert response.json()["errors"][0]["loc"] == ["query", "limit"]


def test_the_tree_has_every_name_once(stocked: CheckedClient):
    tree = stocked.get("/skills/hierarchical").json()
    assert tree["total_skills"] == 3
    names = [
        name for areas in tree["categories"].values() for sub in areas.values() for name in sub
    ]
    assert sorted(names) == ["PDF Reader", "Poet", "csv-cleaner"]
    assert tree["last_updated"]


def test_a_text_is_validated_without_being_stored(client: CheckedClient):
    bad = client.post("/skills/validate", json={"content": "---\nname: [x\n---\n"}).json()
    assert bad["valid"] is False
    assert "frontmatter-yaml" in {finding["code"] for finding in bad["findings"]}
    assert client.post("/skills/validate", json={"content": SKILL}).json()["valid"] is True
    assert client.post("/skills/validate", json={"content": ""}).json()["id"] is None
    assert client.get("/skills").json()["count"] == 0


def test_a_bundled_file_is_given_out_as_bytes_and_nothing_else_is(
    client: CheckedClient, engine: Engine, tmp_path: Path
):
    home = tmp_path / "files" / "tool"
    (home / "docs").mkdir(parents=True)
    (home / "SKILL.md").write_text(SKILL)
    (home / "docs" / "page.html").write_text("<script>alert(1)</script>")
    (tmp_path / "files" / "secret").write_text("secret")
    engine.skills.import_paths([tmp_path / "files"])

    answer = client.get("/skills/csv-cleaner/files/docs/page.html")

    assert answer.status_code == 200
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"] == "attachment"
    assert client.get("/skills/csv-cleaner").json()["files"] == ["docs/page.html"]
    for path in ("%2e%2e/secret", "..%2fsecret", "docs/%2e%2e/%2e%2e/secret", "docs", "SKILL.md"):
        assert client.get(f"/skills/csv-cleaner/files/{path}").status_code == 404
    assert client.get("/skills/none/files/docs/page.html").status_code == 404
    with (home / "big.bin").open("wb") as stream:
        stream.truncate(FILE_BYTES_MAX + 1)
    large = client.get("/skills/csv-cleaner/files/big.bin")
    assert (large.status_code, large.json()["errors"][0]["loc"]) == (413, ["path"])


@pytest.mark.parametrize(
    ("path", "body"),
    [("?explain", {}), ("?explain=true", {}), ("?k=1&explain", {}), ("", {"explain": True})],
)
def test_an_explanation_spells_out_the_scores(
    stocked: CheckedClient, path: str, body: dict[str, Any]
):
    sent = {"query": "clean a messy csv file", **body}
    answer = stocked.post(f"/skills/search{path}", json=sent).json()

    explanation, best = answer["explanation"], answer["skills"][0]
    assert explanation["fitness"]["is_fit"]
    assert explanation["held_back"] == []
    assert explanation["words"]["csv"] == 1
    reasons = explanation["hits"][0]
    assert (reasons["id"], reasons["score"]) == (best["id"], best["score"])
    assert reasons["sum"].startswith(f"score {best['score']:.3f} = meaning ")
    assert "messy CSV" in reasons["passage"]


def test_a_plain_search_carries_no_explanation(stocked: CheckedClient):
    for path in ("", "?explain=false", "?explains"):
        answer = stocked.post(f"/skills/search{path}", json={"query": "clean a csv file"}).json()
        assert "explanation" not in answer


def test_a_skill_names_the_files_that_it_overrides(
    client: CheckedClient, engine: Engine, tmp_path: Path
):
    for owner in ("mine", "project"):
        (tmp_path / owner / "csv-cleaner").mkdir(parents=True)
        (tmp_path / owner / "csv-cleaner" / "SKILL.md").write_text(SKILL)
    engine.skills.import_paths([tmp_path / "mine", tmp_path / "project"])

    skill = client.get("/skills/csv-cleaner").json()

    assert skill["overrides"] == [str(tmp_path / "mine" / "csv-cleaner" / "SKILL.md")]


def switch(client: CheckedClient, skill_id: str, *, disabled: bool) -> dict[str, Any]:
    response = client.patch(f"/skills/{skill_id}", json={"disabled": disabled})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def test_a_disabled_skill_is_as_if_it_were_not_there_unless_asked_for(stocked: CheckedClient):
    answer = switch(stocked, "csv-cleaner", disabled=True)

    assert answer["disabled"] is True
    assert answer["searched"] is False
    assert "csv-cleaner" not in str(search(stocked, query="clean a messy csv file")["skills"])
    assert [skill["id"] for skill in stocked.get("/skills").json()["skills"]] == [
        "pdf-reader", "poet",
    ]  # fmt: skip
    assert stocked.get("/skills/hierarchical").json()["total_skills"] == 2
    gone = stocked.get("/skills/csv-cleaner")
    assert gone.status_code == 404
    assert "include_disabled" in gone.json()["detail"]
    assert stocked.get("/skills/csv-cleaner/files/x").status_code == 404
    for flag in ("include_disabled", "include_disabled=true"):
        page = stocked.get(f"/skills?{flag}").json()["skills"]
        assert [skill["disabled"] for skill in page] == [True, False, False]
        whole = stocked.get(f"/skills/csv-cleaner?{flag}").json()
        assert (whole["disabled"], whole["usage_count"]) == (True, 0)

    assert switch(stocked, "csv-cleaner", disabled=False)["searched"] is True
    assert search(stocked, query="clean a messy csv file")["skills"][0]["id"] == "csv-cleaner"
    assert stocked.get("/skills/csv-cleaner").json()["usage_count"] == 1


def test_a_replaced_skill_stays_disabled_and_a_deleted_one_does_not(stocked: CheckedClient):
    switch(stocked, "csv-cleaner", disabled=True)
    assert stocked.put("/skills/csv-cleaner", json={"content": SKILL}).json()["disabled"] is True
    assert stocked.delete("/skills/csv-cleaner").status_code == 200
    assert stocked.post("/skills", json={"content": SKILL}).json()["disabled"] is False


@pytest.mark.parametrize("body", [{}, {"disabled": "yes"}, {"disabled": None}])
def test_a_switch_must_say_which_way(stocked: CheckedClient, body: dict[str, Any]):
    refused = stocked.patch("/skills/poet", json=body)
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["loc"] == ["body", "disabled"]
    assert stocked.patch("/skills/nobody", json={"disabled": True}).status_code == 404


def test_enabling_a_skill_that_hides_itself_says_so(client: CheckedClient):
    fields = {"name": "shy", "description": "d", "disable_model_invocation": True}
    assert client.post("/skills", json=fields).status_code == 201
    answer = switch(client, "shy", disabled=False)
    assert (answer["disabled"], answer["searched"]) == (False, False)
    assert "disable-model-invocation" in answer["message"]
