"""A TextEncoder without a model, for tests: feature hashing of words.

Shipped beside the real encoder so that code above it can be tested in milliseconds. Texts that
share words get similar vectors, and nothing else is understood. The package never chooses it.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import InputError
from openviking.types import Embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

_WORD = re.compile(r"\w+")


class HashingEncoder:
    """Signed feature hashing of lower-cased words into *dim* dimensions, L2-normalised.

    Args:
        dim: width of the vectors.
        tokens_max: words read per text, two markers included; the rest is truncated.
    """

    def __init__(self, dim: int = 768, tokens_max: int = 384) -> None:
        self.dim = dim
        self.tokens_max = tokens_max
        self.build_id = f"hashing-{dim}"
        self.texts_encoded = 0
        """How many texts were really computed: what a cache test counts."""

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed *texts* by their words; raises InputError for a text without any character."""
        for position, text in enumerate(texts):
            if not text.strip():
                raise InputError("text is empty; expected some characters", loc=("texts", position))
        return self._embed([_WORD.findall(text.lower()) for text in texts])

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> Embeddings:
        """Embed lists of token ids, each id hashed like a word."""
        return self._embed([[str(token) for token in tokens] for tokens in token_ids])

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count words, plus two markers, per text."""
        return np.array([len(_WORD.findall(text)) + 2 for text in texts], dtype=np.int64)

    def close(self) -> None:
        """Nothing to release."""

    def _embed(self, word_lists: list[list[str]]) -> Embeddings:
        kept = [words[: self.tokens_max - 2] for words in word_lists]
        vectors = np.stack([self._vector(words) for words in kept]) if kept else self._none()
        self.texts_encoded += len(kept)
        return Embeddings(
            vectors=vectors,
            token_counts=np.array([len(words) + 2 for words in kept], dtype=np.int64),
            truncated=np.array([len(words) > self.tokens_max - 2 for words in word_lists], bool),
            cached=np.zeros(len(kept), dtype=bool),
        )

    def _none(self) -> NDArray[np.float32]:
        return np.zeros((0, self.dim), dtype=np.float32)

    def _vector(self, words: list[str]) -> NDArray[np.float32]:
        vector = np.zeros(self.dim, dtype=np.float32)
        for word in words or [""]:
            digest = int.from_bytes(
                blake2b(word.encode("utf-8", "replace"), digest_size=8).digest()
            )
            vector[digest % self.dim] += 1.0 if digest >> 63 else -1.0
        length = float(np.linalg.norm(vector))
        if length == 0.0:
            vector[0] = length = 1.0
        return vector / np.float32(length)
