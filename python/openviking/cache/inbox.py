"""A bounded queue from any thread into an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Inbox(Generic[T]):
    """Items wait here until the loop takes them.

    Args:
        loop: where :meth:`take` runs.
        weight_max: what the waiting items may weigh together.
        weight: of an item; None means 1 each.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        weight_max: int,
        weight: Callable[[T], int] | None = None,
    ) -> None:
        self._loop = loop
        self._weight_max = weight_max
        self._weigh = weight or (lambda _item: 1)
        self._items: deque[T] = deque()
        self._weight = 0
        self._is_open = True
        self._changing = threading.Lock()
        self._arrived = asyncio.Event()

    def __len__(self) -> int:
        return len(self._items)

    def offer(self, item: T) -> bool:
        """Add *item* from any thread, without waiting; False if it is full or closed."""
        with self._changing:
            weight = self._weight + self._weigh(item)
            if not self._is_open or weight > self._weight_max:
                return False
            self._items.append(item)
            self._weight = weight
            # The loop lives as long as the inbox is open: close() is called on it.
            if len(self._items) == 1:
                self._loop.call_soon_threadsafe(self._arrived.set)
            return True

    async def take(self, weight_max: int) -> list[T]:
        """Wait for items and return the first ones, at least one and up to *weight_max*.

        Returns an empty list once it is closed and empty.
        """
        while True:
            with self._changing:
                taken = self._take_now(weight_max)
                if taken or not self._is_open:
                    return taken
                self._arrived.clear()
            await self._arrived.wait()

    def close(self) -> None:
        """Take nothing more; what waits can still be taken. Runs on the loop."""
        with self._changing:
            self._is_open = False
        self._arrived.set()

    def _take_now(self, weight_max: int) -> list[T]:
        taken: list[T] = []
        weight = 0
        while self._items:
            weight += self._weigh(self._items[0])
            if taken and weight > weight_max:
                break
            item = self._items.popleft()
            self._weight -= self._weigh(item)
            taken.append(item)
        return taken
