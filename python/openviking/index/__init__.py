"""From vectors to the nearest ids: an exact scan, or candidates from an HNSW graph.

Owns usearch. The store is the truth, and an index is built from it: in memory, or in a folder that
is opened again without building (`Index.open`). What only such a folder needs is imported with it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from openviking.index.index import Index, IndexKind
from openviking.vectors import FoundGroups

if TYPE_CHECKING:
    from openviking.index.disk import DiskIndex, DiskOptions

__all__ = ["DiskIndex", "DiskOptions", "FoundGroups", "Index", "IndexKind"]


def __getattr__(name: str) -> Any:
    if name in {"DiskIndex", "DiskOptions"}:
        return getattr(import_module("openviking.index.disk"), name)
    raise AttributeError(f"module 'openviking.index' has no attribute {name!r}")
