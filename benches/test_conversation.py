"""Conversations: is the message that holds the answer found, and what do search and append cost.

Ten dialogues of 600 messages with a hundred labelled questions (benches/dialogues), and four of
other kinds with forty, on which nothing was chosen; the real model. The first run embeds 8,400
messages, which takes some minutes; the store is kept for the next one.
"""

from __future__ import annotations

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.conversation import Conversations, scoring
from openviking.encoder import Encoder
from openviking.encoder.fake import HashingEncoder
from openviking.errors import EncoderError
from openviking.store import SqliteStore
from openviking.types import Namespace, NewMessage

from .conftest import WORK
from .dialogues.corpus import Dialogue, dialogues, heldout_dialogues

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pytest_benchmark.fixture import BenchmarkFixture

EMBED_TIMEOUT_S = 1800
CLIENTS = 32
APPENDS = 3200
SESSIONS = 100_000

Ranks = list[int | None]


@pytest.fixture(scope="module")
def conversations() -> Iterator[Conversations]:
    try:
        model = Encoder.open()
    except EncoderError as error:
        pytest.skip(f"no model is built: {error}")
    encoder = CachedEncoder(model, EmbeddingCache(64 << 20))
    store = SqliteStore(WORK / "dialogues")
    opened = Conversations(store, encoder)
    for owner, dialogue in [
        *((opened, dialogue) for dialogue in dialogues()),
        *((opened.of("heldout"), dialogue) for dialogue in heldout_dialogues()),
    ]:
        owner.import_lines(
            json.dumps(
                {
                    "session_id": dialogue.name,
                    "seq": at,
                    "role": "user",
                    "content": turn.text,
                    "metadata": {"name": turn.speaker},
                    "timestamp": turn.moment.isoformat(),
                }
            )
            for at, turn in enumerate(dialogue.turns, 1)
        )
    assert opened.wait_until_embedded(EMBED_TIMEOUT_S)
    yield opened
    opened.close()
    store.close()
    encoder.close()


def ranks(conversations: Conversations, asked: list[Dialogue]) -> Ranks:
    """Place of the answering message among ten hits, from 0; None if it is not there."""
    found: Ranks = []
    for dialogue in asked:
        for question, at in dialogue.questions:
            hits = conversations.search(question, session_id=dialogue.name, limit=10).hits
            seqs = [hit.message.seq for hit in hits]
            found.append(seqs.index(at + 1) if at + 1 in seqs else None)
    return found


def recall(found: Ranks, k: int) -> float:
    return sum(rank is not None and rank < k for rank in found) / len(found)


def test_the_message_that_holds_the_answer_is_found(
    conversations: Conversations, monkeypatch: pytest.MonkeyPatch
):
    """Fused, meaning alone (weight of words 0) and words alone (a weight that drowns meaning)."""
    sets = {
        "chosen on": (conversations, dialogues()),
        "held out": (conversations.of("heldout"), heldout_dialogues()),
    }
    figures: dict[str, Ranks] = {}
    for name, weight in (("fused", scoring.WORDS_WEIGHT), ("meaning", 0.0), ("words", 100.0)):
        monkeypatch.setattr(scoring, "WORDS_WEIGHT", weight)
        for kind, (owner, asked) in sets.items():
            found = figures[f"{name}, {kind}"] = ranks(owner, asked)
            print(f"{name}, {kind}: ", end="")
            print(f"recall@1 {recall(found, 1):.3f}, recall@5 {recall(found, 5):.3f}")
    assert {len(found) for found in figures.values()} == {100, 40}
    assert recall(figures["fused, chosen on"], 5) >= 0.80
    assert recall(figures["fused, held out"], 5) >= 0.80


@pytest.mark.parametrize("kind", ["known", "new"])
def test_a_question_to_6000_messages(
    benchmark: BenchmarkFixture, conversations: Conversations, kind: str
):
    """``known``: the question's vector is cached; ``new``: it is computed."""
    questions = [q for dialogue in dialogues() for q, _ in dialogue.questions]
    numbers = iter(range(10**6))

    def ask(question: str) -> Any:
        return conversations.search(question)

    def setup() -> tuple[tuple[str], dict[str, Any]]:
        number = next(numbers)
        question = questions[number % len(questions)]
        return ((question if kind == "known" else f"{question} {number}",), {})

    found = benchmark.pedantic(ask, setup=setup, rounds=100, warmup_rounds=100)
    assert len(found.hits) == 10
    assert found.hits[0].meaning is not None


def test_appends_are_durable_and_fast(tmp_path: Path):
    """One client's median, then the rate of 32 clients together, each answer on disk.

    On a machine that others share the disk decides; so the rates are also held against those of the
    store alone, in the same run. A reply searches the archive, and is a second message.
    """
    store = SqliteStore(tmp_path / "store")
    conversations = Conversations(store, HashingEncoder())

    def stored(client: int, number: int) -> object:
        new = NewMessage("note", f"message {number} of {client}")
        return store.conversations.append(Namespace(), f"r{client}", [new])

    def said(client: int, number: int) -> object:
        return conversations.say(f"message {number} of {client}", f"s{client}", "note")

    def answered(client: int, number: int) -> object:
        return conversations.say(f"message {number} of {client}", f"u{client}")

    seconds = []
    for number in range(300):
        started = time.perf_counter()
        said(0, number)
        seconds.append(time.perf_counter() - started)
    alone = float(np.median(seconds) * 1e3)
    rates = {call.__name__: rate(call) for call in (stored, said, answered)}
    print(f"append: p50 {alone:.2f} ms alone; from {CLIENTS} clients, messages a second:")
    print(f"store {rates['stored']:.0f}, say {rates['said']:.0f}, ", end="")
    print(f"say and be answered {2 * rates['answered']:.0f}")
    assert store.stats()["messages"] == 300 + 4 * (APPENDS // CLIENTS) * CLIENTS
    assert alone <= 5.0
    assert rates["said"] >= 0.3 * rates["stored"]
    conversations.close()
    store.close()


def rate(call: Callable[[int, int], object]) -> float:
    """Calls a second of 32 clients."""

    def client(at: int) -> None:
        for number in range(APPENDS // CLIENTS):
            call(at, number)

    started = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(client, range(1, CLIENTS + 1)))
    return APPENDS / (time.perf_counter() - started)


def test_sessions_take_no_memory_while_nobody_speaks(tmp_path: Path):
    """A hundred thousand sessions of one blank message each; a million behave the same."""
    store = SqliteStore(tmp_path / "store")
    conversations = Conversations(store, HashingEncoder())
    rate(lambda client, number: conversations.say(" ", f"w{client}-{number}", "system"))
    before = resident_mb()

    def begin(client: int) -> None:
        for number in range(SESSIONS // CLIENTS):
            conversations.say(" ", f"{client}-{number}", "system")

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(begin, range(CLIENTS)))
    grown = resident_mb() - before
    since = datetime.now(UTC)
    seconds = []
    for _ in range(20):
        started = time.perf_counter()
        conversations.sessions(after="7-", limit=100)
        store.conversations.count_active(since)
        seconds.append(time.perf_counter() - started)
    print(f"{SESSIONS} sessions: {grown:.1f} MB more, ", end="")
    print(f"a page and a count in {np.median(seconds) * 1e3:.2f} ms")
    assert store.stats()["sessions"] > SESSIONS
    assert grown < 30
    conversations.close()
    store.close()


def resident_mb() -> float:
    """Memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
