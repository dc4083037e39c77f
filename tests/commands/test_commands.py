"""Folders of Markdown become commands: what is read, what is refused, and when it is read again."""

from __future__ import annotations

import os
import threading
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.commands import CODES, Commands, parse_command
from openviking.commands.command import DESCRIPTION_CHARS_MAX, FIELD_CHARS_MAX, FILE_BYTES_MAX
from openviking.commands.scan import DEPTH_MAX, FILES_MAX

if TYPE_CHECKING:
    from collections.abc import Callable

    Write = Callable[..., Path]

EXAMPLES = Path(__file__).parents[2] / "examples/commands"


def codes(commands: Commands) -> list[str]:
    return [finding.code for finding in commands.findings()]


def unhurried() -> float:
    """A clock that stands still: no look at the folders is costly, whatever the machine does."""
    return 0.0


def test_a_command_is_named_by_its_file_and_described_by_its_front_matter(
    folder: Path, write: Write
):
    path = write(
        "build",
        "---\ndescription: Project build\nagent: build\nmodel: any\n---\n\n1. Clean.\n2. Build.\n",
    )

    command = Commands([folder]).find("build")

    assert command is not None
    assert (command.name, command.description) == ("build", "Project build")
    assert (command.agent, command.model) == ("build", "any")
    assert command.instructions == "1. Clean.\n2. Build."
    assert command.path == str(path)


def test_a_slash_blanks_and_case_do_not_matter_for_finding(folder: Path, write: Write):
    write("build")
    write("Deploy")
    commands = Commands([folder])

    assert {commands.find(name) for name in ("build", "/build", " /build ", "BUILD")} == {
        commands.find("build")
    }
    assert commands.find("deploy") == commands.find("/Deploy")
    assert commands.find("deploy") is not None


def test_two_commands_that_differ_in_case_only_are_told_apart(folder: Path, write: Write):
    write("Build", "upper")
    write("build", "lower")
    commands = Commands([folder])

    assert [found.instructions for found in commands.list()] == ["upper", "lower"]
    assert commands.find("build").instructions == "lower"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    ["nothing", "", "/", "a b", "../build", "..", "\0", "/etc/passwd", "x" * 10_000, "\ud800"],
)
def test_an_unknown_or_impossible_name_is_none(folder: Path, write: Write, name: str):
    write("build")

    assert Commands([folder]).find(name) is None


def test_names_are_sorted_and_folders_below_are_read(folder: Path, write: Write):
    for name in ("b", "a", "sub/c", "sub/deeper/d"):
        write(name)

    assert Commands([folder]).names() == ["a", "b", "c", "d"]


def test_of_two_files_of_one_name_the_first_folder_counts_and_the_other_is_reported(
    tmp_path: Path,
):
    for where in ("one", "two"):
        (tmp_path / where).mkdir()
        (tmp_path / where / "plan.md").write_text(where)
    commands = Commands([tmp_path / "two", tmp_path / "one"])

    assert commands.find("plan").instructions == "two"  # type: ignore[union-attr]
    (finding,) = [found for found in commands.findings() if found.code == "name-taken"]
    assert finding.path == str(tmp_path / "one" / "plan.md")


def test_hidden_files_and_other_endings_are_no_commands(folder: Path, write: Write):
    write(".hidden")
    write(".git/x")
    (folder / "notes.txt").write_text("text")
    (folder / "UPPER.MD").write_text("text")

    assert Commands([folder]).names() == ["UPPER"]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("empty", b"", "file-empty"),
        ("blank", b" \n\t\n", "file-empty"),
        ("binary", b"\x7fELF\0\0", "file-binary"),
        ("large", b"a" * (FILE_BYTES_MAX + 1), "file-too-large"),
        ("two words", b"text", "name-format"),
        ("_under", b"text", "name-format"),
        ("n" * 101, b"text", "name-format"),
    ],
)
def test_what_is_no_command_is_left_out_and_named(
    folder: Path, write: Write, name: str, content: bytes, code: str
):
    write("good")
    path = write(name, content)
    commands = Commands([folder])

    assert commands.names() == ["good"]
    assert [(f.code, f.severity, f.path) for f in commands.findings()] == [
        (code, "error", str(path))
    ]


def test_the_largest_file_is_taken(folder: Path, write: Write):
    write("large", b"a" * FILE_BYTES_MAX)

    assert Commands([folder]).names() == ["large"]


@pytest.mark.parametrize(
    ("matter", "code"),
    [
        ("description: a: b: c", "frontmatter-yaml"),
        ("description: x\ndescription: y", "frontmatter-duplicate-key"),
        ("a: &a [x]\nb: [*a, *a]\ndescription: y", "frontmatter-alias"),
        ("a: " + "[" * 40 + "]" * 40 + "\ndescription: y", "frontmatter-limit"),
        ("x: " + "y" * 70_000 + "\ndescription: y", "frontmatter-limit"),
        ("agent: {a: b}", "field-type"),
        ("agent: " + "a" * (FIELD_CHARS_MAX + 1), "field-long"),
        ("description: " + "d" * (DESCRIPTION_CHARS_MAX + 1), "field-long"),
        ("model: !!python/object/apply:os.system [id]", "field-type"),
        ("- a\n- b", "frontmatter-yaml"),
    ],
)
def test_hostile_front_matter_is_reported_and_the_command_stays(
    folder: Path, write: Write, matter: str, code: str
):
    write("odd", f"---\n{matter}\n---\nDo it.\n")
    commands = Commands([folder])
    command = commands.find("odd")

    assert command is not None
    assert command.instructions == "Do it."
    assert len(command.description) <= DESCRIPTION_CHARS_MAX
    assert len(command.agent or "") <= FIELD_CHARS_MAX
    if code == "field-type" and "model" in matter:
        assert command.model in {None, "id"}
    else:
        assert code in codes(commands)


def test_without_front_matter_the_first_line_describes(folder: Path, write: Write):
    write("plain", "\n# **Ship it**\n\n1. Ship.\n")
    commands = Commands([folder])

    assert commands.find("plain").description == "Ship it"  # type: ignore[union-attr]
    assert codes(commands) == ["frontmatter-missing", "description-missing"]


def test_bytes_of_old_editors_are_repaired(folder: Path, write: Write):
    write("win", b"\xef\xbb\xbf---\r\ndescription: W\xfcrze\r\n---\r\nDo.\r\n")
    commands = Commands([folder])

    command = commands.find("win")
    assert command is not None
    assert (command.description, command.instructions) == ("W\ufffdrze", "Do.")
    assert {"encoding-bom", "line-ends-crlf", "encoding-not-utf8"} == set(codes(commands))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_command_or_an_error(source: bytes):
    command, findings = parse_command(b"---\n" + source, Path("/x/y.md"))

    assert (command is None) == any(finding.severity == "error" for finding in findings)
    assert all(CODES[finding.code] == finding.severity for finding in findings)
    if command is not None:
        (command.description + command.instructions + str(command.agent)).encode("utf-8")


def test_a_name_is_found_in_composed_and_decomposed_form(folder: Path, write: Write):
    write(unicodedata.normalize("NFD", "überblick"))
    commands = Commands([folder])

    assert commands.names() == ["überblick"]
    assert commands.find(unicodedata.normalize("NFD", "überblick")) is not None


def test_links_that_turn_in_a_circle_end_and_are_reported(folder: Path, write: Write):
    write("sub/plan")
    (folder / "sub" / "back").symlink_to(folder)
    (folder / "loop.md").symlink_to(folder / "loop.md")
    (folder / "gone.md").symlink_to(folder / "nothing")
    commands = Commands([folder])

    assert commands.names() == ["plan"]
    assert set(codes(commands)) == {"folder-loop", "file-unreadable"}


def test_a_link_to_a_file_elsewhere_is_a_command(folder: Path, tmp_path: Path):
    (tmp_path / "other.txt").write_text("Do it.")
    (folder / "linked.md").symlink_to(tmp_path / "other.txt")

    assert Commands([folder]).names() == ["linked"]


def test_a_pipe_is_not_opened(folder: Path, write: Write):
    write("good")
    os.mkfifo(folder / "pipe.md")

    assert Commands([folder]).names() == ["good"]


def test_depth_and_number_of_files_are_limited(folder: Path, write: Write):
    write("/".join(["d"] * DEPTH_MAX) + "/kept")
    write("/".join(["d"] * (DEPTH_MAX + 1)) + "/lost")
    deep = Commands([folder])
    assert deep.names() == ["kept"]
    assert "folder-full" in codes(deep)
    for number in range(FILES_MAX):
        (folder / f"c{number}.md").write_text("x")
    many = Commands([folder])

    assert len(many.names()) == FILES_MAX
    assert "folder-full" in codes(many)


def test_looks_pause_once_two_in_a_row_were_slow(folder: Path, write: Write):
    clock = [0.0]

    def timer() -> float:
        clock[0] += 0.003
        return clock[0]

    commands = Commands([folder], timer=timer)
    for name in ("one", "two"):
        write(name)
        assert name in commands.names()
    write("three")

    assert "three" not in commands.names()
    clock[0] += 1.0
    assert "three" in commands.names()


def test_a_folder_that_is_missing_is_reported_and_taken_up_when_it_appears(tmp_path: Path):
    commands = Commands([tmp_path / "later"], timer=unhurried)
    assert commands.names() == []
    assert codes(commands) == ["file-unreadable"]

    (tmp_path / "later").mkdir()
    (tmp_path / "later" / "plan.md").write_text("x")

    assert commands.names() == ["plan"]
    assert commands.find("plan") is not None


def test_edits_additions_and_deletions_count_from_the_next_call_on(folder: Path, write: Write):
    path = write("plan", "first")
    commands = Commands([folder], timer=unhurried)
    assert commands.find("plan").instructions == "first"  # type: ignore[union-attr]

    # The same size at nearly the same time: a stamp alone would not show it.
    path.write_text("secnd")
    write("new")
    assert commands.find("plan").instructions == "secnd"  # type: ignore[union-attr]
    assert commands.names() == ["new", "plan"]

    path.unlink()
    (folder / "new.md").rename(folder / "newer.md")
    assert commands.names() == ["newer"]


def test_a_settled_file_is_not_read_again(folder: Path, write: Write):
    path = write("plan", "first")
    far = path.stat().st_mtime_ns + 10_000_000_000
    commands = Commands([folder], now_ns=lambda: far, timer=unhurried)
    first = commands.find("plan")

    assert commands.find("plan") is first
    path.write_text("other text")
    assert commands.find("plan") is not first


def test_a_file_that_changed_a_moment_ago_is_read_again(folder: Path, write: Write):
    changed_ns = write("plan").stat().st_ctime_ns
    commands = Commands([folder], now_ns=lambda: changed_ns + 1_000_000_000, timer=unhurried)
    first = commands.find("plan")

    again = commands.find("plan")

    assert again == first
    assert again is not first


def test_readers_and_a_writer_at_once_see_whole_commands_only(folder: Path, write: Write):
    write("plan")
    commands, seen, stopping = Commands([folder], timer=unhurried), set(), threading.Event()
    failures: list[BaseException] = []

    def read() -> None:
        try:
            while not stopping.is_set():
                seen.update(commands.names())
        except BaseException as error:  # noqa: BLE001 - reported below
            failures.append(error)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(50):
        write(f"n{number}")
        (folder / f"n{number}.md").unlink()
    stopping.set()
    for thread in threads:
        thread.join()

    assert not failures
    assert "plan" in seen
    assert commands.names() == ["plan"]


def test_a_search_ranks_the_name_over_the_description_over_the_text(folder: Path, write: Write):
    write("deploy", description="Ships it")
    write("ship", description="How to deploy")
    write("plan", "---\ndescription: Think\n---\nBefore you deploy, think.")
    write("other")
    found = Commands([folder]).search("deploy")

    assert [hit.command.name for hit in found] == ["deploy", "ship", "plan"]
    assert found[0].score > found[1].score > found[2].score > 0


def test_a_search_takes_beginnings_of_words_plurals_and_a_slash(folder: Path, write: Write):
    write("test", description="Runs everything")
    write("other")
    commands = Commands([folder])

    for query in ("tests", "/test", "TEST", "tes"):
        assert [hit.command.name for hit in commands.search(query)] == ["test"], query


@pytest.mark.parametrize("query", ["", "   ", "?!", "zzz", "\0", "x" * 100_000, "\ud800", '" OR x'])
def test_a_query_without_matches_finds_nothing(folder: Path, write: Write, query: str):
    write("test")

    assert Commands([folder]).search(query) == ()


def test_without_folders_there_are_no_commands():
    commands = Commands()

    assert (commands.names(), commands.findings(), commands.search("x")) == ([], (), ())
    assert commands.stats() == {"commands": 0, "refused": 0, "folders": []}


def test_the_examples_are_complete_and_without_a_finding():
    commands = Commands([EXAMPLES])

    assert len(commands.names()) >= 6
    assert commands.findings() == ()
    assert all(command.agent and command.model for command in commands.list())


def test_the_predecessors_commands_are_read_without_a_finding(legacy_commands: Path):
    commands = Commands([legacy_commands])

    assert commands.names() == [
        "build", "lint", "next", "plan", "reflect", "rtb", "status", "test",
    ]  # fmt: skip
    assert commands.findings() == ()
    assert commands.search("beads")[0].command.name == "next"
    assert commands.search("tests")[0].command.name == "test"
