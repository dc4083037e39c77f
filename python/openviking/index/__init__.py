"""From vectors to the nearest ids: an exact scan, or candidates from an HNSW graph.

Owns usearch. Everything is kept in memory; the store is the truth, and an index is built from it.
"""

from openviking.index.index import Index, IndexKind

__all__ = ["Index", "IndexKind"]
