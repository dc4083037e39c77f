"""Embeddings already computed: a byte-bounded LRU, a Redis behind it, an encoder that looks there.

texts -> LRU -> (misses) one MGET to Redis, within a deadline -> (misses) encoder
      -> LRU at once; Redis is written later, from one bounded queue
"""

from openviking.cache.encoder import CachedEncoder
from openviking.cache.memory import CachedEmbedding, CacheStats, EmbeddingCache, cache_key
from openviking.cache.shared import SharedCache, SharedStats, why_unusable

__all__ = [
    "CacheStats",
    "CachedEmbedding",
    "CachedEncoder",
    "EmbeddingCache",
    "SharedCache",
    "SharedStats",
    "cache_key",
    "why_unusable",
]
