"""A clock that tests move, and resources on it that are searched over the hashing encoder."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.resources import Resources
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment

    def move(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder()


class Place:
    """A storage folder that can be opened again and again, as restarts do."""

    def __init__(
        self, folder: Path, encoder: HashingEncoder, clock: Callable[[], datetime]
    ) -> None:
        self._folder, self._encoder, self._clock = folder, encoder, clock
        self._opened: list[tuple[Resources, SqliteStore]] = []

    def open(self) -> Resources:
        self.close()
        store = SqliteStore(self._folder, now=self._clock)
        self._opened.append((Resources(store, self._encoder), store))
        return self._opened[-1][0]

    def close(self) -> None:
        while self._opened:
            resources, store = self._opened.pop()
            resources.close()
            store.close()


@pytest.fixture
def place(tmp_path: Path, encoder: HashingEncoder, clock: Clock) -> Iterator[Place]:
    opened = Place(tmp_path / "storage", encoder, clock)
    yield opened
    opened.close()


@pytest.fixture
def found(place: Place) -> Resources:
    """Resources with a model, so that they are found by meaning too."""
    return place.open()
