"""What a crash or a damaged disk does to an index: it is as acknowledged, or it is refused."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.errors import StoreError
from openviking.index import DiskOptions, Index
from openviking.vectors import normalize

if TYPE_CHECKING:
    from openviking.types import RowIds, Vectors

DIM = 16
SMALL = DiskOptions(fresh_rows_max=30, lists_from_rows=60, candidates_min=20)

CHANGES = """
import sys
from pathlib import Path
import numpy as np
from openviking.index import DiskOptions, Index
from openviking.vectors import normalize

DIM = 16
SMALL = DiskOptions(fresh_rows_max=30, lists_from_rows=60, candidates_min=20)


def change(number):
    rng = np.random.default_rng(number)
    ids = np.sort(rng.choice(400, rng.integers(1, 45), replace=False))
    if number % 4 == 3:
        return ids, None
    return ids, normalize(rng.standard_normal((len(ids), DIM)).astype(np.float32))


def work(folder):
    index = Index.open(Path(folder), DIM, options=SMALL)
    for number in range(100_000):
        ids, rows = change(number)
        if rows is None:
            index.remove(ids)
        else:
            index.replace(ids, rows)
        if number % 10 == 9:
            index.compact()
        print(number, flush=True)
"""


def state_after(count: int) -> dict[int, bytes]:
    names: dict[str, object] = {}
    exec(CHANGES, names)  # noqa: S102 - the very code that the killed process runs
    change: object = names["change"]
    assert callable(change)
    held: dict[int, bytes] = {}
    for number in range(count):
        ids, rows = change(number)
        for place, vector_id in enumerate(ids.tolist()):
            if rows is None:
                held.pop(vector_id, None)
            else:
                held[vector_id] = rows[place].tobytes()
    return held


@pytest.mark.parametrize(
    "lines",
    [2, 10, 14, *(pytest.param(lines, marks=pytest.mark.soak) for lines in range(1, 120, 4))],
)
def test_a_killed_process_leaves_what_it_acknowledged(tmp_path: Path, lines: int):
    command = [sys.executable, "-c", f"{CHANGES}\nwork({str(tmp_path)!r})"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        # What was acknowledged before the kill may still stand in the pipe.
        acknowledged = lines + len([line for line in process.stdout if line.endswith("\n")])
    with Index.open(tmp_path, DIM, options=SMALL) as index:
        ids = index.ids
        vectors = index.vectors(ids)
        held = {i: row.tobytes() for i, row in zip(ids.tolist(), vectors, strict=True)}
        index.check()
        index.replace(np.array([1000]), vectors[:1].copy() if len(ids) else unit_rows(1))
    assert held in (state_after(acknowledged), state_after(acknowledged + 1))


def unit_rows(count: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((count, DIM))
    return normalize(rows.astype(np.float32))


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with a segment with lists, a smaller one, removed rows and a journal."""
    folder = tmp_path_factory.mktemp("sound")
    with Index.open(folder, DIM, options=SMALL) as index:
        index.add(np.arange(200), unit_rows(200))
        index.add(np.arange(200, 230), unit_rows(30, seed=1))
        index.remove(np.arange(0, 20))
        index.replace(np.arange(50, 80), unit_rows(30, seed=2))
        index.replace(np.arange(300, 310), unit_rows(10, seed=3))
        index.remove(np.array([301, 5, 90]))
    return folder


def opened_ids(folder: Path) -> RowIds:
    with Index.open(folder, DIM, options=SMALL) as index:
        index.vectors(index.ids)
        index.search(unit_rows(1), 500)
        index.check()
        return index.ids


def test_every_file_that_is_flipped_or_cut_is_refused(sound: Path, tmp_path: Path):
    before = opened_ids(sound)
    files = [path.relative_to(sound) for path in sorted(sound.rglob("*")) if path.is_file()]
    names = {path.name.split("-")[0] for path in files}
    assert {"manifest", "journal", "vectors", "codes", "words", "sums", "dead", "ids"} <= names
    folder = tmp_path / "damaged"
    for path in (path for path in files if path.name != "lock"):
        for damage in ("flip", "cut", "grow", "gone"):
            if path.name.startswith("journal") and damage in {"cut", "grow"}:
                continue  # a record that is not whole was never acknowledged
            shutil.copytree(sound, folder)
            harm(folder / path, damage)
            with pytest.raises(StoreError, match=path.name):
                opened_ids(folder)
            shutil.rmtree(folder)
    np.testing.assert_array_equal(opened_ids(sound), before)


def harm(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    if damage == "gone":
        path.unlink()
        return
    if damage == "flip":
        content[len(content) * 2 // 3] ^= 0x10
    elif damage == "cut":
        del content[-1:]
    else:
        content += content[:70]
    path.write_bytes(content)


def test_a_record_that_is_cut_short_is_dropped_and_what_is_before_it_kept(tmp_path: Path):
    folder = tmp_path / "index"
    sizes = [0]
    states: list[list[int]] = [[]]
    with Index.open(folder, DIM, options=SMALL) as index:
        journal = next(folder.glob("journal-*"))
        for number in range(4):
            index.add(np.array([number, number + 10]), unit_rows(2, seed=number))
            sizes.append(journal.stat().st_size)
            states.append(index.ids.tolist())
    whole = journal.read_bytes()
    for size in range(0, len(whole) + 1, 7):
        journal.write_bytes(whole[:size])
        expected = states[max(i for i in range(5) if sizes[i] <= size)]
        with Index.open(folder, DIM, options=SMALL) as index:
            assert index.ids.tolist() == expected
            index.add(np.array([77]), unit_rows(1))
        with Index.open(folder, DIM, options=SMALL) as index:
            assert index.ids.tolist() == sorted([*expected, 77])


def test_what_a_crash_left_behind_is_tidied_and_what_is_not_ours_kept(sound: Path, tmp_path: Path):
    folder = tmp_path / "index"
    shutil.copytree(sound, folder)
    (folder / "segment-000999").mkdir()
    (folder / "segment-000999/vectors").write_bytes(b"half")
    (folder / "manifest.new").write_bytes(b"half")
    (folder / "notes.txt").write_text("mine")
    opened_ids(folder)
    assert not (folder / "segment-000999").exists()
    assert not (folder / "manifest.new").exists()
    assert (folder / "notes.txt").read_text() == "mine"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is full")
def test_a_change_that_cannot_be_written_changes_nothing(tmp_path: Path):
    with Index.open(tmp_path / "index", DIM, options=SMALL) as index:
        index.add(np.arange(5), unit_rows(5))
        journal = next((tmp_path / "index").glob("journal-*"))
        full = os.open("/dev/full", os.O_RDWR)
        try:
            state = index._state  # noqa: SLF001 - stands for a disk that is full
            sound_descriptor = os.dup(state._journal._descriptor)  # noqa: SLF001
            os.dup2(full, state._journal._descriptor)  # noqa: SLF001
            with pytest.raises(StoreError, match="append"):
                index.add(np.arange(5, 9), unit_rows(4))
            assert index.ids.tolist() == [0, 1, 2, 3, 4]
            os.dup2(sound_descriptor, state._journal._descriptor)  # noqa: SLF001
            os.close(sound_descriptor)
        finally:
            os.close(full)
        assert journal.exists()
    with Index.open(tmp_path / "index", DIM, options=SMALL) as index:
        assert index.ids.tolist() == [0, 1, 2, 3, 4]
