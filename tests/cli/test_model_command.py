"""`openviking model`: what a person sees of the model on disk, whole, missing or damaged."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from openviking.encoder import models
from openviking.encoder.builds import build_key

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run

BUILD = str(build_key())


@pytest.fixture
def damaged(model_dir: Path, tmp_path: Path) -> Path:
    """A folder of models whose build is the real one, its tokenizer cut in half."""
    source = models.path(model_dir=model_dir)
    build = tmp_path / "models" / source.parent.name / source.name
    build.mkdir(parents=True)
    for file in source.iterdir():
        (build / file.name).symlink_to(file)
    (build / "tokenizer.json").unlink()
    (build / "tokenizer.json").write_bytes((source / "tokenizer.json").read_bytes()[:200_000])
    return tmp_path / "models"


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "no-models"


def test_the_build_in_use_is_listed_whole_with_its_fidelity(run: Run, model_dir: Path):
    result = run("model", "list", "--model-dir", model_dir, "--json")

    found = {build["build"]: build for build in json.loads(result.stdout)}
    assert found[BUILD]["state"] == "ready"
    assert found[BUILD]["cosine_mean"] > 0.99
    assert found[BUILD]["bytes"] > 100_000_000
    assert BUILD in run("model", "list", "--model-dir", model_dir).stdout


def test_a_whole_build_verifies_and_names_its_folder(run: Run, model_dir: Path):
    verified = run("model", "verify", "--model-dir", model_dir)
    path = run("model", "path", "--model-dir", model_dir)

    assert verified.exit_code == path.exit_code == 0
    assert verified.stdout.startswith(f"{BUILD} is whole")
    assert path.stdout.strip().startswith(str(model_dir))


def test_pulling_what_is_there_fetches_nothing(run: Run, model_dir: Path, tmp_path: Path):
    result = run(
        "model", "pull", "--model-dir", model_dir, "--json",
        PIP_INDEX_URL="http://127.0.0.1:1/", PIP_RETRIES="0", PIP_CACHE_DIR=str(tmp_path),
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)[0]["state"] == "ready"
    assert "download" not in result.stderr


def test_a_cut_file_is_found_and_the_command_that_mends_it_is_named(run: Run, damaged: Path):
    verified = run("model", "verify", "--model-dir", damaged)
    listed = run("model", "list", "--model-dir", damaged)
    used = run("serve", "--port", "0", "--model-dir", damaged)

    assert verified.exit_code == used.exit_code == 1
    for text in (verified.stderr, listed.stderr, used.stderr):
        assert "tokenizer.json has 200000 bytes" in text
        assert "openviking model pull --precision int8" in text
    assert "damaged" in listed.stdout


@pytest.mark.parametrize("words", [["model", "verify"], ["model", "path"], ["serve"]])
def test_a_missing_model_is_an_error_that_names_the_command(
    run: Run, empty: Path, words: list[str]
):
    result = run(*words, "--model-dir", empty)

    assert result.exit_code == 1
    assert "openviking model pull" in result.stderr
    assert not empty.exists()


def test_an_empty_folder_is_listed_as_such(run: Run, empty: Path):
    assert (
        "get it with `openviking model pull`" in run("model", "list", "--model-dir", empty).stdout
    )
    assert json.loads(run("model", "list", "--model-dir", empty, "--json").stdout) == []


def test_pulling_from_what_is_no_origin_is_a_usage_error(run: Run, empty: Path):
    result = run("model", "pull", "--from", "indx", "--model-dir", empty)

    assert result.exit_code == 2
    assert "expected index, hub or a folder, got 'indx'" in result.stderr


def test_a_folder_with_other_files_is_refused(run: Run, empty: Path, tmp_path: Path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "model.safetensors").write_bytes(b"not the model")

    result = run("model", "pull", "--from", tmp_path / "source", "--model-dir", empty)

    assert result.exit_code == 1
    assert "model.safetensors has 13 bytes, expected 437971872" in result.stderr
    assert (tmp_path / "source" / "model.safetensors").exists()


def test_deleting_asks_first_and_tells_the_space(run: Run, damaged: Path):
    refused = run("model", "rm", "--model-dir", damaged, stdin="n\n")
    still_there = (damaged / "all-mpnet-base-v2" / BUILD).exists()
    agreed = run("model", "rm", "--model-dir", damaged, stdin="y\n")
    again = run("model", "rm", "--model-dir", damaged, "--yes")

    assert refused.exit_code == 1
    assert still_there
    assert agreed.exit_code == 0
    assert "given back" in agreed.stdout
    assert not (damaged / "all-mpnet-base-v2" / BUILD).exists()
    assert again.exit_code == 1
    assert "holds no build" in again.stderr


def test_deleting_everything_spares_the_files_that_links_point_to(
    run: Run, damaged: Path, model_dir: Path
):
    result = run("model", "rm", "--all", "--yes", "--model-dir", damaged, "--json")

    assert json.loads(result.stdout)["freed_bytes"] > 0
    assert run("model", "verify", "--model-dir", model_dir).exit_code == 0


def test_a_model_folder_that_cannot_be_written_is_refused_before_any_download(
    run: Run, tmp_path: Path
):
    (tmp_path / "file").write_text("in the way")

    result = run("model", "pull", "--model-dir", tmp_path / "file")

    assert result.exit_code == 1
    assert str(tmp_path / "file") in result.stderr
    assert "download" not in result.stderr
