"""Counters of the second tier."""

from __future__ import annotations

import threading
from collections import Counter


class Tally:
    """Named numbers that only grow. Safe for threads."""

    def __init__(self) -> None:
        self._values: Counter[str] = Counter()
        self._changing = threading.Lock()

    def add(self, name: str, amount: float = 1) -> None:
        """Add to *name*."""
        with self._changing:
            self._values[name] += amount  # type: ignore[assignment]

    def read(self) -> dict[str, float]:
        """Return all numbers of one moment."""
        with self._changing:
            return dict(self._values)
