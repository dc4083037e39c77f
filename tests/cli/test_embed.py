"""`openviking embed`: from arguments, files and standard input, to lines and arrays."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.encoder.fake import HashingEncoder

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run, Spawn


def lines(text: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in text.splitlines()]


def test_texts_become_json_lines_with_the_very_vectors_of_the_encoder(run: Run):
    result = run("embed", "one text", "another", "--json")

    found = lines(result.stdout)
    expected = HashingEncoder().encode(["one text", "another"])
    assert result.exit_code == 0
    assert [line["text"] for line in found] == ["one text", "another"]
    vectors = np.array([line["embedding"] for line in found], np.float32)
    assert np.array_equal(vectors, expected.vectors)
    assert [line["tokens"] for line in found] == expected.token_counts.tolist()
    assert [line["truncated"] for line in found] == [False, False]


@pytest.mark.parametrize("words", [["embed", "-"], ["embed", "--file", "-"]])
def test_standard_input_is_read_line_by_line(run: Run, words: list[str]):
    result = run(*words, stdin=b"\xef\xbb\xbfone\r\ntwo\nthree without an end")

    assert [line["text"] for line in lines(result.stdout)] == ["one", "two", "three without an end"]


def test_a_file_becomes_one_array_in_the_order_of_its_lines(run: Run, tmp_path: Path):
    texts = [f"text number {number}" for number in range(600)]
    (tmp_path / "in.txt").write_text("\n".join(texts), "utf-8")

    result = run("embed", "--file", tmp_path / "in.txt", "--output", tmp_path / "out.npy")

    assert result.exit_code == 0
    assert result.stdout == ""
    vectors = np.load(tmp_path / "out.npy")
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, HashingEncoder().encode(texts).vectors)


def test_json_lines_can_go_to_a_file(run: Run, tmp_path: Path):
    run("embed", "Grüße", "--output", tmp_path / "out.jsonl")

    assert lines((tmp_path / "out.jsonl").read_text("utf-8"))[0]["text"] == "Grüße"


def test_no_texts_at_all_give_an_empty_array(run: Run, tmp_path: Path):
    result = run("embed", "-", "--output", tmp_path / "out.npy", stdin=b"")

    assert result.exit_code == 0
    assert np.load(tmp_path / "out.npy").shape == (0, 768)


def test_broken_utf_8_is_named_by_line_and_what_came_before_is_not_lost(run: Run):
    result = run("embed", "-", stdin=b"good\nalso good\nbad \xff\nnever read\n")

    assert result.exit_code == 2
    assert [line["text"] for line in lines(result.stdout)] == ["good", "also good"]
    assert "line 3 is not UTF-8 (byte 0xff at column 5)" in result.stderr


def test_an_empty_line_is_refused_unless_it_may_be_passed_over(run: Run):
    refused = run("embed", "-", stdin=b"a\n \nb\n")
    passed = run("embed", "-", "--skip-empty", stdin=b"a\n \nb\n")

    assert refused.exit_code == 2
    assert "text 2 is empty; --skip-empty" in refused.stderr
    assert [line["text"] for line in lines(passed.stdout)] == ["a", "b"]


def test_a_line_without_end_is_refused_before_it_fills_the_memory(run: Run):
    result = run("embed", "-", stdin=b"x" * (4 << 20) + b"yz")

    assert result.exit_code == 2
    assert "line 1 is longer than 4194304 bytes" in result.stderr


def test_a_failed_run_leaves_neither_output_nor_traces(run: Run, tmp_path: Path):
    (tmp_path / "out.npy").write_bytes(b"earlier")

    result = run("embed", "-", "--output", tmp_path / "out.npy", stdin=b"ok\n\xff\n")

    assert result.exit_code == 2
    assert (tmp_path / "out.npy").read_bytes() == b"earlier"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "out.npy"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["embed"], "give TEXTS"),
        (["embed", "text", "--file", "x"], "give TEXTS"),
        (["embed", "text", "--output", "vectors.csv"], "ending in .npy or .jsonl"),
        (["embed", ""], "text 1 is empty"),
        (["embed", "x", "--precision", "int4"], "'int4' is not one of 'int8', 'fp32'"),
    ],
)
def test_a_wrong_command_line_is_refused(run: Run, words: list[str], said: str):
    result = run(*words)

    assert result.exit_code == 2
    assert said in result.stderr


@pytest.mark.parametrize("name", ["missing/out.npy", "/proc/out.npy"])
def test_an_output_that_cannot_be_written_is_an_error(run: Run, tmp_path: Path, name: str):
    result = run("embed", "x", "--output", tmp_path / name)

    assert result.exit_code == 1
    assert "out.npy" in result.stderr


def test_the_real_model_gives_the_same_vector_whatever_is_beside_the_text(
    spawn: Spawn, model_dir: Path
):
    alone = spawn("embed", "How do I rotate logs?", "--model-dir", model_dir)
    beside = spawn(
        "embed", "-", "--model-dir", model_dir,
        stdin=b"a much longer text that is here to change the batch " * 9
        + b"\nHow do I rotate logs?\nx\n",
    )  # fmt: skip

    assert alone.returncode == beside.returncode == 0, alone.stderr + beside.stderr
    assert lines(alone.stdout)[0]["embedding"] == lines(beside.stdout)[1]["embedding"]
    vector = np.array(lines(alone.stdout)[0]["embedding"])
    assert vector.shape == (768,)
    assert abs(np.linalg.norm(vector) - 1) < 1e-5
