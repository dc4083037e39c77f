"""How long a short query takes: alone, after a pause, and while long documents are being encoded.

    python -m benches.scheduling

One process, one encoder, the cases in turns; other work on the machine changes all of them alike.
"""

from __future__ import annotations

import argparse
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

from openviking import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable

SHORT, LONG = 8, 384
PAUSES_S = (0.0, 0.05, 1.0)


class Typist:
    """Makes texts, as token ids, that were never seen before."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(11)

    def text(self, tokens: int) -> list[int]:
        drawn: list[int] = self._random.integers(1000, 30_000, tokens - 2).tolist()
        return drawn


def latencies_ms(encode: Callable[[], object], rounds: int, pause_s: float) -> list[float]:
    """Return the time of each call, a pause before each."""
    found = []
    for _ in range(rounds):
        if pause_s:
            time.sleep(pause_s)
        started = time.perf_counter()
        encode()
        found.append((time.perf_counter() - started) * 1e3)
    return found


def under_import(encoder: Encoder, typist: Typist, rounds: int) -> tuple[list[float], float]:
    """Return latencies of short queries beside an import, and the import's tokens per second."""
    documents = [typist.text(LONG) for _ in range(16)]
    stopping = threading.Event()
    encoded = 0

    def work() -> None:
        nonlocal encoded
        while not stopping.is_set():
            encoder.encode_tokens(documents)
            encoded += LONG * len(documents)

    importer = threading.Thread(target=work)
    started = time.perf_counter()
    importer.start()
    found = latencies_ms(lambda: encoder.encode_tokens([typist.text(SHORT)]), rounds, 0.02)
    stopping.set()
    importer.join()
    return found, encoded / (time.perf_counter() - started)


def show(name: str, times: list[float]) -> None:
    """Print median, 99th percentile and maximum."""
    print(
        f"{name:44} p50 {np.median(times):7.2f}  p99 {np.percentile(times, 99):7.2f}"
        f"  max {max(times):7.2f} ms",
        flush=True,
    )


def main() -> None:
    """Print all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100)
    rounds = parser.parse_args().rounds
    typist = Typist()
    with Encoder.open() as encoder:
        encoder.encode_tokens([typist.text(LONG)])
        for pause_s in PAUSES_S:
            count = rounds if pause_s < 1 else max(rounds // 10, 5)
            times = latencies_ms(
                lambda: encoder.encode_tokens([typist.text(SHORT)]), count, pause_s
            )
            show(f"{SHORT} tokens, {pause_s * 1e3:.0f} ms after the last", times)
        chunk = latencies_ms(lambda: encoder.encode_tokens([typist.text(LONG)]), 5, 0.0)
        show(f"{LONG} tokens, one document alone", chunk)
        times, rate = under_import(encoder, typist, rounds)
        show(f"{SHORT} tokens beside an import of {LONG}-token texts", times)
        print(f"the import went on with {rate:.0f} tokens/s")


if __name__ == "__main__":
    main()
