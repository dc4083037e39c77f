"""What was asked of this machine, what it gives, and what it could give at most, side by side.

    python -m benches.limits [--rounds 60]

The floor of a figure is arithmetic over two limits that are measured in the same run: how fast all
processors read memory, and how fast they multiply 8-bit numbers. No text is encoded before all
weights were read once and all products of its tokens were made; no request is answered sooner than
by a bare Starlette route, and one with a new text not before that text is encoded. Attention,
quantising, tokenizing and searching stand in no floor: what a figure has above it is ours to lower.
Beside the floor stands a measurement: a bare route that runs the model once for each request.
A figure that was asked for and lies below its floor is out of reach of any code with 8-bit weights.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import statistics
import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from openviking.config import load_settings
from openviking.encoder.spec import ALL_MPNET_BASE_V2, TOKENIZER
from openviking.encoder.tokenizer import TextTokenizer

from .conftest import bare_route, post, serving_skills
from .encoder_kernels import kernel_limits, mixed_texts, open_session, random_text

if TYPE_CHECKING:
    from collections.abc import Callable

LAYERS, HIDDEN, INNER = 12, 768, 3072
MACS_PER_TOKEN = LAYERS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER)
"""Products of one token in the linear layers; each weight is one byte, read once for a text."""

ASKED_MS = {8: 3.0, 32: 6.0, 128: 18.0}
ASKED_TEXTS_PER_S = 110.0
NAMES = ("tables", "invoices", "tests", "images", "logs", "letters", "maps", "songs")


@dataclass(frozen=True)
class Machine:
    """What all processors do at most: bytes read and 8-bit products made per second."""

    bytes_per_s: float
    macs_per_s: float

    def encode_ms(self, tokens: int) -> float:
        """Milliseconds below which no text, or pack of texts, of so many tokens is encoded."""
        return 1e3 * max(
            MACS_PER_TOKEN / self.bytes_per_s, tokens * MACS_PER_TOKEN / self.macs_per_s
        )


def measure_machine() -> Machine:
    """Run the kernels' own example; the best of its rounds, with all processors."""
    lines = [json.loads(line) for line in kernel_limits().splitlines()]
    together = [line for line in lines if line["threads"] > 1]
    return Machine(
        1e9 * max(line["gb_s_peak"] for line in together),
        1e9 * max(line["gmac_s_peak"] for line in together),
    )


def median_ms(call: Callable[[], object], rounds: int) -> float:
    """Median milliseconds of a call, after three that do not count."""
    times = []
    for number in range(rounds + 3):
        started = time.perf_counter()
        call()
        if number >= 3:
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1e3


def show(name: str, measured: float, floor: float, asked: float | None, unit: str = "ms") -> None:
    """Print one figure; of a rate, the floor is a ceiling."""
    share = floor / measured if unit == "ms" else measured / floor
    is_kept = asked is not None and (measured <= asked if unit == "ms" else measured >= asked)
    is_possible = asked is not None and (floor <= asked if unit == "ms" else floor >= asked)
    verdict = "" if asked is None else "kept" if is_kept else "open" if is_possible else "below"
    wanted = "" if asked is None else f"{asked:g}"
    print(f"{name:46} {measured:8.2f} {floor:8.2f} {share:6.0%} {wanted:>7} {unit:8} {verdict}")


def encoder(machine: Machine, rounds: int) -> None:
    """Print what one run of the model takes."""
    session = open_session("int8-native", os.cpu_count() or 1)
    rng = np.random.default_rng(7)
    for tokens in (8, 17, 32, 128, 384):
        text = random_text(tokens, rng)
        measured = median_ms(partial(session.run, [text]), max(9, rounds * 8 // tokens))
        show(f"encode {tokens} tokens", measured, machine.encode_ms(tokens), ASKED_MS.get(tokens))
    texts = mixed_texts(rng)
    tokens = sum(len(text) for text in texts)
    measured = 1e3 * len(texts) / median_ms(lambda: session.run(texts), 5)
    ceiling = 1e3 * len(texts) / machine.encode_ms(tokens)
    name = f"{len(texts)} mixed texts, {tokens} tokens"
    show(name, measured, ceiling, ASKED_TEXTS_PER_S, "texts/s")


def requests(machine: Machine, rounds: int) -> None:
    """Print what requests of one client take, beside a bare route with the same answer."""
    numbers = itertools.count(100)

    def new_text() -> str:
        number = next(numbers)
        return f"sort the {NAMES[number % len(NAMES)]} of project {number}"

    folder = load_settings().model.dir / ALL_MPNET_BASE_V2.name / "int8-native"
    (text,) = TextTokenizer(folder / TOKENIZER, tokens_max=384).tokenize([new_text()])
    tokens = len(text.ids)
    with serving_skills() as connection:

        def ask(path: str, field: str, asked_new: float, asked_again: float | None) -> None:
            known = {field: new_text()}
            with bare_route(post(connection, path, known)) as bare:
                bare_ms = median_ms(lambda: post(bare, "/", known), rounds)
            new = median_ms(lambda: post(connection, path, {field: new_text()}), rounds)
            floor = bare_ms + machine.encode_ms(tokens)
            with bare_route(b"{}", tokens=tokens) as bare:
                with_model = median_ms(lambda: post(bare, "/", known), rounds)
            show(f"a bare route that runs the model, {tokens} tokens", with_model, floor, None)
            show(f"POST {path}, never seen, {tokens} tokens", new, floor, asked_new)
            again = median_ms(lambda: post(connection, path, known), rounds)
            show(f"POST {path}, repeated", again, bare_ms, asked_again)

        ask("/embeddings", "text", 4.5, None)
        ask("/skills/search", "query", 4.0, 0.6)


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    machine = measure_machine()
    print(
        f"{os.cpu_count()} processors read {machine.bytes_per_s / 1e9:.1f} GB/s and multiply "
        f"{machine.macs_per_s / 1e9:.0f} thousand million pairs of bytes a second\n"
    )
    print(f"{'':46} {'here':>8} {'floor':>8} {'share':>6} {'asked':>7}")
    encoder(machine, rounds)
    requests(machine, rounds)


if __name__ == "__main__":
    main()
