"""The native kernels beside the stock operators and beside the machine's limits, in one run.

    python -m benches.encoder_kernels [--rounds 40] [--limits] [--fidelity]

Needs the three builds (``openviking model pull --precision ... --kernels ...``). Runs of the builds
alternate, so a slow phase of the machine hits all; medians and minima in milliseconds, and the
ratio of the stock int8 graph's median to the native one's, taken round by round.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.config import load_settings
from openviking.encoder.builds import open_build
from openviking.encoder.manifest import read_manifest
from openviking.encoder.spec import ALL_MPNET_BASE_V2, TOKENIZER
from openviking.encoder.tokenizer import TextTokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from openviking.encoder.session import TokenSession

BUILDS = ("int8-native", "int8-ort", "fp32-ort")
LENGTHS = (8, 32, 128, 384)
ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared/data"
MIXED_TEXTS = 32
FIDELITY_TEXTS = 400


def open_session(build: str, threads: int) -> TokenSession:
    folder = load_settings().model.dir / ALL_MPNET_BASE_V2.name / build
    return open_build(folder, read_manifest(folder), threads=threads)


def random_text(length: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Token ids of a text of *length* tokens, markers included."""
    return np.array([0, *rng.integers(1000, 20000, length - 2), 2])


def mixed_texts(rng: np.random.Generator) -> list[NDArray[np.int64]]:
    """Token ids of texts as long as people's: most of some 40 tokens, a few of hundreds."""
    lengths = np.clip(rng.lognormal(3.6, 0.9, MIXED_TEXTS), 4, 384).astype(int)
    return [random_text(length, rng) for length in lengths]


def measure(
    sessions: dict[str, TokenSession], texts: list[NDArray[np.int64]], rounds: int
) -> dict[str, NDArray[np.float64]]:
    """Milliseconds of each round of each build; one round runs every build once, in turn."""
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for session in sessions.values():
        session.run(texts)
    for _ in range(rounds):
        for name, session in sessions.items():
            begin = time.perf_counter()
            vectors = session.run(texts)
            taken[name].append((time.perf_counter() - begin) * 1e3)
            assert vectors.shape == (len(texts), 768)
    return {name: np.array(times) for name, times in taken.items()}


def report(title: str, times: dict[str, NDArray[np.float64]], *, texts: int = 0) -> None:
    cells = [
        f"{name} {np.median(taken):7.2f} (min {taken.min():6.2f})" for name, taken in times.items()
    ]
    native = times["int8-native"]
    ratios = [f"x{np.median(times[name] / native):.2f}" for name in BUILDS[1:]]
    rate = f"  {texts / np.median(native) * 1e3:.0f} texts/s" if texts else ""
    print(f"{title:<22}", "  ".join(cells), " ".join(ratios), rate, flush=True)


def speed(rounds: int) -> None:
    rng = np.random.default_rng(7)
    mixed = mixed_texts(rng)
    for threads in (1, 2):
        sessions = {name: open_session(name, threads) for name in BUILDS}
        for length in LENGTHS:
            few = max(5, rounds * 8 // (length + 8))
            times = measure(sessions, [random_text(length, rng)], few)
            report(f"{threads} threads {length} tokens", times)
        tokens = sum(len(text) for text in mixed)
        times = measure(sessions, mixed, max(3, rounds // 10))
        report(f"{threads} threads {len(mixed)} mixed ({tokens} t)", times, texts=len(mixed))


def idle(rounds: int) -> None:
    """One 8-token run after 50 ms of doing nothing: what a lonely request sees."""
    rng = np.random.default_rng(8)
    sessions = {name: open_session(name, 2) for name in BUILDS}
    text = random_text(8, rng)
    taken: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(rounds):
        for name, session in sessions.items():
            time.sleep(0.05)
            begin = time.perf_counter()
            session.run([text])
            taken[name].append((time.perf_counter() - begin) * 1e3)
    report("2 threads 8, 50 ms idle", {name: np.array(times) for name, times in taken.items()})


def varied_texts(count: int) -> list[str]:
    """Skill descriptions, pieces of skill bodies, tool queries and plain sentences."""
    rng = np.random.default_rng(9)
    with gzip.open(DATA / "skills_corpus.jsonl.gz", "rt") as file:
        skills = [json.loads(line) for line in file]
    with gzip.open(DATA / "metatool_single.csv.gz", "rt") as file:
        queries = [row["Query"] for row in csv.DictReader(file)]
    with gzip.open(DATA / "stsb_dev.csv.gz", "rt") as file:
        sentences = [line.rsplit(",", 1)[0] for line in file]
    bodies = [skill["body"] for skill in skills if len(skill["body"] or "") > 1000]
    starts = rng.integers(0, 900, len(bodies))
    cut = [
        body[at : at + int(rng.integers(20, 1500))] for body, at in zip(bodies, starts, strict=True)
    ]
    kinds: list[list[str]] = [
        [s["description"] for s in skills if s["description"]],
        cut,
        queries,
        sentences,
    ]
    quarter = count // len(kinds)
    picked = [text for kind in kinds for text in rng.permutation(np.array(kind, object))[:quarter]]
    return [text for text in picked if text.strip()]


def fidelity() -> None:
    folder = load_settings().model.dir / ALL_MPNET_BASE_V2.name / "int8-native"
    tokenizer = TextTokenizer(folder / TOKENIZER, tokens_max=384)
    tokens = [text.ids for text in tokenizer.tokenize(varied_texts(FIDELITY_TEXTS))]
    vectors = {
        name: np.concatenate([open_.run([ids]) for ids in tokens])
        for name in BUILDS
        for open_ in [open_session(name, 2)]
    }
    for name in BUILDS[:2]:
        cosines = np.sum(vectors[name].astype(np.float64) * vectors["fp32-ort"], axis=1)
        print(
            f"cosine to fp32, {len(tokens)} texts, {name}: mean {cosines.mean():.5f} "
            f"p1 {np.quantile(cosines, 0.01):.5f} min {cosines.min():.5f}"
        )


def kernel_limits() -> str:
    """Return what the kernels' own example prints of this machine: a line of JSON each."""
    command = ["cargo", "run", "--quiet", "--release", "-p", "openviking-ops"]
    return subprocess.run(  # noqa: S603 - our own example
        [*command, "--example", "kernel_limits"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("--fidelity", action="store_true")
    arguments: Any = parser.parse_args()
    print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")
    speed(arguments.rounds)
    idle(arguments.rounds)
    if arguments.limits:
        print(kernel_limits(), end="")
    if arguments.fidelity:
        fidelity()


if __name__ == "__main__":
    main()
