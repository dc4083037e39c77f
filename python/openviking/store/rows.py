"""Which row an id has, in a table that is cheap to change and never seen half changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHANGES_MIN, _CHANGES_SHARE = 512, 1 / 64
"""Changes at most beside the large table; then it is copied, which costs milliseconds."""


class RowTable(Mapping[str, int]):
    """Which row an id has: a large table that is shared, and a few changes to it.

    Args:
        table: as it was; never changed.
        changes: id -> row since then, -1 for one that is gone; never changed.
    """

    __slots__ = ("_changes", "_table")

    def __init__(self, table: dict[str, int], changes: dict[str, int]) -> None:
        self._table = table
        self._changes = changes

    def changed(self, changes: Mapping[str, int]) -> RowTable:
        """Return the rows after more changes."""
        merged = self._changes | dict(changes)
        if len(merged) <= max(_CHANGES_MIN, _CHANGES_SHARE * len(self._table)):
            return RowTable(self._table, merged)
        table = self._table | merged
        for skill_id in [one for one, row in merged.items() if row < 0]:
            del table[skill_id]
        return RowTable(table, {})

    def rows(self, ids: Iterable[str]) -> list[int]:
        """Return the row of each id, -1 for one that has none; a search asks for a hundred."""
        table, changes = self._table, self._changes
        if not changes:
            return [table.get(one, -1) for one in ids]
        return [changes[one] if one in changes else table.get(one, -1) for one in ids]

    def get(self, key: str, default: Any = None) -> Any:
        """Return the row of an id; *default* if it has none."""
        row = self._changes.get(key)
        if row is None:
            return self._table.get(key, default)
        return default if row < 0 else row

    def __getitem__(self, key: str) -> int:
        row: int | None = self.get(key)
        if row is None:
            raise KeyError(key)
        return row

    def __iter__(self) -> Iterator[str]:
        return (key for key in self._table | self._changes if self.get(key) is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)
