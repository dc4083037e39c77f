"""From vectors to the nearest ids: an exact scan, or candidates from an HNSW graph.

Owns usearch. The store is the truth, and an index is built from it: in memory, or in a folder that
is opened again without building (`Index.open`).
"""

from openviking.index.disk import DiskIndex, DiskOptions
from openviking.index.index import Index, IndexKind
from openviking.vectors import FoundGroups

__all__ = ["DiskIndex", "DiskOptions", "FoundGroups", "Index", "IndexKind"]
