"""Conversations over a real store and the hashing encoder, with a clock that tests turn."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from openviking.conversation import Conversations
from openviking.encoder.fake import HashingEncoder
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Clock:
    """A clock that goes on one second with every look, and else only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def advance(self, **amount: float) -> None:
        self.now += timedelta(**amount)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "store", now=clock)
    yield opened
    opened.close()


@pytest.fixture
def conversations(store: SqliteStore, clock: Clock) -> Iterator[Conversations]:
    opened = Conversations(store, HashingEncoder(), clock=clock)
    yield opened
    opened.close()
