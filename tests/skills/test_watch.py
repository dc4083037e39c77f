from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import ConflictError, EncoderError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from tests.skills.conftest import WriteSkill

    from openviking.skills import Skills
    from openviking.types import Embeddings


def wait_until(is_true: Callable[[], bool], seconds: float = 15.0) -> bool:
    deadline = time.monotonic() + seconds
    while not is_true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def ids(skills: Skills) -> list[str]:
    return [skill.id for skill in skills.list().skills]


def best(skills: Skills, query: str) -> str | None:
    hits = skills.search(query, k=1).hits
    return hits[0].skill.id if hits else None


class BreakableEncoder(HashingEncoder):
    """Fails while ``is_broken``, as a model that ran out of memory does."""

    is_broken = False

    def encode(self, texts: Sequence[str]) -> Embeddings:
        if self.is_broken:
            raise EncoderError("out of order")
        return super().encode(texts)


@pytest.fixture
def encoder() -> BreakableEncoder:
    return BreakableEncoder()


@pytest.fixture
def watching(skills: Skills, folder: Path, write_skill: WriteSkill) -> Skills:
    write_skill("first", text="Feed the elephants")
    skills.watch([folder])
    assert wait_until(lambda: ids(skills) == ["first"])
    return skills


def test_new_changed_renamed_and_deleted_files_show_in_search(
    watching: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("second", text="Paint garden fences")
    assert wait_until(lambda: best(watching, "paint garden fences") == "second")

    write_skill("second", text="Repair broken bicycles")
    assert wait_until(lambda: best(watching, "repair broken bicycles") == "second")
    assert best(watching, "paint garden fences") is None

    (folder / "second").rename(folder / "third")
    assert wait_until(lambda: (watching.get("second").path or "").endswith("third/SKILL.md"))

    shutil.rmtree(folder / "third")
    assert wait_until(lambda: ids(watching) == ["first"])


def test_a_bad_file_does_not_end_the_watch(watching: Skills, folder: Path, write_skill: WriteSkill):
    write_skill("bad").write_bytes(b"\0\xff" * 100)
    (folder / "loop").symlink_to(folder)
    write_skill("good", text="Count the penguins")

    assert wait_until(lambda: best(watching, "count the penguins") == "good")
    assert ids(watching) == ["first", "good"]
    assert watching.stats()["watch_error"] is None


def test_a_failing_encoder_is_tried_again_until_it_recovers(
    watching: Skills, encoder: BreakableEncoder, write_skill: WriteSkill
):
    encoder.is_broken = True
    write_skill("later", text="Water the cactus")
    assert wait_until(lambda: "out of order" in (watching.stats()["watch_error"] or ""))

    encoder.is_broken = False

    assert wait_until(lambda: best(watching, "water the cactus") == "later")
    assert watching.stats()["watch_error"] is None


def test_what_the_first_import_has_yet_to_take_is_counted(
    skills: Skills, encoder: BreakableEncoder, folder: Path, write_skill: WriteSkill
):
    for number in range(3):
        write_skill(f"mine/skill-{number}")
    encoder.is_broken = True
    skills.watch([folder / "mine", folder / "not-there"])
    assert skills.stats()["to_import"] > 0
    assert wait_until(lambda: "out of order" in (skills.stats()["watch_error"] or ""))
    assert skills.stats()["to_import"] > 0

    encoder.is_broken = False

    assert wait_until(lambda: skills.stats()["to_import"] == 0)
    assert len(ids(skills)) == 3


def test_a_file_that_becomes_a_folder_is_gone(watching: Skills, folder: Path):
    path = folder / "first" / "SKILL.md"
    path.unlink()
    path.mkdir()

    assert wait_until(lambda: ids(watching) == [])


def test_a_folder_that_appears_later_is_taken_up(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    skills.watch([folder / "later"])
    write_skill("later/x", text="Wash the windows")

    assert wait_until(lambda: best(skills, "wash the windows") == "x")


def test_a_watched_skill_cannot_be_changed_behind_its_file(watching: Skills):
    with pytest.raises(ConflictError, match="watched file"):
        watching.delete("first")
    with pytest.raises(ConflictError, match="watched file"):
        watching.replace("first", fields={"name": "n", "description": "d"})


def test_a_second_watch_is_a_conflict(watching: Skills, folder: Path):
    with pytest.raises(ConflictError):
        watching.watch([folder])


def test_close_ends_the_watch(watching: Skills, write_skill: WriteSkill):
    watching.close()
    write_skill("late", text="Never seen")

    assert ids(watching) == ["first"]


def test_the_user_s_skill_comes_back_when_the_project_s_is_deleted(
    skills: Skills, folder: Path, write_skill: WriteSkill
):
    write_skill("mine/pdf", text="Merge documents as I like it")
    winner = write_skill("project/pdf", text="Merge documents by the rules of this project")
    skills.watch([folder / "mine", folder / "project"])
    assert wait_until(lambda: skills.overrides("pdf") != ())
    assert skills.get("pdf").description.endswith("this project")

    winner.unlink()
    assert wait_until(lambda: skills.get("pdf").description.endswith("I like it"))

    write_skill("project/pdf", text="Merge documents by the newer rules")
    assert wait_until(lambda: skills.get("pdf").description.endswith("newer rules"))
    assert ids(skills) == ["pdf"]
