"""Measuring: every cell of every encoder, interleaved in random order, round after round.

A cell is one kind of work, such as a text of 32 tokens. Within a round all encoders get the same
texts of a cell, one after the other, so that a slow minute of the machine falls on all of them, and
a ratio is only ever taken between figures of one round.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

import numpy as np

from benches.peers.texts import LENGTHS, TEXTS_PER_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from benches.peers.process import Worker
    from benches.peers.texts import Workload

ONE_CALL = "mixed, one call"
ONE_BY_ONE = "mixed, one by one"

# Texts timed in a row: few of the long ones, or the slowest encoder would fill the whole run.
_BURSTS = {8: 16, 32: 16, 128: 8, 384: 4}


@dataclass(slots=True)
class Samples:
    """Seconds per sample of one encoder: cell name -> one list a round."""

    rounds: dict[str, list[list[float]]] = field(default_factory=dict)

    def add(self, cell: str, seconds: list[float]) -> None:
        """Keep the samples of one round."""
        self.rounds.setdefault(cell, []).append(seconds)

    def all(self, cell: str) -> list[float]:
        """Return the samples of all rounds together."""
        return [value for seconds in self.rounds[cell] for value in seconds]

    def median(self, cell: str) -> float:
        """Median seconds over all rounds."""
        return median(self.all(cell))

    def p90(self, cell: str) -> float:
        """90th percentile of the seconds over all rounds."""
        return float(np.percentile(self.all(cell), 90))

    def ratio_to(self, other: Samples, cell: str) -> float:
        """How many times slower than *other*: median of the ratios of the rounds' medians."""
        pairs = zip(self.rounds[cell], other.rounds[cell], strict=True)
        return median(median(mine) / median(theirs) for mine, theirs in pairs)


def measure(
    workers: Sequence[Worker],
    workload: Workload,
    rounds: int,
    progress: Callable[[str], None],
) -> dict[str, Samples]:
    """Run *rounds* rounds; return the samples of each worker by its name."""
    chance = random.Random()  # not seeded: a new order every run is the point
    samples = {worker.spec.name: Samples() for worker in workers}
    for number in range(rounds):
        cells = list(_cells(workload, number).items())
        chance.shuffle(cells)
        for cell, calls in cells:
            progress(f"round {number + 1} of {rounds}: {cell}")
            for worker in chance.sample(workers, len(workers)):
                seconds = worker.time(calls)
                sample = [sum(seconds)] if cell == ONE_BY_ONE else seconds
                samples[worker.spec.name].add(cell, sample)
    return samples


def _cells(workload: Workload, number: int) -> dict[str, list[list[str]]]:
    """Return the calls of round *number* for each cell; the texts change from round to round."""
    cells: dict[str, list[list[str]]] = {}
    for length in LENGTHS:
        first = number * _BURSTS[length]
        texts = workload.by_length[length]
        chosen = [texts[(first + step) % TEXTS_PER_LENGTH] for step in range(_BURSTS[length])]
        cells[f"{length} tokens"] = [[text] for text in chosen]
    batch = workload.mixed[number % len(workload.mixed)]
    cells[ONE_CALL] = [batch]
    cells[ONE_BY_ONE] = [[text] for text in batch]
    return cells


def fidelity(
    workers: Sequence[Worker], workload: Workload, reference: Worker
) -> Mapping[str, NDArray[np.float64]]:
    """Return each worker's cosines to the reference, over all lengths and one mixed batch.

    The texts of one length (as many as a burst has) are encoded alone, the mixed ones in one call,
    so that a fault in padding or pooling shows too.
    """
    calls = [
        [text] for length, texts in workload.by_length.items() for text in texts[: _BURSTS[length]]
    ]
    calls.append(workload.mixed[0])
    expected = _unit_rows(reference, calls)
    return {
        worker.spec.name: np.sum(_unit_rows(worker, calls) * expected, axis=1) for worker in workers
    }


def _unit_rows(worker: Worker, calls: list[list[str]]) -> NDArray[np.float64]:
    """Encode the calls; rows are scaled to unit length in float64, so that cosines are exact."""
    rows = np.concatenate([worker.encode(texts) for texts in calls]).astype(np.float64)
    unit: NDArray[np.float64] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
