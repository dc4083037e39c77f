"""Cut a text into pieces that get vectors of their own: at headings and paragraphs.

The sizes weigh three things: the encoder was trained on short texts and blurs long ones, it reads
384 tokens at most, and every token costs time (about 0.2 ms each on two cores).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.retrieval.markdown import heading_of, next_fence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openviking.types import TextEncoder

PIECE_TOKENS = 224
"""Tokens of a piece, headings in front included: a section or two of a usual document."""

SECTION_TOKENS_MIN = 128
"""A heading starts a new piece only if the one before it has at least this many tokens."""

NAME_CHARS_MAX = 160
"""Characters of the name and the headings in front of a piece."""

_RUN_CHARS_MAX = 48
_OUTLINE_CHARS_MAX = 900
_TABLE_RULE = re.compile(r"^[\s|:+=_*-]+$")
_NOISE = re.compile(r"\*\*|__|`+|<!--.{0,200}?-->|\|")
_LONG_RUN = re.compile(rf"\S{{{_RUN_CHARS_MAX + 1},}}")


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a text: what is embedded, and the characters [start, end) that it was made from."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Block:
    """A heading, paragraph, list or code block, with its place in the text."""

    start: int
    end: int
    text: str
    path: tuple[str, ...]
    is_heading: bool = False
    tokens: int = 0


def cut_text(text: str, name: str, encoder: TextEncoder, *, count_max: int) -> list[Piece]:
    """Return the pieces of *text* in order; the same text and encoder give the same pieces.

    Each begins with *name* and the headings above it. What lies beyond *count_max* pieces is kept
    as the list of its headings, one piece more.

    Args:
        text: Markdown or plain.
        name: what the text is, in words; its first ``NAME_CHARS_MAX`` characters are used.
        encoder: counts tokens.
        count_max: pieces before the outline.
    """
    blocks = list(_blocks(text))
    if not blocks:
        return []
    title = name[:NAME_CHARS_MAX]
    # Room for the headings in front of a piece: the name and one more heading.
    front = (int(encoder.token_counts([title])[0]) if title else 2) + 8
    budget = max(8, min(PIECE_TOKENS, encoder.tokens_max - 2) - front)
    sized = [piece for block in _sized(blocks, encoder) for piece in _split(block, budget, encoder)]
    groups = list(_pack(sized, budget))
    kept = [_piece(title, group) for group in groups[:count_max]]
    rest = [block for group in groups[count_max:] for block in group]
    titles = list(dict.fromkeys(block.path[-1] for block in rest if block.path))
    if titles:
        outline = f"{title} also covers: ".lstrip() + "; ".join(titles)
        kept.append(Piece(outline[:_OUTLINE_CHARS_MAX], rest[0].start, rest[-1].end))
    return [piece for piece in kept if piece.text]


def _blocks(text: str) -> Iterator[_Block]:
    """Yield blocks: headings alone, fenced code whole, else runs of lines without a blank one."""
    path: list[tuple[int, str]] = []
    run: list[str] = []
    run_start, at, fence = 0, 0, ""
    for line in text.split("\n"):
        was_open, fence = fence, next_fence(line, fence)
        heading = None if fence or was_open else heading_of(line)
        if heading or not (line.strip() or fence):
            yield from _block(run, run_start, path)
            run = []
        if heading:
            level, title = heading
            path = [(depth, text) for depth, text in path if depth < level] + [(level, title)]
            yield _Block(at, at + len(line), title, _titles(path), is_heading=True)
        elif line.strip():
            run_start = run_start if run else at
            run.append(line)
        at += len(line) + 1
    yield from _block(run, run_start, path)


def _block(run: list[str], start: int, path: list[tuple[int, str]]) -> Iterator[_Block]:
    text = "\n".join(cleaned for line in run if (cleaned := _clean(line)))
    if text:
        yield _Block(start, start + sum(map(len, run)) + len(run) - 1, text, _titles(path))


def _titles(path: list[tuple[int, str]]) -> tuple[str, ...]:
    return tuple(title for _, title in path)


def _clean(line: str) -> str:
    """Drop what only draws: fences, table rules, emphasis; shorten runs such as keys and URLs."""
    if _TABLE_RULE.match(line) or (next_fence(line, "") and not line.strip().strip("`~")):
        return ""
    text = " ".join(_NOISE.sub(" ", line).split())
    return _LONG_RUN.sub(lambda run: run[0][:_RUN_CHARS_MAX], text)


def _sized(blocks: Sequence[_Block], encoder: TextEncoder) -> list[_Block]:
    counts = encoder.token_counts([block.text for block in blocks]) - 2
    return [
        _Block(block.start, block.end, block.text, block.path, block.is_heading, int(tokens))
        for block, tokens in zip(blocks, counts, strict=True)
    ]


def _split(block: _Block, budget: int, encoder: TextEncoder) -> list[_Block]:
    """Halve a block at a line end, else at a space, else anywhere, until each part fits."""
    if block.tokens <= budget or len(block.text) < 2:
        return [block]
    middle = len(block.text) // 2
    cut = max(block.text.rfind(mark, middle // 2, middle + 1) for mark in ("\n",))
    if cut <= 0:
        cut = block.text.rfind(" ", middle // 2, middle + 1)
    cut = cut if cut > 0 else middle
    # Cleaning moved the characters, so the place of a part is known only in proportion.
    seam = block.start + (block.end - block.start) * cut // len(block.text)
    parts = [
        _Block(block.start, seam, block.text[:cut].strip(), block.path),
        _Block(seam, block.end, block.text[cut:].strip(), block.path),
    ]
    sized = _sized([part for part in parts if part.text], encoder)
    return [piece for part in sized for piece in _split(part, budget, encoder)]


def _pack(blocks: Sequence[_Block], budget: int) -> Iterator[list[_Block]]:
    """Fill pieces with neighbouring blocks; a heading begins one unless the last is short."""
    group: list[_Block] = []
    tokens = 0
    for block in blocks:
        is_full = tokens + block.tokens > budget
        if group and (is_full or (block.is_heading and tokens >= SECTION_TOKENS_MIN)):
            yield from _nonempty(group)
            group, tokens = [], 0
        group.append(block)
        tokens += block.tokens
    yield from _nonempty(group)


def _nonempty(group: list[_Block]) -> Iterator[list[_Block]]:
    """Pass over groups of headings without any text: the next piece has them as its path."""
    if not all(block.is_heading for block in group):
        yield group


def _piece(name: str, group: list[_Block]) -> Piece:
    first = group[0]
    above = first.path[:-1] if first.is_heading else first.path
    # The first heading of a text is nearly always its name in other words.
    titles = list(dict.fromkeys(title for title in (name, *above[1:]) if title))
    prefix = " > ".join(titles)[:NAME_CHARS_MAX]
    text = "\n".join(block.text for block in group)
    return Piece(f"{prefix}\n{text}" if prefix else text, first.start, group[-1].end)
