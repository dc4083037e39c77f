from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.asgi.conftest import open_client

from openviking.config import CommandFolders, Settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.asgi.conftest import CheckedClient


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "commands"
    made.mkdir()
    for name in ("plan", "build"):
        (made / f"{name}.md").write_text(
            f"---\ndescription: {name} things\nagent: any\nmodel: any\n---\n1. Do {name}.\n"
        )
    (made / "odd.md").write_text("---\ndescription: a: b\n---\nOdd.\n")
    return made


@pytest.fixture
def client(tmp_path: Path, folder: Path) -> Iterator[CheckedClient]:
    settings = Settings(commands=CommandFolders((folder,)))
    with (
        Engine.open(
            settings, encoder=HashingEncoder(), store=SqliteStore(tmp_path / "s")
        ) as engine,
        open_client(engine) as opened,
    ):
        yield opened


def test_commands_are_listed_sorted_with_their_slash(client: CheckedClient, folder: Path):
    listed = client.get("/commands").json()

    assert [one["name"] for one in listed["commands"]] == ["/build", "/odd", "/plan"]
    assert listed["commands"][0]["description"] == "build things"
    assert (listed["count"], listed["source"]) == (3, str(folder))
    assert [(one["code"], one["line"]) for one in listed["findings"]] == [("frontmatter-yaml", 2)]


@pytest.mark.parametrize("name", ["plan", "/plan", " /PLAN "])
def test_a_command_is_got_with_or_without_its_slash(client: CheckedClient, name: str):
    answer = client.post("/commands/get", json={"name": name})

    assert answer.status_code == 200
    assert answer.json() == {
        "name": "plan", "description": "plan things", "instructions": "1. Do plan.",
        "found": True, "agent": "any", "model": "any",
    }  # fmt: skip


@pytest.mark.parametrize(
    "name", ["nothing", "", "/", "a b", "../plan", "x" * 10_000, "\u202e", "é"]
)
def test_an_unknown_name_is_200_and_not_found(client: CheckedClient, name: str):
    answer = client.post("/commands/get", json={"name": name})

    assert answer.status_code == 200
    assert answer.json()["found"] is False
    assert answer.json()["instructions"] == ""


def test_a_missing_name_is_422_and_named(client: CheckedClient):
    for body in ({}, {"name": None}, {"name": 5}):
        answer = client.post("/commands/get", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"][0]["loc"] == ["body", "name"]


def test_the_path_is_told_by_name_and_an_unknown_name_is_404(client: CheckedClient, folder: Path):
    assert client.get("/commands/plan").json()["path"] == str(folder / "plan.md")
    assert client.get("/commands/%2Fplan").json()["name"] == "plan"
    for name in ("nothing", "...", "%00", quote("é")):
        answer = client.get(f"/commands/{name}")
        assert answer.status_code == 404, name


def test_commands_are_found_by_words(client: CheckedClient):
    answer = client.get("/commands/search/plan%20things").json()

    assert answer["query"] == "plan things"
    assert answer["results"][0]["name"] == "/plan"
    assert answer["count"] == len(answer["results"]) == 2
    for query in ("zzz", "%20", "a/b", "%00", "%3F"):
        assert client.get(f"/commands/search/{query}").json()["count"] == 0, query


def test_an_edit_counts_from_the_next_request_on(client: CheckedClient, folder: Path):
    assert client.post("/commands/get", json={"name": "new"}).json()["found"] is False

    (folder / "new.md").write_text("New.")

    assert client.post("/commands/get", json={"name": "new"}).json()["instructions"] == "New."


def test_a_message_that_begins_with_a_command_answers_with_its_instructions(
    client: CheckedClient,
):
    known = client.post("/conversation", json={"message": "/plan the launch"}).json()
    unknown = client.post("/conversation", json={"message": "/nothing"}).json()

    assert (known["response"], known["response_source"]) == ("1. Do plan.", "command")
    assert "/build" in unknown["response"]
    assert "/plan" in unknown["response"]


def test_the_feature_is_listed(client: CheckedClient):
    assert {"slash_commands", "performance_monitoring"} <= set(
        client.get("/health").json()["features"]
    )
    assert json.loads(client.app.state.services.openapi)["paths"]["/commands/get"]  # type: ignore[attr-defined]
