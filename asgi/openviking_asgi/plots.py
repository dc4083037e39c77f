"""Small plots as SVG text: they stretch to their frame, and take their colours from the page."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_WIDTH, _HEIGHT = 600, 100
_GAP = 0.15


def bars(values: Sequence[float], label: str) -> str:
    """Return one bar per value, from 0 to the largest."""
    top = max([*values, 0.0]) or 1.0
    step = _WIDTH / len(values)
    shapes = [
        f'<rect class=bar x="{at * step:.1f}" y="{_HEIGHT * (1 - value / top):.1f}" '
        f'width="{step * (1 - _GAP):.1f}" height="{_HEIGHT * value / top:.1f}"/>'
        for at, value in enumerate(values)
        if value > 0
    ]
    return _svg(shapes, label)


def curve(
    means: Sequence[float | None],
    highs: Sequence[float | None],
    label: str,
    *,
    top: float | None = None,
) -> str:
    """Return a line through *means* over an area up to *highs*; None is a stretch without values.

    Neighbouring points are joined over such a stretch by nothing: what was not measured is not
    drawn. A point without neighbours becomes a dot.
    """
    known = [value for value in (*means, *highs) if value is not None]
    limit = (max(known, default=0.0) or 1.0) if top is None else top
    step = _WIDTH / max(len(means) - 1, 1)

    def place(at: int, value: float) -> str:
        return f"{at * step:.1f},{_HEIGHT * (1 - value / limit):.1f}"

    shapes: list[str] = []
    for run in _runs(means):
        line = " ".join(place(at, value) for at, value in run)
        peaks = [(at, highs[at]) for at, _ in run]
        upper = " ".join(place(at, value) for at, value in peaks if value is not None)
        if len(run) == 1:
            # A line of no length with round ends: unlike a circle it stays round when stretched.
            shapes.append(f'<path class=dot d="M{line}h0.01"/>')
        elif upper:
            first, last = run[0][0] * step, run[-1][0] * step
            floor = f"{last:.1f},{_HEIGHT} {first:.1f},{_HEIGHT}"
            shapes.append(f'<polygon class=area points="{upper} {floor}"/>')
        if len(run) > 1:
            shapes.append(f'<polyline class=line points="{line}"/>')
    return _svg(shapes, label)


def _runs(values: Sequence[float | None]) -> list[list[tuple[int, float]]]:
    """Return the stretches of known values, each value with its position."""
    runs: list[list[tuple[int, float]]] = []
    is_open = False
    for at, value in enumerate(values):
        if value is None:
            is_open = False
            continue
        if not is_open:
            runs.append([])
            is_open = True
        runs[-1].append((at, value))
    return runs


def _svg(shapes: Sequence[str], label: str) -> str:
    return (
        f'<svg viewBox="0 -4 {_WIDTH} {_HEIGHT + 8}" preserveAspectRatio=none role=img '
        f'aria-label="{escape(label)}">'
        f'<line class=axis x1="0" y1="{_HEIGHT}" x2="{_WIDTH}" y2="{_HEIGHT}"/>'
        f"{''.join(shapes)}</svg>"
    )
