"""The fast tier: searched with its own encoder, and never mixed with the full one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import ConflictError, InputError
from openviking.skills import Skills

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.store import SqliteStore
    from openviking.types import TextEncoder

QUERY = "clean a messy table"


class Cupboard:
    """Where the quick encoder is kept, if there is one."""

    def __init__(self) -> None:
        self.quick: HashingEncoder | None = None
        self.opened = 0

    def open(self) -> TextEncoder:
        if self.quick is None:
            raise ConflictError("no table")
        self.opened += 1
        return self.quick


@pytest.fixture
def cupboard() -> Cupboard:
    return Cupboard()


@pytest.fixture
def skills(store: SqliteStore, encoder: HashingEncoder, cupboard: Cupboard) -> Iterator[Skills]:
    opened = Skills(store, encoder, open_fast=cupboard.open)
    for text in ("Cleans a messy table", "Reads a letter aloud", "Paints a wall"):
        opened.create(fields={"name": text.split()[0], "description": text})
    yield opened
    opened.close()


def test_the_fast_tier_does_not_run_the_model(
    skills: Skills, encoder: HashingEncoder, cupboard: Cupboard
):
    cupboard.quick = HashingEncoder()
    before = encoder.texts_encoded

    found = skills.search(QUERY, tier="fast")

    assert found.tier == "fast"
    assert [hit.skill.id for hit in found.hits][:1] == ["cleans"]
    assert encoder.texts_encoded == before
    assert cupboard.quick.texts_encoded > 0


def test_an_answer_of_one_tier_is_never_given_for_the_other(skills: Skills, cupboard: Cupboard):
    # As long as no word is shared, a narrow hash gives other cosines than a wide one would.
    cupboard.quick = HashingEncoder(tokens_max=3)

    full = skills.search(QUERY)
    fast = skills.search(QUERY, tier="fast")
    again = skills.search(QUERY)

    assert full.tier == again.tier == "full"
    assert full.hits == again.hits
    assert [hit.score for hit in fast.hits] != [hit.score for hit in full.hits]


def test_a_table_that_comes_later_is_found_and_opened_once(skills: Skills, cupboard: Cupboard):
    with pytest.raises(ConflictError, match="no table"):
        skills.search(QUERY, tier="fast")
    cupboard.quick = HashingEncoder()

    assert skills.search(QUERY, tier="fast").found_count
    assert skills.search("read a letter", tier="fast").found_count
    assert cupboard.opened == 1


def test_an_encoder_without_a_fast_tier_says_so(store: SqliteStore, encoder: HashingEncoder):
    skills = Skills(store, encoder)
    with pytest.raises(ConflictError, match="tier full"):
        skills.search(QUERY, tier="fast")
    skills.close()


def test_a_tier_that_does_not_exist_is_an_error_and_not_the_fast_one(
    skills: Skills, cupboard: Cupboard
):
    cupboard.quick = HashingEncoder()
    with pytest.raises(InputError, match="expected full or fast, got 'ful'"):
        skills.search(QUERY, tier="ful")  # type: ignore[arg-type]
