"""Text to token ids: the WordPiece tokenizer of the model, bounded and without control tokens.

Three settings of the published tokenizer.json are overridden: it cuts at 128 tokens, pads
everything to 128, and reads ``</s>`` or ``<mask>`` inside a text as control tokens. Here the window
is the model's own 384 tokens, nothing is padded, and such strings are plain text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from openviking.errors import EncoderError, InputError, LimitError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

CHARS_MAX = 1 << 20
"""Longest text, in characters. The model reads some 1,500 of them; the rest is only counted."""

START, END = 0, 2
"""Ids of the markers ``<s>`` and ``</s>`` around each text."""

_MARKERS = 2
_FIRST_PIECE_CHARS = 4096
"""Enough for the window in most prose; a piece grows fourfold until it is enough."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The ids of one text, (s,) int64, markers included, and whether the text was longer."""

    ids: NDArray[np.int64]
    truncated: bool


class TextTokenizer:
    """The tokenizer of one build; safe to call from any thread.

    Args:
        path: its ``tokenizer.json``.
        tokens_max: tokens that the model reads at most, markers included.

    Raises:
        EncoderError: the file cannot be read as a tokenizer.
    """

    def __init__(self, path: Path, *, tokens_max: int) -> None:
        try:
            tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # the library raises bare Exception
            raise EncoderError(f"cannot read the tokenizer {path}: {error}") from error
        tokenizer.no_padding()
        tokenizer.no_truncation()
        tokenizer.encode_special_tokens = True
        self._tokenizer = tokenizer
        self._words_max = tokens_max - _MARKERS
        self.vocabulary = tokenizer.get_vocab_size()

    def tokenize(self, texts: Sequence[str]) -> list[Tokens]:
        """Tokenise *texts*, each cut to the window.

        Raises:
            InputError: a text is not a string, is empty, or is not valid Unicode; ``loc`` says
                which one.
            LimitError: a text has more than CHARS_MAX characters.
        """
        return [self._tokenize(text, position) for position, text in enumerate(texts)]

    def count(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each whole text, markers included; (n,) int64. Raises as tokenize."""
        counts = np.empty(len(texts), dtype=np.int64)
        for position, text in enumerate(texts):
            _check_text(text, position)
            ids = self._tokenizer.encode(text, add_special_tokens=False).ids
            counts[position] = len(ids) + _MARKERS
        return counts

    def mark(self, token_ids: Sequence[Sequence[int]]) -> list[Tokens]:
        """Put the markers around given ids, each list cut to the window.

        Raises:
            InputError: a list is empty, or an id is not a whole number of the vocabulary.
        """
        return [self._mark(ids, position) for position, ids in enumerate(token_ids)]

    def _tokenize(self, text: str, position: int) -> Tokens:
        _check_text(text, position)
        ids = self._leading_ids(text)
        if not ids:
            raise InputError(
                "text has no readable character, only control or combining characters",
                loc=("texts", position),
            )
        return self._framed(ids)

    def _leading_ids(self, text: str) -> list[int]:
        """Return the ids of *text*, or, if there are more than fit, at least one more than fit.

        A long text is read piece by piece from its start. Words are tokenised one by one, so all
        words of a piece but its last, which the cut may have halved, have their final tokens.
        """
        piece_chars = _FIRST_PIECE_CHARS
        while piece_chars < len(text):
            encoding = self._tokenizer.encode(text[:piece_chars], add_special_tokens=False)
            words = encoding.word_ids
            whole = words.index(words[-1]) if words else 0
            if whole > self._words_max:
                return encoding.ids[:whole]
            piece_chars *= 4
        return self._tokenizer.encode(text, add_special_tokens=False).ids

    def _mark(self, ids: Sequence[object], position: int) -> Tokens:
        loc = ("token_ids", position)
        if isinstance(ids, str | bytes) or not hasattr(ids, "__len__"):
            raise InputError(f"expected a list of token ids, got a {type(ids).__name__}", loc=loc)
        if not len(ids):
            raise InputError("list of token ids is empty", loc=loc)
        if len(ids) > CHARS_MAX:
            raise LimitError(f"{len(ids)} token ids, at most {CHARS_MAX} are read", loc=loc)
        for place, token in enumerate(ids):
            if isinstance(token, bool) or not isinstance(token, int | np.integer):
                raise InputError(
                    f"token id is a {type(token).__name__}, expected a whole number",
                    loc=(*loc, place),
                )
            if not 0 <= token < self.vocabulary:
                raise InputError(
                    f"token id {token} is not in the vocabulary, expected 0 to "
                    f"{self.vocabulary - 1}",
                    loc=(*loc, place),
                )
        return self._framed(ids)

    def _framed(self, ids: Sequence[object]) -> Tokens:
        kept = [START, *ids[: self._words_max], END]
        return Tokens(np.array(kept, dtype=np.int64), truncated=len(ids) > self._words_max)


def _check_text(text: object, position: int) -> None:
    loc = ("texts", position)
    if not isinstance(text, str):
        raise InputError(f"text is a {type(text).__name__}, expected a string", loc=loc)
    if not text or text.isspace():
        raise InputError("text is empty; expected some characters", loc=loc)
    if len(text) > CHARS_MAX:
        raise LimitError(
            f"text has {len(text)} characters, at most {CHARS_MAX} are read; split it", loc=loc
        )
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(
                f"text holds a lone surrogate (U+{ord(text[error.start]):04X}) at character "
                f"{error.start}, which is not valid Unicode",
                loc=loc,
            ) from error
