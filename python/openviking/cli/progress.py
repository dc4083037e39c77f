"""A progress line on standard error: one that moves on a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import sys
import time
from typing import TYPE_CHECKING, Self

from openviking.cli.output import bytes_text, plain

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_WIDTH = 24


_UNITS = {"build": "layers", "check": "texts", "distil": "tokens"}
"""What a stage of a model pull counts, by the stage's first word; all others count bytes."""


class ProgressLine:
    """Shows stage, share, amount, rate and remaining time; called with (done, total).

    Args:
        stage: what is being done; ``stage()`` starts the next one.
        unit: ``bytes``, or the plural of what is counted.
        stream: where to write.
        clock: seconds; injectable.
    """

    def __init__(
        self,
        stage: str,
        *,
        unit: str = "bytes",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._moves = self._stream.isatty()
        # A log wants a line now and then; an eye wants movement.
        self._interval_s = 0.1 if self._moves else 5.0
        self._clock = clock
        self._shown_chars = 0
        self._stage, self._unit = stage, unit
        self._done = self._total = 0
        self._first: tuple[float, int] | None = None
        self._began = self._shown_at = 0.0
        self._begin(stage, unit)

    def stage(self, stage: str, *, unit: str = "bytes") -> None:
        """End the current stage's line and start another."""
        self._end()
        self._begin(stage, unit)

    def report(self, stage: str, done: int, total: int) -> None:
        """Take the report of work that names its own stages; a new name starts a new line."""
        if stage != self._stage:
            self.stage(stage, unit=_UNITS.get(stage.partition(" ")[0], "bytes"))
        self(done, total)

    def __call__(self, done: int, total: int) -> None:
        """Report that *done* of *total* is reached; total 0 means that it is not known."""
        now = self._clock()
        self._done, self._total = done, total
        if self._first is None:
            # What an earlier run left counts for the share, not for the rate.
            self._first = (now, done)
        if now - self._shown_at >= self._interval_s:
            self._show(now)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _begin(self, stage: str, unit: str) -> None:
        self._stage, self._unit = plain(stage), unit
        self._done = self._total = 0
        self._first = None
        self._began = self._clock()
        # Drawn at once for an eye; in a log only if it lasts, or at the end.
        self._shown_at = -math.inf if self._moves else self._began

    def _end(self) -> None:
        if self._first is None and not self._shown_chars:
            return
        self._show(self._clock())
        if self._moves:
            self._stream.write("\n")
            self._stream.flush()
        self._shown_chars = 0
        self._first = None

    def _show(self, now: float) -> None:
        self._shown_at = now
        line = self._line(now)
        if self._moves:
            self._stream.write("\r" + line.ljust(self._shown_chars))
            self._shown_chars = len(line)
        else:
            self._stream.write(line + "\n")
        self._stream.flush()

    def _line(self, now: float) -> str:
        since, start = self._first or (self._began, 0)
        elapsed = max(now - since, 1e-9)
        rate = (self._done - start) / elapsed
        parts = [f"{self._stage:<12}"]
        if self._total > 0:
            share = min(self._done / self._total, 1.0)
            filled = int(share * _WIDTH)
            parts += [f"[{'#' * filled}{'.' * (_WIDTH - filled)}]", f"{share:4.0%}"]
            parts.append(f"{self._amount(self._done)} of {self._amount(self._total)}")
        elif self._done:
            parts.append(self._amount(self._done))
        else:
            parts.append("...")
        if self._done > start and elapsed >= 0.5:
            parts.append(f"{self._amount(rate)}/s")
            if self._total > self._done:
                parts.append(f"{(self._total - self._done) / rate:.0f} s left")
        return "  ".join(parts)

    def _amount(self, count: float) -> str:
        return bytes_text(count) if self._unit == "bytes" else f"{count:.0f} {self._unit}"
