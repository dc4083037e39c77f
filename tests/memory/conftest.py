"""Conversations that learn, over a real store and real resources."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from openviking.conversation import Conversations, Sources
from openviking.encoder.fake import HashingEncoder
from openviking.memory import PREFIX, Category, Memories
from openviking.resources import Resources
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CATEGORIES: tuple[Category, ...] = (
    "profile",
    "preferences",
    "entities",
    "events",
    "cases",
    "patterns",
)


class Mind:
    """Conversations that learn, and what they have learned."""

    def __init__(self, store: SqliteStore, **options: Any) -> None:
        self.store = store
        self.resources = Resources(store, HashingEncoder())
        lifetimes = options.pop("lifetimes", None)
        options = {"categories": CATEGORIES} | options
        self.memories = Memories(store.memories, self.resources, **options)
        self.memories.start()
        sources = Sources(memory=self.memories)
        self.conversations = Conversations(
            store, HashingEncoder(), sources=sources, lifetimes=lifetimes
        )

    def close(self) -> None:
        self.conversations.close()
        self.memories.close()
        self.resources.close()

    def tell(self, text: str, session: str = "s", user: str = "ann", agent: str = "") -> Any:
        said = self.conversations.of(user, agent).say(text, session)
        assert self.memories.wait_until_idle(20)
        return said

    def known(self, tail: str = "") -> dict[str, str]:
        page = self.resources.list(prefix=PREFIX + tail)
        return {one.target_uri.removeprefix(PREFIX): one.content for one in page.resources}


@contextmanager
def opened(store: SqliteStore, **options: Any) -> Iterator[Mind]:
    with closing(Mind(store, **options)) as mind:
        yield mind


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "store")) as found:
        yield found


@pytest.fixture
def mind(store: SqliteStore) -> Iterator[Mind]:
    with opened(store) as found:
        yield found
