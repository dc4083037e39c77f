"""`openviking conversations`: round trips, interrupted imports, whose they are, and deletion."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from openviking.config import load_settings
from openviking.encoder.fake import HashingEncoder
from openviking.engine import Engine
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.conftest import Run, Spawn


def line(content: str, **fields: object) -> str:
    message = {"session_id": "s", "role": "user", "content": content, **fields}
    return json.dumps(message) + "\n"


@pytest.fixture
def history(tmp_path: Path) -> Path:
    path = tmp_path / "history.jsonl"
    path.write_text("".join(line(f"message {number}") for number in range(450)), "utf-8")
    return path


def test_a_history_comes_in_is_read_and_goes_out_again(
    run: Run, spawn: Spawn, history: Path, tmp_path: Path
):
    done = spawn("conversations", "import", history, "--json")
    assert json.loads(done.stdout) == {"appended": 450, "known": 0, "sessions": 1}
    assert "import" in done.stderr, "progress is on standard error"
    shown = json.loads(run("conversations", "show", "s", "--last", "2", "--json").stdout)
    assert [one["content"] for one in shown["messages"]] == ["message 448", "message 449"]
    out = tmp_path / "out.jsonl"
    assert run("conversations", "export", "--output", out).exit_code == 0
    piped = spawn("conversations", "export", "s").stdout
    assert out.read_text("utf-8") == piped
    again = run("conversations", "import", "-", "--user", "ann", "--json", stdin=piped)
    assert json.loads(again.stdout)["appended"] == 450
    assert run("conversations", "export", "--user", "ann").stdout == piped


def test_an_import_that_was_cut_goes_on_where_it_stopped(run: Run, history: Path, tmp_path: Path):
    whole = history.read_bytes()
    cut = tmp_path / "cut.jsonl"
    cut.write_bytes(whole[: len(whole) // 2 + 5])
    refused = run("conversations", "import", cut)
    assert refused.exit_code == 2
    number = whole[: len(whole) // 2 + 5].count(b"\n") + 1
    assert f"line {number}: " in refused.stderr
    listed = json.loads(run("conversations", "list", "--json").stdout)
    assert listed["sessions"][0]["message_count"] == number - 1
    done = json.loads(run("conversations", "import", history, "--json").stdout)
    assert done == {"appended": 451 - number, "known": number - 1, "sessions": 1}


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b'{"role": "user", "content": "caf\xe9"}\n', "surrogate"),
        (b'{"role": "user"}\n', "content"),
        (b'{"role": "user", "content": "x", "timestamp": "noon"}\n', "noon"),
        (b"not json\n", "Expecting value"),
    ],
)
def test_a_wrong_line_is_named_and_what_was_before_it_kept(
    run: Run, tmp_path: Path, bad: bytes, said: str
):
    path = tmp_path / "odd.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + line("first").encode() + b"\n" + bad + line("x").encode())
    refused = run("conversations", "import", path, "--session", "s")
    assert refused.exit_code == 2
    assert "line 3: " in refused.stderr
    assert said in refused.stderr
    shown = json.loads(run("conversations", "show", "s", "--json").stdout)
    assert [one["content"] for one in shown["messages"]] == ["first"]


def test_conversations_are_somebodys(run: Run):
    run("conversations", "import", "-", "--user", "ann", stdin=line("for ann"))
    run("conversations", "import", "-", "--user", "ann", "--agent", "bot", stdin=line("for bot"))
    assert json.loads(run("conversations", "list", "--json").stdout)["sessions"] == []
    assert "for ann" in run("conversations", "show", "s", "--user", "ann").stdout
    assert "for bot" in run("conversations", "show", "s", "--user", "ann", "--agent", "bot").stdout
    assert run("conversations", "rm", "s").exit_code == 1


def test_a_search_finds_by_words_and_meaning(run: Run):
    run("conversations", "import", "-", stdin=line("the cat is called Miso") + line("good day"))
    found = run("conversations", "search", "cat", "called", "--json")
    (first, *_) = json.loads(found.stdout)["messages"]
    assert first["content"] == "the cat is called Miso"
    assert first["meaning"] is not None
    assert "Miso" in run("conversations", "search", "cat", "--session", "s").stdout
    none = run("conversations", "search", "quantum", "--session", "unknown")
    assert (none.exit_code, none.stdout) == (0, "")
    assert "no message fits" in none.stderr


def test_rm_takes_what_was_learned_along(run: Run, environ: dict[str, str]):
    run("conversations", "import", "-", "--user", "ann", stdin=line("My name is Olga."))
    settings = load_settings(environ=environ)
    with Engine.open(settings, encoder=HashingEncoder()) as engine:
        assert engine.memories.wait_until_idle(20)
    prefix = ("resources", "list", "--prefix", "viking://user/memories/", "--json")
    assert json.loads(run(*prefix).stdout)["count"] == 1
    done = run("conversations", "rm", "s", "--user", "ann", "--json")
    assert json.loads(done.stdout) == {"deleted": {"s": 1}}
    assert json.loads(run(*prefix).stdout)["count"] == 0


def test_pages_go_on_and_odd_ids_stay_on_their_line(run: Run):
    sessions = ["a", "b\x1b[31m", "c/d", "\u202ee"]
    lines = "".join(line("x", session_id=session) for session in sessions)
    run("conversations", "import", "-", stdin=lines)
    first = json.loads(run("conversations", "list", "--limit", "3", "--json").stdout)
    rest = json.loads(run("conversations", "list", "--after", first["next"], "--json").stdout)
    assert [one["id"] for one in (*first["sessions"], *rest["sessions"])] == sessions
    plain = run("conversations", "list")
    assert "\x1b" not in plain.stdout
    assert len(plain.stdout.splitlines()) == 5
    assert run("conversations", "rm", *sessions).exit_code == 0


def test_a_second_process_is_refused_with_what_to_do(
    run: Run, environ: dict[str, str], history: Path
):
    with closing(SqliteStore(load_settings(environ=environ).storage.path)):
        refused = run("conversations", "import", history)
    assert refused.exit_code == 1
    assert "if that is a running server, ask it over HTTP" in refused.stderr
    assert json.loads(run("conversations", "import", history, "--json").stdout)["appended"] == 450


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("show", "unknown"), 1),
        (("rm", "unknown"), 1),
        (("export", "unknown"), 1),
        (("import", "no-such-file"), 1),
        (("list", "--limit", "0"), 2),
        (("search", " "), 2),
    ],
)
def test_what_cannot_be_done_is_said(run: Run, words: tuple[str, ...], code: int):
    done = run("conversations", *words)
    assert done.exit_code == code
    assert done.stderr
