"""`openviking resources`: round trips, versions, and what is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run, Spawn


def test_what_is_put_comes_back_exactly_in_another_process(spawn: Spawn):
    content = "first line\nGrüße, 你好 🐦\n\ttab, no end"

    put = spawn("resources", "put", "viking://a/b c", "--file", "-", stdin=content.encode())
    got = spawn("resources", "get", "viking://a/b c")

    assert put.returncode == got.returncode == 0, put.stderr + got.stderr
    assert got.stdout == content


def test_a_second_put_makes_a_version_and_ids_still_mean_the_first(run: Run):
    first = json.loads(run("resources", "put", "u", "one", "--json").stdout)
    second = json.loads(run("resources", "put", "u", "two", "--json").stdout)

    assert (first["version"], second["version"]) == (1, 2)
    assert run("resources", "get", "u").stdout == "two"
    assert run("resources", "get", first["id"]).stdout == "one"


def test_everything_that_was_given_is_kept(run: Run):
    run(
        "resources", "put", "u", "text", "--type", "note", "--session", "s-1",
        "--metadata", '{"author": "Olga", "tags": [1, null]}',
    )  # fmt: skip

    found = json.loads(run("resources", "get", "u", "--json").stdout)

    assert found["content"] == "text"
    assert found["target_uri"] == "u"
    assert found["resource_type"] == "note"
    assert found["session_id"] == "s-1"
    assert found["metadata"] == {"author": "Olga", "tags": [1, None]}
    assert found["timestamp"].endswith("+00:00")


def test_a_listing_is_filtered_and_goes_on_where_it_stopped(run: Run):
    for number in range(5):
        run("resources", "put", f"a/{number}", f"text {number}", "--type", "note")
    run("resources", "put", "b", "other")

    first = json.loads(run("resources", "list", "--prefix", "a/", "--limit", "3", "--json").stdout)
    rest = json.loads(
        run("resources", "list", "--prefix", "a/", "--after", first["next"], "--json").stdout
    )
    plain = run("resources", "list", "--limit", "2")

    assert [found["target_uri"] for found in first["resources"]] == ["a/0", "a/1", "a/2"]
    assert [found["target_uri"] for found in rest["resources"]] == ["a/3", "a/4"]
    assert first["count"] == 3
    assert rest["next"] is None
    assert "text 1" in plain.stdout
    assert plain.stderr == "more: --after a/1\n"


def test_deleting_takes_a_uri_or_an_id(run: Run):
    run("resources", "put", "u", "one")
    stored = json.loads(run("resources", "put", "v", "two", "--json").stdout)

    by_uri, by_id = run("resources", "rm", "u"), run("resources", "rm", stored["id"])
    again = run("resources", "rm", "u")

    assert by_uri.exit_code == by_id.exit_code == 0
    assert again.exit_code == 1
    assert again.stderr == "openviking: error: no resource has the URI or id 'u'\n"
    assert json.loads(run("resources", "list", "--json").stdout)["count"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["put", "u"], "give CONTENT or --file"),
        (["put", "u", "text", "--file", "x"], "give CONTENT or --file"),
        (["put", "", "text"], "target_uri"),
        (["put", "u", "t", "--metadata", "[1]"], "expected a JSON object"),
        (["put", "u", "t", "--metadata", "{"], "--metadata: not valid JSON"),
        (["put", "u", "t", "--metadata", '{"a": NaN}'], "metadata"),
        (["list", "--limit", "0"], "limit: expected 1 to 1000"),
        (["put", "u" * 5000, "t"], "target_uri: expected at most"),
    ],
)
def test_wrong_input_is_refused_and_nothing_is_stored(run: Run, words: list[str], said: str):
    result = run("resources", *words)

    assert result.exit_code == 2
    assert said in result.stderr
    assert json.loads(run("resources", "list", "--json").stdout)["count"] == 0


def test_a_file_that_is_no_text_is_refused_by_name_and_place(run: Run, tmp_path: Path):
    (tmp_path / "picture").write_bytes(b"PNG\x89")

    result = run("resources", "put", "u", "--file", tmp_path / "picture")

    assert result.exit_code == 2
    assert "picture: not UTF-8 (byte 0x89 at offset 3)" in result.stderr


def test_a_storage_that_cannot_be_written_is_an_error(run: Run, tmp_path: Path):
    (tmp_path / "file").write_text("in the way")

    for storage in (tmp_path / "file", "/proc/openviking"):
        result = run("resources", "put", "u", "t", "--storage", storage)

        assert result.exit_code == 1
        assert str(storage) in result.stderr
        assert "Traceback" not in result.stderr
