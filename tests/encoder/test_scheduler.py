from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder.scheduler import ROWS_MAX, SHORT_TOKENS_MAX, Scheduler
from openviking.errors import EncoderError, OverloadedError
from openviking.vectors import plan_batches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from openviking.types import Vectors

BATCH_TOKENS = 16


class Model:
    """Embeds a text as (its first id, its length), one batch at a time, each when it is let go."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.entered = threading.Semaphore(0)
        self.gate = threading.Semaphore(0)
        self.poison: int | None = None
        self.threads: list[int] = []

    def run(self, token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        self.threads.append(threading.get_ident())
        self.batches.append([int(ids[0]) for ids in token_ids])
        self.entered.release()
        assert self.gate.acquire(timeout=10)
        if self.poison is not None and any(int(ids[0]) == self.poison for ids in token_ids):
            raise EncoderError("poison")
        return np.array([[ids[0], len(ids)] for ids in token_ids], dtype=np.float32)

    def let(self, batches: int = 1_000_000) -> None:
        self.gate.release(batches)


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def scheduler(model: Model) -> Iterator[Scheduler]:
    made = Scheduler(model.run, plan_batches, dim=2, batch_tokens=BATCH_TOKENS, queue_max=4)
    yield made
    model.let()
    made.close()


@pytest.fixture
def submit(scheduler: Scheduler) -> Iterator[Callable[..., Future[Vectors]]]:
    """Start a call in a thread of its own and return when it waits or runs."""
    with ThreadPoolExecutor(16) as pool:

        def start(
            first: int, lengths: list[int], deadline_s: float | None = None
        ) -> Future[Vectors]:
            texts = [np.full(length, first + at, np.int64) for at, length in enumerate(lengths)]
            before = scheduler.calls_admitted
            future = pool.submit(scheduler.encode, texts, deadline_s)
            give_up = time.monotonic() + 10
            while scheduler.calls_admitted == before and not future.done():
                assert time.monotonic() < give_up
                threading.Event().wait(0.001)
            return future

        yield start


def test_calls_that_wait_together_are_one_batch(model: Model, submit: Any):
    first = submit(100, [3])
    assert model.entered.acquire(timeout=10)
    waiting = [submit(number, [4]) for number in (200, 300, 400)]

    model.let()

    assert [future.result(10).tolist() for future in waiting] == [
        [[200, 4]],
        [[300, 4]],
        [[400, 4]],
    ]
    assert first.result(10).tolist() == [[100, 3]]
    assert model.batches == [[100], [200, 300, 400]]


def test_a_short_call_in_an_empty_lane_is_computed_by_its_own_thread(
    model: Model, scheduler: Scheduler
):
    model.let()

    found = scheduler.encode([np.full(3, 100, np.int64)])

    assert found.tolist() == [[100, 3]]
    assert model.threads == [threading.get_ident()]


def test_a_call_that_may_have_to_give_up_soon_is_computed_by_a_worker(
    model: Model, scheduler: Scheduler
):
    with pytest.raises(OverloadedError, match=r"0\.01 s"):
        scheduler.encode([np.full(3, 100, np.int64)], 0.01)

    assert model.entered.acquire(timeout=10)
    assert threading.get_ident() not in model.threads


def test_a_call_that_fails_in_its_own_thread_leaves_the_lane_free(
    model: Model, scheduler: Scheduler
):
    model.poison = 100
    model.let()

    for _ in range(2):
        with pytest.raises(EncoderError, match="poison"):
            scheduler.encode([np.full(3, 100, np.int64)])

    assert scheduler.encode([np.full(3, 200, np.int64)]).tolist() == [[200, 3]]
    assert set(model.threads) == {threading.get_ident()}


def test_a_batch_keeps_to_its_tokens(model: Model, submit: Any):
    submit(100, [1])
    assert model.entered.acquire(timeout=10)
    waiting = [submit(number, [6]) for number in (200, 300, 400)]

    model.let()

    assert all(future.result(10).shape == (1, 2) for future in waiting)
    assert model.batches == [[100], [200, 300], [400]]


def test_a_short_call_runs_beside_the_chunk_of_a_long_document(model: Model, submit: Any):
    bulk = submit(100, [16, 16, 16])
    assert model.entered.acquire(timeout=10)

    short = submit(200, [5])

    # The document's first chunk is still in the model, held there, while the query is in it too.
    assert model.entered.acquire(timeout=10)
    assert model.batches == [[100], [200]]
    assert not bulk.done()
    model.let()
    assert short.result(10).tolist() == [[200, 5]]
    assert bulk.result(10)[:, 1].tolist() == [16, 16, 16]


def test_a_bulk_call_advances_under_a_stream_of_short_calls(model: Model, submit: Any):
    shorts = [submit(200 + number, [12]) for number in range(3)]
    assert model.entered.acquire(timeout=10)

    bulk = submit(100, [16, 16])

    assert model.entered.acquire(timeout=10)
    assert model.batches == [[200], [100]]
    model.let()
    assert all(short.result(10).shape == (1, 2) for short in shorts)
    assert bulk.result(10).shape == (2, 2)


def test_a_call_of_many_tokens_is_no_short_one_even_if_it_is_one_batch(model: Model):
    scheduler = Scheduler(model.run, plan_batches, dim=2, batch_tokens=384, queue_max=4)
    with ThreadPoolExecutor(2) as pool:
        long = pool.submit(scheduler.encode, [np.full(SHORT_TOKENS_MAX + 1, 100, np.int64)])
        assert model.entered.acquire(timeout=10)
        short = pool.submit(scheduler.encode, [np.full(SHORT_TOKENS_MAX, 200, np.int64)])
        assert model.entered.acquire(timeout=10)

        assert model.batches == [[100], [200]]
        model.let()
        assert long.result(10).shape == short.result(10).shape == (1, 2)
    scheduler.close()


def test_two_bulk_calls_take_turns(model: Model, submit: Any):
    calls = [submit(100, [16, 16])]
    assert model.entered.acquire(timeout=10)
    calls.append(submit(200, [16, 16]))

    model.let()

    assert all(call.result(10).shape == (2, 2) for call in calls)
    assert model.batches == [[100], [101], [200], [201]]


def test_rows_come_back_in_the_order_of_the_texts(model: Model, submit: Any):
    lengths = np.random.default_rng(1).integers(1, 16, 200).tolist()
    model.let()

    found = submit(0, lengths).result(10)

    assert found.tolist() == [[at, length] for at, length in enumerate(lengths)]
    assert max(map(len, model.batches)) <= ROWS_MAX


def test_an_error_reaches_its_own_caller_only(model: Model, submit: Any):
    model.poison = 300
    submit(100, [1])
    assert model.entered.acquire(timeout=10)
    good, bad, other = (submit(number, [4]) for number in (200, 300, 400))

    model.let()

    assert good.result(10).tolist() == [[200, 4]]
    assert other.result(10).tolist() == [[400, 4]]
    with pytest.raises(EncoderError, match="poison"):
        bad.result(10)


def test_a_bulk_call_that_fails_is_not_run_further(model: Model, submit: Any):
    model.poison = 100
    bad = submit(100, [16] * 9)

    model.let()

    with pytest.raises(EncoderError, match="poison"):
        bad.result(10)
    assert submit(500, [2]).result(10).tolist() == [[500, 2]]
    assert model.batches == [[100], [500]]


def test_a_full_lane_refuses_and_says_when_to_come_again(model: Model, submit: Any):
    submit(100, [1])
    assert model.entered.acquire(timeout=10)
    waiting = [submit(200 + number, [9]) for number in range(4)]

    with pytest.raises(OverloadedError) as caught:
        submit(300, [9]).result(10)

    assert 0 < caught.value.retry_after_s <= 60
    model.let()
    assert all(future.result(10).shape == (1, 2) for future in waiting)


def test_a_bulk_call_finds_room_when_the_short_lane_is_full(model: Model, submit: Any):
    submit(100, [1])
    assert model.entered.acquire(timeout=10)
    for number in range(4):
        submit(200 + number, [9])

    bulk = submit(300, [16, 16])

    model.let()
    assert bulk.result(10).shape == (2, 2)


def test_a_late_call_is_given_up_and_its_batches_are_not_run(model: Model, submit: Any):
    submit(100, [1])
    submit(150, [16, 16])
    for _ in range(2):
        assert model.entered.acquire(timeout=10)
    late = [submit(200, [2], 0.01), submit(300, [16, 16], 0.01)]

    for call in late:
        with pytest.raises(OverloadedError, match=r"0\.01 s"):
            call.result(10)
    model.let()

    assert submit(400, [2]).result(10).tolist() == [[400, 2]]
    assert submit(500, [16, 16]).result(10).shape == (2, 2)
    assert sorted(first for batch in model.batches for first in batch) == [
        100,
        150,
        151,
        400,
        500,
        501,
    ]


def test_closing_finishes_what_waits_and_refuses_the_rest(
    model: Model, submit: Any, scheduler: Scheduler
):
    first = submit(100, [1])
    assert model.entered.acquire(timeout=10)
    waiting = [submit(200, [3]), submit(300, [16, 16])]
    closing = threading.Thread(target=scheduler.close)
    closing.start()
    model.let()
    closing.join(10)

    assert not closing.is_alive()
    assert first.result(10).shape == (1, 2)
    assert [future.result(10).shape for future in waiting] == [(1, 2), (2, 2)]
    with pytest.raises(EncoderError, match="closed"):
        submit(400, [1]).result(10)


@pytest.mark.parametrize("workers", [1, 3])
def test_many_threads_get_their_own_rows(workers: int):
    def run(token_ids: Sequence[NDArray[np.int64]]) -> Vectors:
        return np.array([[ids[0], len(ids)] for ids in token_ids], dtype=np.float32)

    scheduler = Scheduler(
        run, plan_batches, dim=2, batch_tokens=64, queue_max=100, bulk_workers=workers
    )

    def call(seed: int) -> bool:
        random = np.random.default_rng(seed)
        texts = [np.full(length, seed, np.int64) for length in random.integers(1, 60, seed % 9 + 1)]
        found = scheduler.encode(texts)
        return bool((found == [[seed, len(text)] for text in texts]).all())

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(call, range(600)))
    scheduler.close()
