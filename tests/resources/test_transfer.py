"""Folders in, JSON Lines out and in again: nothing lost, nothing doubled, every refusal named."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openviking.errors import InputError, NotFoundError
from openviking.resources import (
    CONTENT_BYTES_MAX,
    FolderImport,
    ImportReport,
    Resources,
    export_lines,
    import_lines,
)
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from tests.resources.conftest import Clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    (root / "deep/er").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "a.md").write_text("# A\n\nalpha")
    (root / "deep/er/b.txt").write_bytes(b"\xef\xbb\xbfbeta\r\n")
    (root / "with space é.markdown").write_text("gamma")
    (root / "ignored.png").write_bytes(b"\x89PNG")
    (root / ".git/c.md").write_text("hidden")
    return root


def run(resources: Resources, folder: Path, *, prune: bool = False) -> ImportReport:
    return FolderImport(folder, "viking://d/", prune=prune).run(resources)


def test_a_folder_is_stored_and_again_only_where_it_changed(found: Resources, folder: Path):
    first = run(found, folder)
    assert (first.stored, first.unchanged, first.problems) == (3, 0, ())
    listed = {one.target_uri: one.content for one in found.list().resources}
    assert listed == {
        "viking://d/a.md": "# A\n\nalpha",
        "viking://d/deep/er/b.txt": "beta\r\n",
        "viking://d/with space é.markdown": "gamma",
    }
    (folder / "a.md").write_text("# A\n\nother")
    again = run(found, folder)
    assert (again.stored, again.unchanged) == (1, 2)
    assert found.get_by_uri("viking://d/a.md").version == 2


def test_pruning_deletes_what_this_folder_had_and_nothing_else(found: Resources, folder: Path):
    run(found, folder)
    found.put("by hand", "viking://d/hand")
    (folder / "a.md").unlink()
    (folder / "deep/er/b.txt").write_bytes(b"\xff\xfe now broken")
    assert run(found, folder).pruned == 0
    report = run(found, folder, prune=True)
    assert (report.pruned, len(report.problems)) == (1, 1)
    left = [one.target_uri for one in found.list().resources]
    assert left == [
        "viking://d/deep/er/b.txt", "viking://d/hand", "viking://d/with space é.markdown",
    ]  # fmt: skip


def test_what_cannot_be_a_resource_is_named_and_the_rest_is_stored(found: Resources, folder: Path):
    (folder / "binary.txt").write_bytes(b"a\0b")
    (folder / "latin.txt").write_bytes(b"caf\xe9")
    with (folder / "huge.md").open("wb") as file:
        file.truncate(CONTENT_BYTES_MAX + 1)
    (folder / "out.md").symlink_to("/etc/hostname")
    (folder / "dangling.md").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.txt")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad\xff.md")).write_text("x")
    (folder / "new\nline.md").write_text("x")

    report = run(found, folder)

    reasons = {Path(one.path).name: one.reason for one in report.problems}
    assert report.stored == 3
    assert "zero bytes" in reasons["binary.txt"]
    assert "not UTF-8: byte 0xe9 at 3" in reasons["latin.txt"]
    assert str(CONTENT_BYTES_MAX) in reasons["huge.md"]
    assert "out of the folder" in reasons["out.md"]
    assert "No such file" in reasons["dangling.md"]
    assert "regular" in reasons["pipe.txt"]
    assert "URI" in reasons["bad�.md"]
    assert "URI" in reasons["new\nline.md"]


def test_a_folder_that_is_none_is_refused(found: Resources, tmp_path: Path):
    with pytest.raises(InputError, match="folder"):
        run(found, tmp_path / "missing")


def test_an_import_reports_its_progress(found: Resources, folder: Path):
    seen: list[tuple[int, int]] = []
    FolderImport(folder, "p/").run(found, lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]


@pytest.fixture
def other(tmp_path: Path, clock: Clock) -> Resources:
    return Resources(SqliteStore(tmp_path / "other", now=clock))


def stock(resources: Resources, clock: Clock) -> None:
    for at in range(3):
        resources.put(f"version {at}\n\u2028 é\x00", "a", metadata={"at": at, "x": [None, 1.5]})
        clock.move(1)
    resources.put("told", "b//c d", session_id="s", resource_type="note")
    resources.put("short", "t", ttl_s=1000)


@pytest.mark.parametrize("with_versions", [True, False])
def test_an_export_is_imported_whole(
    found: Resources,
    other: Resources,
    clock: Clock,
    with_versions: bool,  # noqa: FBT001 - a parameter of the test
):
    stock(found, clock)
    lines = list(export_lines(found, with_versions=with_versions))

    report = import_lines(other, lines)

    assert (report.stored, report.problems) == (5 if with_versions else 3, ())
    assert list(export_lines(other, with_versions=with_versions)) == lines
    assert import_lines(other, lines).stored == 0


def test_a_cut_export_stores_what_is_whole_and_goes_on_later(
    found: Resources, other: Resources, clock: Clock
):
    stock(found, clock)
    text = "\n".join(export_lines(found, with_versions=True)) + "\n"
    cut = text.encode()[: len(text.encode()) * 2 // 3].decode("utf-8", "surrogateescape")

    first = import_lines(other, cut.split("\n"))
    second = import_lines(other, text.split("\n"))

    assert len(first.problems) == 1
    assert first.problems[0].path.startswith("line ")
    assert first.stored + second.stored == 5
    assert second.problems == ()
    assert [*export_lines(other, with_versions=True), ""] == text.split("\n")


@pytest.mark.parametrize(
    "line",
    [
        "[]", "null", "{", '{"content": 1, "target_uri": "u", "resource_type": "t"}',
        '{"content": "c", "target_uri": "", "resource_type": "t"}',
        '{"content": "c", "target_uri": "u", "resource_type": "t", "metadata": [1]}',
        '{"content": "c", "target_uri": "u", "resource_type": "t", "expires_at": "soon"}',
        '{"content": "c", "target_uri": "u", "resource_type": "t", "timestamp": "2026-01-01"}',
        '{"content": "\\ud800", "target_uri": "u", "resource_type": "t"}',
        "[" * 100_000,
    ],
)  # fmt: skip
def test_a_bad_line_costs_itself_only(other: Resources, line: str):
    good = '{"content": "c", "target_uri": "good%d", "resource_type": "t"}'
    report = import_lines(other, [good % 1, line, good % 2])
    assert (report.stored, len(report.problems)) == (2, 1)
    with pytest.raises(NotFoundError):
        other.get_by_uri("u")
