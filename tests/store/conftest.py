"""The stores under the contract suite, and records to put into them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.store import SqliteStore
from openviking.types import Skill, SkillEntry, SkillPassage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from openviking.store.port import Store

DIM = 8


@pytest.fixture(params=["sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Store]:
    """Open the same storage each time it is called: a second call is a restart."""
    stores = {"sqlite": lambda: SqliteStore(tmp_path / "storage")}
    opener: Callable[[], Store] = stores[request.param]
    return opener


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Iterator[Store]:
    opened = open_store()
    yield opened
    opened.close()


def entry(skill: Skill, *, passages: int = 1, seed: int = 0, build_id: str = "b1") -> SkillEntry:
    """A skill with passages whose vectors are random but the same for the same seed."""
    vectors = np.random.default_rng(seed).standard_normal((passages, DIM)).astype(np.float32)
    pieces = tuple(SkillPassage("body", f"piece {at}", at, at + 1) for at in range(passages))
    return SkillEntry(skill, pieces, vectors, build_id)


def skill(skill_id: str, **fields: object) -> Skill:
    return Skill(id=skill_id, **{"name": skill_id, "description": "", **fields})  # type: ignore[arg-type] # any field
