"""An embedding as bytes in Redis, and the proof that the bytes are what was asked for.

magic | version | flags | dim | tokens | made at | build | checksum | vector, little-endian. The
checksum covers the key too, so that a good value under another text's key is refused like a broken
one. It finds accidents and mix-ups; whoever may write to the Redis on purpose is trusted.
"""

from __future__ import annotations

import struct
from hashlib import blake2b

import numpy as np

from openviking.cache.memory import CachedEmbedding

_MAGIC = b"OVEC"
_VERSION = 1
_HEADER = struct.Struct("<4sBBHIQ16s")
_CHECKSUM_BYTES = 16
_TRUNCATED = 1
_NAMES = "openviking:embedding"

# Squared length of a float32 row that was normalised once: 768 roundings stay far below this.
_LENGTH_TOLERANCE = 1e-3


class Codec:
    """Names and values of one encoder's embeddings.

    Args:
        build_id: the model build; its digest is part of names and values.
        dim: numbers of a vector, below 65,536.
    """

    def __init__(self, build_id: str, dim: int) -> None:
        self._build = blake2b(build_id.encode(), digest_size=16).digest()
        self._dim = dim
        self._prefix = f"{_NAMES}:{self._build[:6].hex()}:"

    def name(self, key: bytes) -> str:
        """Return the name in Redis: prefix, build, and the digest of text and namespace.

        The readable prefix lets `redis-cli --scan` find the embeddings of one build.
        """
        return self._prefix + key.hex()

    def pack(self, key: bytes, entry: CachedEmbedding) -> bytes | None:
        """Return the value for *entry* under *key*; None if it would not verify."""
        vector = entry.vector.astype("<f4", copy=False)
        if vector.shape != (self._dim,) or not _is_unit(vector):
            return None
        header = _HEADER.pack(
            _MAGIC,
            _VERSION,
            _TRUNCATED if entry.is_truncated else 0,
            self._dim,
            entry.token_count,
            max(0, round(entry.made_at * 1000)),
            self._build,
        )
        body = vector.tobytes()
        return b"".join((header, checksum(key, header, body), body))

    def unpack(self, key: bytes, value: object) -> CachedEmbedding | None:
        """Return the embedding that *value* holds; None if it is not one of ours for *key*."""
        body_at = _HEADER.size + _CHECKSUM_BYTES
        if not isinstance(value, bytes) or len(value) != body_at + 4 * self._dim:
            return None
        header, body = value[: _HEADER.size], value[body_at:]
        magic, version, flags, dim, token_count, made_at_ms, build = _HEADER.unpack(header)
        if (magic, version, dim, build) != (_MAGIC, _VERSION, self._dim, self._build):
            return None
        if value[_HEADER.size : body_at] != checksum(key, header, body):
            return None
        # A copy, because a view of the value would keep its header alive too.
        vector = np.frombuffer(body, dtype="<f4").astype(np.float32, copy=True)
        if not _is_unit(vector):
            return None
        vector.flags.writeable = False
        return CachedEmbedding(vector, token_count, bool(flags & _TRUNCATED), made_at_ms / 1000)


def checksum(key: bytes, header: bytes, body: bytes) -> bytes:
    """Return the 16 bytes that bind a value's header and body to its key."""
    digest = blake2b(header, digest_size=_CHECKSUM_BYTES)
    digest.update(key)
    digest.update(body)
    return digest.digest()


def _is_unit(vector: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bool:
    with np.errstate(all="ignore"):
        # A number that is not finite makes the sum so as well, and every comparison false.
        return bool(abs(float(np.dot(vector, vector)) - 1.0) <= _LENGTH_TOLERANCE)
