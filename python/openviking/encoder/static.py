"""The static encoder behind the ``fast`` tier: a text's vector is the mean of its tokens' rows.

The table holds one row per token of the vocabulary, distilled from the model by
:mod:`openviking.encoder.distill`: a lookup and a mean take some 20 microseconds where the model
takes milliseconds. Its vectors point roughly where the model's do (cosine one half), so that they
find the model's nearest vectors; they are no replacement for them and are never stored.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.errors import EncoderError
from openviking.types import Embeddings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from openviking.encoder.tokenizer import TextTokenizer, Tokens

CODES, SCALES = "codes.npy", "scales.npy"
"""Files of a table: (vocabulary, dim) int8, and one float32 per row."""


class StaticEncoder:
    """Mean of token rows, L2-normalised; implements ``types.TextEncoder``. Safe from any thread.

    The table is mapped: only the rows of words that occur are brought into memory. The same text
    gives the same vector bit for bit, whatever else is in the call.

    Args:
        tokenizer: the model's own, shared with the encoder that the table was distilled from.
        folder: holds ``codes.npy`` and ``scales.npy``.
        build_id: names the table.
        tokens_max: tokens that are read at most, the two markers of the model included.

    Raises:
        EncoderError: the table cannot be read, or does not fit the tokenizer.
    """

    def __init__(
        self, tokenizer: TextTokenizer, folder: Path, build_id: str, *, tokens_max: int
    ) -> None:
        self.folder = folder
        self.build_id = build_id
        self.tokens_max = tokens_max
        self._tokenizer = tokenizer
        try:
            self._codes: NDArray[np.int8] = np.load(folder / CODES, mmap_mode="r")
            self._scales: NDArray[np.float32] = np.load(folder / SCALES)
        except (OSError, ValueError) as error:
            raise EncoderError(f"cannot read the table in {folder}: {error}") from error
        rows = tokenizer.vocabulary
        if self._codes.ndim != 2 or len(self._codes) != rows or self._scales.shape != (rows,):
            raise EncoderError(
                f"the table in {folder} has shape {self._codes.shape}, expected {rows} rows"
            )
        self.dim = int(self._codes.shape[1])

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed *texts*; raises InputError and LimitError as the model's encoder does."""
        return self._embed(self._tokenizer.tokenize(texts))

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> Embeddings:
        """Embed texts given as token ids of the vocabulary, markers not included."""
        return self._embed(self._tokenizer.mark(token_ids))

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each text before any truncation, markers included; (n,) int64."""
        return self._tokenizer.count(texts)

    def close(self) -> None:
        """Nothing to stop; the table is unmapped with the last reference."""

    def _embed(self, tokens: list[Tokens]) -> Embeddings:
        vectors = np.empty((len(tokens), self.dim), dtype=np.float32)
        for row, text in zip(vectors, tokens, strict=True):
            self._pool_into(text.ids[1:-1], row)
        return Embeddings(
            vectors=vectors,
            token_counts=np.array([len(text.ids) for text in tokens], dtype=np.int64),
            truncated=np.array([text.truncated for text in tokens], dtype=np.bool_),
            cached=np.zeros(len(tokens), dtype=np.bool_),
        )

    def _pool_into(self, ids: NDArray[np.int64], row: NDArray[np.float32]) -> None:
        # Words in another order are the same text here; sorting makes the sum the same bit for bit.
        ids = np.sort(ids)
        # Float32 sums of rows, not a product with BLAS, whose order depends on the sizes.
        (self._codes[ids].astype(np.float32) * self._scales[ids, None]).sum(axis=0, out=row)
        length = np.sqrt(np.square(row, dtype=np.float64).sum())
        if length > 0:
            row /= np.float32(length)
