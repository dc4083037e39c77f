"""The workload: texts of an exact number of tokens, cut from the prose that this repository has."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from pathlib import Path

LENGTHS = (8, 32, 128, 384)
"""Tokens per text, the model's two markers included."""

TEXTS_PER_LENGTH = 16
MIXED_BATCHES = 4
MIXED_TEXTS = 32
MARKERS = 2
_SHORTEST, _MEDIAN, _LONGEST = 3, 36, 384
_SPREAD = 1.1  # standard deviation of the logarithm; most texts short, a few at the window


@dataclass(frozen=True, slots=True)
class Workload:
    """What every encoder is given.

    Attributes:
        by_length: tokens -> 16 different texts of exactly that many tokens.
        mixed: batches of 32 texts of 3 to 384 tokens, median about 36.
        mixed_tokens: tokens of all mixed batches together.
    """

    by_length: dict[int, list[str]]
    mixed: list[list[str]]
    mixed_tokens: int


def make_workload(root: Path, tokenizer_file: Path) -> Workload:
    """Cut the workload from the Markdown files and the licence under *root*.

    The same files give the same texts: lengths and places come from a seeded generator.
    """
    cutter = _Cutter(_prose(root), tokenizer_file)
    chance = random.Random(0)
    by_length = {
        length: [cutter.cut(length, index / TEXTS_PER_LENGTH) for index in range(TEXTS_PER_LENGTH)]
        for length in LENGTHS
    }
    lengths = [_mixed_lengths(chance) for _ in range(MIXED_BATCHES)]
    mixed = [[cutter.cut(length, chance.random()) for length in batch] for batch in lengths]
    return Workload(by_length, mixed, sum(sum(batch) for batch in lengths))


def _mixed_lengths(chance: random.Random) -> list[int]:
    """Both extremes, and between them a log-normal spread around the median."""
    drawn = [
        min(_LONGEST, max(_SHORTEST, round(_MEDIAN * chance.lognormvariate(0, _SPREAD))))
        for _ in range(MIXED_TEXTS - 2)
    ]
    lengths = [_SHORTEST, _LONGEST, *drawn]
    chance.shuffle(lengths)
    return lengths


def _prose(root: Path) -> str:
    documents = [*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("examples/**/*.md")]
    return "\n".join(path.read_text("utf-8") for path in [*sorted(documents), root / "LICENSE"])


class _Cutter:
    """Cuts texts at white space, where the tokens of neighbours do not depend on each other."""

    def __init__(self, prose: str, tokenizer_file: Path) -> None:
        self._tokenizer = Tokenizer.from_file(str(tokenizer_file))
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()
        # A word longer than a short text (a URL, a rule of dashes) would be in no text at all.
        words = prose.split()
        counts = [
            len(encoding.ids)
            for encoding in self._tokenizer.encode_batch(words, add_special_tokens=False)
        ]
        kept = [(word, count) for word, count in zip(words, counts, strict=True) if 0 < count < 4]
        self._words = [word for word, _ in kept]
        self._counts = [count for _, count in kept]

    def cut(self, length: int, place: float) -> str:
        """Return a text of exactly *length* tokens that begins near *place*, 0 to 1."""
        first = int(place * len(self._words))
        for start in range(first, first + len(self._words)):
            text = self._from(start, length - MARKERS)
            if text is not None and len(self._tokenizer.encode(text).ids) == length:
                return text
        raise ValueError(f"the prose has no run of words with exactly {length} tokens")

    def _from(self, start: int, wanted: int) -> str | None:
        """Return the words from *start* on that make *wanted* tokens, or None if none do.

        The prose is a ring: its end is followed by its beginning.
        """
        total, words = 0, []
        for place in range(start, start + wanted):
            total += self._counts[place % len(self._counts)]
            words.append(self._words[place % len(self._words)])
            if total == wanted:
                return " ".join(words)
            if total > wanted:
                return None
        return None
