"""The few claims that need the real encoder: meaning beyond words, and turning away small talk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.errors import EncoderError
from openviking.skills import Skills, parse_skill
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = Path(__file__).parents[2] / "examples" / "skills"
REQUESTS = {
    "my pods keep crashing": "kubernetes-debugging",
    "the report takes minutes to load from postgres": "sql-query-tuning",
    "look over my merge request": "code-review",
    "find which change broke the build": "git-bisect",
    "excel export has weird characters": "csv-cleaning",
    "tell users what is new in this version": "release-notes",
    "write up yesterday's outage": "incident-notes",
    "container image too big": "dockerfile-slimming",
}
SMALL_TALK = (
    "hello",
    "thanks a lot",
    "good morning",
    "tell me more",
    "who are you?",
    "asdfghjkl",
    "!!! ??? ...",
    "what do penguins eat in winter",
)


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Skills]:
    """The project's examples by name and description only: twelve short texts to encode."""
    try:
        encoder = Encoder.open(model_dir=load_settings().model.dir)
    except EncoderError as error:
        pytest.skip(f"the model is not here: {error}")
    store = SqliteStore(tmp_path_factory.mktemp("real") / "storage")
    skills = Skills(store, encoder)
    for path in sorted(EXAMPLES.glob("*/SKILL.md")):
        skill, _ = parse_skill(path.read_bytes(), path=str(path))
        assert skill is not None
        skills.create(fields={"name": skill.name, "description": skill.description})
    yield skills
    skills.close()
    store.close()
    encoder.close()


@pytest.mark.parametrize(("request_text", "expected"), REQUESTS.items())
def test_a_request_in_other_words_finds_its_skill(
    described: Skills, request_text: str, expected: str
):
    assert described.search(request_text, k=1).hits[0].skill.id == expected


@pytest.mark.parametrize("text", SMALL_TALK)
def test_small_talk_and_noise_find_nothing(described: Skills, text: str):
    assert described.search(text).hits == ()
