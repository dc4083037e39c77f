"""Embeddings already computed: a byte-bounded LRU, and an encoder that looks there first."""

from openviking.cache.encoder import CachedEncoder
from openviking.cache.memory import CachedEmbedding, CacheStats, EmbeddingCache, cache_key

__all__ = ["CacheStats", "CachedEmbedding", "CachedEncoder", "EmbeddingCache", "cache_key"]
