"""`openviking skills` and `openviking search`: a folder in, the right skill out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openviking.retrieval.query import QUERY_CHARS_REFUSED
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from tests.cli.conftest import Run, Spawn


@pytest.fixture
def imported(run: Run, skill_folder: Path) -> Run:
    assert run("skills", "import", skill_folder).exit_code == 0
    return run


def test_an_import_counts_what_it_did_and_names_what_it_refused(run: Run, skill_folder: Path):
    result = run("skills", "import", skill_folder)

    assert result.exit_code == 0
    assert result.stdout == "2 added, 0 updated, 0 unchanged, 0 removed, 1 refused\n"
    assert "refused: error   file-empty" in result.stderr
    assert "empty/SKILL.md" in result.stderr
    assert "3 files of 3 files" in result.stderr


def test_a_second_import_encodes_nothing(run: Run, skill_folder: Path):
    first = json.loads(run("skills", "import", skill_folder, "--json").stdout)
    second = json.loads(run("skills", "import", skill_folder, "--json").stdout)

    assert first["passages_encoded"] > 0
    assert second["passages_encoded"] == 0
    assert sorted(second["unchanged"]) == ["csv-cleaner", "release-notes"]
    assert second["refused"][0]["code"] == "file-empty"


def test_a_strict_import_fails_for_a_refused_file_but_keeps_the_others(
    run: Run, skill_folder: Path
):
    result = run("skills", "import", skill_folder, "--strict")

    assert result.exit_code == 1
    assert len(json.loads(run("skills", "list", "--json").stdout)) == 2


def test_pruning_deletes_what_is_gone_from_the_folder(imported: Run, skill_folder: Path):
    (skill_folder / "csv-cleaner" / "SKILL.md").unlink()

    kept = imported("skills", "import", skill_folder)
    pruned = imported("skills", "import", skill_folder, "--prune")

    assert "0 removed" in kept.stdout
    assert "1 removed" in pruned.stdout
    found = json.loads(imported("skills", "list", "--json").stdout)
    assert [skill["id"] for skill in found] == ["release-notes"]


@pytest.mark.parametrize("words", [["search"], ["skills", "search"]])
def test_the_fitting_skill_comes_first_and_says_why(imported: Run, words: list[str]):
    result = imported(*words, "clean", "a", "messy", "csv", "--json")

    found = json.loads(result.stdout)
    assert found["query"] == "clean a messy csv"
    assert found["found_count"] == len(found["skills"]) >= 1
    best = found["skills"][0]
    assert best["id"] == "csv-cleaner"
    assert 0 < best["score"] <= 1
    assert "csv" in best["why"]["terms"]
    assert "body" not in best


def test_a_person_gets_a_line_per_hit(imported: Run):
    result = imported("search", "write release notes", "--why", "-k", "1")

    lines = result.stdout.splitlines()
    assert lines[0].split()[1] == "release-notes"
    assert "Write release notes from commits" in lines[0]
    assert "meaning" in lines[1]
    assert len(lines) == 2


def test_an_explanation_is_printed_for_a_person_and_for_a_program(imported: Run):
    shown = imported("search", "clean a messy csv", "--explain").stdout
    record = json.loads(imported("search", "hello there", "--explain", "--json").stdout)

    assert "answered: evidence" in shown
    assert "score " in shown
    assert "nearest passage: csv cleaner: " in shown
    assert record["skills"] == []
    assert record["explanation"]["fitness"]["is_fit"] is False
    assert record["explanation"]["held_back"]


def test_nothing_that_fits_is_no_error(imported: Run):
    result = imported("search", "zzqx", "--category", "no-such-category", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout)["skills"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["x", "-k", "0"], "at least 1"),
        (["x", "-k", "1000000000"], "at most 1000"),
        (["  "], "got nothing"),
        ([], "Missing argument 'QUERY"),
        (["x" * (QUERY_CHARS_REFUSED + 1)], "at most"),
    ],
)
def test_a_wrong_query_is_refused(run: Run, words: list[str], said: str):
    result = run("search", *words)

    assert result.exit_code == 2
    assert said in result.stderr


def test_show_prints_fields_and_instructions(imported: Run):
    shown = imported("skills", "show", "release-notes")
    record = json.loads(imported("skills", "show", "release-notes", "--json").stdout)

    assert "Read the commits." in shown.stdout
    assert "category     writing" in shown.stdout
    assert record["body"].startswith("# Release notes")
    assert record["origin"] == "folder"


def test_list_can_be_narrowed_and_the_tree_names_all(imported: Run):
    listed = imported("skills", "list", "--category", "writing")
    tree = json.loads(imported("skills", "tree", "--json").stdout)

    assert [line.split()[0] for line in listed.stdout.splitlines()] == ["id", "release-notes"]
    assert tree["total_skills"] == 2
    assert "writing" in tree["categories"]
    assert "release-notes" in imported("skills", "tree").stdout


def test_deleting_spares_the_file_and_an_unknown_id_is_an_error(imported: Run, skill_folder: Path):
    deleted = imported("skills", "rm", "csv-cleaner")
    again = imported("skills", "rm", "csv-cleaner")

    assert deleted.exit_code == 0
    assert (skill_folder / "csv-cleaner" / "SKILL.md").exists()
    assert again.exit_code == 1
    assert "csv-cleaner" in again.stderr


def test_a_skill_cannot_paint_the_terminal(run: Run, tmp_path: Path):
    folder = tmp_path / "evil" / "evil"
    folder.mkdir(parents=True)
    (folder / "SKILL.md").write_text(
        '---\nname: evil\ndescription: "clear \\e[2J screen"\n---\nBody \x1b[31mred\n', "utf-8"
    )
    run("skills", "import", tmp_path / "evil")

    for words in (["list"], ["show", "evil"], ["search", "clear screen"], ["tree"]):
        assert "\x1b[2J" not in run("skills", *words).stdout
        assert "\x1b[31m" not in run("skills", *words).stdout


def test_validate_lists_findings_and_fails_for_errors_only(run: Run, skill_folder: Path):
    result = run("skills", "validate", skill_folder)
    without_error = run("skills", "validate", skill_folder / "csv-cleaner")
    strict = run("skills", "validate", skill_folder / "csv-cleaner", "--strict")

    assert result.exit_code == 1
    assert "error   file-empty" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("3 files: 1 errors, ")
    assert without_error.exit_code == 0
    assert "frontmatter-missing" in without_error.stdout
    assert strict.exit_code == 1


def test_validate_as_json_names_file_skill_and_codes(run: Run, skill_folder: Path):
    found = json.loads(run("skills", "validate", skill_folder, "--json").stdout)

    by_id = {report["skill_id"]: report for report in found}
    assert set(by_id) == {None, "csv-cleaner", "release-notes"}
    assert by_id["release-notes"]["is_valid"] is True
    assert by_id[None]["findings"][0]["code"] == "file-empty"


@pytest.mark.parametrize("words", [["import"], ["validate"]])
def test_a_missing_folder_is_named(run: Run, tmp_path: Path, words: list[str]):
    result = run("skills", *words, tmp_path / "no-such")

    assert result.exit_code == 2
    assert "no-such: no such file or folder" in result.stderr


def test_validating_needs_neither_model_nor_storage(
    spawn: Spawn, skill_folder: Path, tmp_path: Path
):
    done = spawn(
        "skills", "validate", skill_folder, "--json",
        OPENVIKING_STORAGE_PATH="/proc/none", OPENVIKING_MODEL_DIR=str(tmp_path / "none"),
    )  # fmt: skip

    assert done.returncode == 1
    assert len(json.loads(done.stdout)) == 3


def test_with_the_real_model_words_in_common_are_not_needed(
    spawn: Spawn, skill_folder: Path, model_dir: Path
):
    imported = spawn("skills", "import", skill_folder, "--model-dir", model_dir)

    found = spawn("search", "tidy up a broken spreadsheet", "--json", "--model-dir", model_dir)

    assert imported.returncode == found.returncode == 0, imported.stderr + found.stderr
    assert json.loads(found.stdout)["skills"][0]["id"] == "csv-cleaner"


def test_an_import_names_what_a_later_folder_overrides(
    run: Run, skill_folder: Path, tmp_path: Path
):
    later = tmp_path / "project" / "csv-cleaner"
    later.mkdir(parents=True)
    source = skill_folder / "csv-cleaner" / "SKILL.md"
    (later / "SKILL.md").write_text(source.read_text("utf-8"))

    told = run("skills", "import", skill_folder, later.parent)
    record = json.loads(run("skills", "import", skill_folder, later.parent, "--json").stdout)

    assert f"overridden: {source} by {later / 'SKILL.md'}" in told.stderr
    expected = {"id": "csv-cleaner", "path": str(source), "by": str(later / "SKILL.md")}
    assert record["overridden"] == [expected]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["list"], "csv-cleaner"),
        (["show", "csv-cleaner"], "csv-cleaner"),
        (["tree"], "2 skills"),
        (["doctor"], "0 skills"),
        (["rm", "csv-cleaner"], "deleted csv-cleaner"),
    ],
)
def test_what_needs_no_vector_works_without_a_model(
    imported: Run, spawn: Spawn, tmp_path: Path, words: list[str], said: str
):
    assert imported("skills", "list").exit_code == 0
    done = spawn("skills", *words, OPENVIKING_MODEL_DIR=str(tmp_path / "no-models"))

    assert (done.returncode, done.stderr) == (0, "")
    assert said in done.stdout


def test_the_doctor_looks_at_the_stored_skills_without_a_path(imported: Run):
    found = json.loads(imported("skills", "doctor", "--json").stdout)

    assert sorted(one["name"] for one in found) == ["csv-cleaner", "release-notes"]


def test_a_disabled_skill_is_hidden_until_it_is_enabled(imported: Run, skill_folder: Path):
    done = imported("skills", "disable", "csv-cleaner")
    assert (done.exit_code, done.stdout.split(":")[0]) == (0, "csv-cleaner")

    assert "csv-cleaner" not in imported("skills", "list").stdout
    assert "csv-cleaner" not in imported("skills", "tree").stdout
    assert "csv-cleaner" not in imported("search", "clean a csv file").stdout
    again = imported("skills", "import", skill_folder)
    assert "2 unchanged" in again.stdout
    assert "1 disabled: " in again.stderr
    (row,) = (r for r in imported("skills", "list", "--all").stdout.splitlines() if "csv" in r)
    assert row.endswith("disabled")
    assert "disabled" in imported("skills", "show", "csv-cleaner").stdout
    everything = json.loads(imported("skills", "list", "--all", "--json").stdout)
    assert [skill["disabled"] for skill in everything] == [True, False]

    (record,) = json.loads(imported("skills", "enable", "csv-cleaner", "--json").stdout)
    assert record == {
        "id": "csv-cleaner", "disabled": False, "searched": True, "message": "enabled",
    }  # fmt: skip
    assert "csv-cleaner" in imported("search", "clean a csv file").stdout
    refused = imported("skills", "disable", "csv-cleaner", "nobody")
    assert refused.exit_code == 1
    assert "'nobody'" in refused.stderr


def test_list_and_show_name_the_files_that_are_left_out(run: Run, skill_folder: Path):
    mine = skill_folder.parent / "mine" / "csv-cleaner"
    mine.mkdir(parents=True)
    (mine / "SKILL.md").write_text("---\nname: csv-cleaner\ndescription: Mine\n---\n# Mine\n")
    assert run("skills", "import", mine.parent, skill_folder).exit_code == 0

    assert "1 more of this name left out" in run("skills", "list").stdout
    assert str(mine / "SKILL.md") in run("skills", "show", "csv-cleaner").stdout
    whole = json.loads(run("skills", "show", "csv-cleaner", "--json").stdout)
    assert whole["overrides"] == [str(mine / "SKILL.md")]


def test_a_storage_in_use_names_the_request_that_switches_a_skill(
    imported: Run, environ: dict[str, str]
):
    folder = Path(environ["HOME"]) / ".local/share/openviking"
    store = SqliteStore(folder)
    try:
        refused = imported("skills", "disable", "csv-cleaner")
    finally:
        store.close()
    assert refused.exit_code != 0
    assert 'PATCH /skills/csv-cleaner with {"disabled": true}' in refused.stderr


def test_the_doctor_names_what_a_later_path_hides(imported: Run, skill_folder: Path):
    mine = skill_folder.parent / "mine" / "csv-cleaner"
    mine.mkdir(parents=True)
    (mine / "SKILL.md").write_text("---\nname: csv-cleaner\ndescription: Mine\n---\n# Mine\n")

    told = imported("skills", "doctor", mine.parent, skill_folder)
    beside = imported("skills", "doctor", mine.parent, "--stored", "--json")

    assert "overridden: not used" in told.stdout
    assert "csv-cleaner" in told.stdout
    (record,) = json.loads(beside.stdout)
    assert record["complaints"][0]["problem"] == "name-taken"
