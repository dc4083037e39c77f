"""What a run found, as a table for people and as JSON for programs."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benches.peers.rounds import ONE_BY_ONE, ONE_CALL
from benches.peers.texts import LENGTHS, MIXED_TEXTS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from benches.peers.process import Worker
    from benches.peers.rounds import Samples

COSINE_MEAN_MIN = 0.99
"""An encoder whose mean cosine to the reference is lower does not compute the same model."""

OTHER_LOAD_MAX = 0.1
"""Share of the CPUs; above it a table says that its figures are not to be quoted."""


@dataclass(frozen=True, slots=True)
class Finding:
    """All figures of one encoder.

    Attributes:
        name: the encoder, for people.
        version: of its library.
        ready_s: seconds from the start of its process to its first vector, files in memory.
        idle_cpu_s: CPU seconds that it used while another encoder was measured: about 0.
        memory_mb: rss, pss, anonymous and peak (10^6 bytes) after the last round.
        cosines: (n,) cosines to the reference.
        samples: the times.
    """

    name: str
    version: str
    ready_s: float
    idle_cpu_s: float
    memory_mb: dict[str, float]
    cosines: NDArray[np.float64]
    samples: Samples

    @property
    def is_same_model(self) -> bool:
        """Whether its vectors are those of the reference, up to rounding."""
        return bool(self.cosines.mean() >= COSINE_MEAN_MIN)


@dataclass(frozen=True, slots=True)
class Run:
    """One run: findings, the first being the one that others are compared with.

    ``absent`` maps a name to why it did not run; ``other_load`` is the share of the machine's CPU
    time that went to processes other than the encoders, 0 to 1.
    """

    findings: list[Finding]
    absent: dict[str, str]
    reference: str
    threads: int
    rounds: int
    other_load: float
    mixed_tokens_mean: float


def finding(worker: Worker, cosines: NDArray[np.float64], samples: Samples) -> Finding:
    """Collect the figures of *worker*, whose process still runs."""
    return Finding(
        name=worker.spec.name,
        version=worker.version,
        ready_s=worker.ready_s,
        idle_cpu_s=worker.idle_cpu_s,
        memory_mb=worker.memory_mb(),
        cosines=cosines,
        samples=samples,
    )


def as_text(run: Run) -> str:
    """Write the tables."""
    head = (
        f"{cpu_name()}, {run.threads} threads, {run.rounds} rounds; "
        f"other processes took {run.other_load:.0%} of the CPUs, waiting encoders "
        f"{sum(found.idle_cpu_s for found in run.findings):.2f} s"
    )
    latency = (
        "One text to one vector, tokenisation included: median ms (p90), "
        f"and how many times slower than {run.findings[0].name} in the same round"
    )
    mixed = (
        f"{MIXED_TEXTS} texts of mixed lengths (mean {run.mixed_tokens_mean:.0f} tokens), texts/s; "
        f"cosine to {run.reference}; memory in MB after the last round"
    )
    parts = [
        *(head, "", latency, "", _columns(_latency_rows(run))),
        *("", mixed, "", _columns(_mixed_rows(run)), ""),
    ]
    if run.other_load > OTHER_LOAD_MAX:
        parts.append(
            "BUSY: other processes had too much of this machine, and waiting threads suffer most: "
            "measure again on a quiet one"
        )
    parts += [f"absent: {name} ({reason})" for name, reason in run.absent.items()]
    parts += [
        f"WRONG: {found.name} does not compute this model (mean cosine {found.cosines.mean():.4f})"
        for found in run.findings
        if not found.is_same_model
    ]
    return "\n".join(parts)


def as_json(run: Run) -> dict[str, Any]:
    """Return every figure, units in the names; ``rounds_ms`` are the medians of the rounds."""
    return {
        "cpu": cpu_name(),
        "python": platform.python_version(),
        "threads": run.threads,
        "rounds": run.rounds,
        "other_load": run.other_load,
        "reference": run.reference,
        "compared_with": run.findings[0].name,
        "absent": run.absent,
        "encoders": {found.name: _finding_json(found, run.findings[0]) for found in run.findings},
    }


def cpu_name() -> str:
    """Return the processor's name and the number of CPUs, as /proc/cpuinfo has them."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    count = sum(line.startswith("processor") for line in lines)
    return f"{names[0] if names else platform.machine()}, {count} CPUs"


def _finding_json(found: Finding, ours: Finding) -> dict[str, Any]:
    cells = {}
    for cell, rounds in found.samples.rounds.items():
        cells[cell] = {
            "median_ms": found.samples.median(cell) * 1e3,
            "p90_ms": found.samples.p90(cell) * 1e3,
            "times_slower": found.samples.ratio_to(ours.samples, cell),
            "rounds_ms": [float(np.median(seconds)) * 1e3 for seconds in rounds],
        }
        if cell in (ONE_CALL, ONE_BY_ONE):
            cells[cell]["texts_per_s"] = MIXED_TEXTS / found.samples.median(cell)
    return {
        "version": found.version,
        "ready_s": found.ready_s,
        "idle_cpu_s": found.idle_cpu_s,
        "memory_mb": found.memory_mb,
        "cosine_mean": float(found.cosines.mean()),
        "cosine_min": float(found.cosines.min()),
        "cells": cells,
    }


def _latency_rows(run: Run) -> Iterable[list[str]]:
    yield ["encoder", *(f"{length} tokens" for length in LENGTHS)]
    for found in run.findings:
        yield [_title(found), *(_latency(found, run.findings[0], f"{n} tokens") for n in LENGTHS)]


def _latency(found: Finding, ours: Finding, cell: str) -> str:
    milliseconds = f"{found.samples.median(cell) * 1e3:.2f} ({found.samples.p90(cell) * 1e3:.2f})"
    return f"{milliseconds}{_times(found, ours, cell)}"


def _mixed_rows(run: Run) -> Iterable[list[str]]:
    memory = ("rss", "pss", "anonymous", "peak")
    yield ["encoder", "one call", "one by one", "cos mean", "cos min", "ready s", *memory]
    for found in run.findings:
        rates = [_rate(found, run.findings[0], cell) for cell in (ONE_CALL, ONE_BY_ONE)]
        cosines = [f"{value:.5f}" for value in (found.cosines.mean(), found.cosines.min())]
        sizes = [f"{found.memory_mb[name]:.0f}" for name in memory]
        yield [found.name, *rates, *cosines, f"{found.ready_s:.2f}", *sizes]


def _rate(found: Finding, ours: Finding, cell: str) -> str:
    return f"{MIXED_TEXTS / found.samples.median(cell):.1f}{_times(found, ours, cell)}"


def _times(found: Finding, ours: Finding, cell: str) -> str:
    return "" if found is ours else f" {found.samples.ratio_to(ours.samples, cell):.2f}x"


def _title(found: Finding) -> str:
    return f"{found.name}, {found.version}"


def _columns(rows: Iterable[list[str]]) -> str:
    """Align: the first column left, the others right, each as wide as its widest cell."""
    table = list(rows)
    widths = [max(len(cell) for cell in column) for column in zip(*table, strict=True)]
    lines = []
    for first, *others in table:
        cells = [f"{cell:>{width}}" for cell, width in zip(others, widths[1:], strict=True)]
        lines.append("  ".join([f"{first:<{widths[0]}}", *cells]))
    return "\n".join(lines)
