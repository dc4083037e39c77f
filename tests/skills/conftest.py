"""A store, a hashing encoder and skills on top of them; files to import."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.skills import Skills
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA = Path(__file__).parents[3] / "shared" / "data"


class WriteSkill(Protocol):
    def __call__(self, where: str, *, name: str | None = None, text: str = "") -> Path: ...


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "storage")
    yield opened
    opened.close()


@pytest.fixture
def skills(store: SqliteStore, encoder: HashingEncoder) -> Iterator[Skills]:
    opened = Skills(store, encoder)
    yield opened
    opened.close()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "files"
    made.mkdir()
    return made


@pytest.fixture
def write_skill(folder: Path) -> WriteSkill:
    """Write ``WHERE/SKILL.md`` below the folder; *text* becomes its description."""

    def write(where: str, *, name: str | None = None, text: str = "") -> Path:
        path = folder / where / "SKILL.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        name = path.parent.name if name is None else name
        text = text or f"Handles {name.replace('-', ' ')} tasks"
        path.write_text(f"---\nname: {name}\ndescription: {text}\n---\n# {name}\n\nDo it well.\n")
        return path

    return write


@pytest.fixture(scope="session")
def legacy() -> Path:
    if not (DATA / "legacy").is_dir():
        pytest.skip("the predecessor's files are not here")
    return DATA / "legacy"


@pytest.fixture(scope="session")
def corpus() -> list[dict[str, Any]]:
    """The real skills: path, name, description and body of each."""
    path = DATA / "skills_corpus.jsonl.gz"
    if not path.is_file():
        pytest.skip("the corpus of real skills is not here")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]
