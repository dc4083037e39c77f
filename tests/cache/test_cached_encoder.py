from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.encoder.fake import HashingEncoder
from openviking.errors import EncoderError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Embeddings, TextEncoder


class HeldEncoder(HashingEncoder):
    """Waits in encode() until the test lets go, and may then fail."""

    def __init__(self) -> None:
        super().__init__(dim=16)
        self.entered = threading.Semaphore(0)
        self.go_on = threading.Event()
        self.error: BaseException | None = None

    def encode(self, texts: Sequence[str]) -> Embeddings:
        self.entered.release()
        assert self.go_on.wait(10)
        if self.error is not None:
            raise self.error
        return super().encode(texts)


@pytest.fixture
def encoder() -> HashingEncoder:
    return HashingEncoder(dim=16)


@pytest.fixture
def cached(encoder: HashingEncoder) -> CachedEncoder:
    return CachedEncoder(encoder, EmbeddingCache(1 << 20))


def waiters(cached: CachedEncoder, count: int) -> None:
    """Return once *count* calls have looked into the cache and found nothing.

    From there they board a flight. One that is so late that the flight has landed finds its result
    in the cache instead, and each claim below holds for it as well.
    """
    while cached.cache.stats()["misses"] < count:
        threading.Event().wait(0.001)


def test_it_is_a_text_encoder_like_the_one_behind(
    cached: CachedEncoder, encoder: HashingEncoder
) -> None:
    same: TextEncoder = cached
    assert (same.dim, same.build_id, same.tokens_max) == (16, encoder.build_id, 384)
    assert same.token_counts(["a b"]).tolist() == encoder.token_counts(["a b"]).tolist()
    assert (same.encode_tokens([[1, 2]]).vectors == encoder.encode_tokens([[1, 2]]).vectors).all()


@pytest.mark.parametrize(
    ("texts", "kind"), [("one text", "one text"), (None, "NoneType"), (5, "int")]
)
def test_what_is_no_sequence_of_texts_is_refused(
    cached: CachedEncoder, texts: Any, kind: str
) -> None:
    with pytest.raises(InputError, match=f"expected a sequence of texts, got {kind}") as caught:
        cached.encode(texts)
    assert caught.value.loc == ("texts",)


def test_the_first_call_is_a_miss_and_the_repeat_a_hit_with_the_same_bits(
    cached: CachedEncoder, encoder: HashingEncoder
) -> None:
    first, second = cached.encode(["one two"]), cached.encode(["one two"])
    assert (first.cached.tolist(), second.cached.tolist()) == ([False], [True])
    assert first.vectors.tobytes() == second.vectors.tobytes()
    assert first.vectors.tobytes() == HashingEncoder(dim=16).encode(["one two"]).vectors.tobytes()
    assert encoder.texts_encoded == 1


def test_token_counts_and_truncation_are_remembered(cached: CachedEncoder) -> None:
    texts = ["a b", "word " * 1000]
    first, second = cached.encode(texts), cached.encode(texts)
    assert first.token_counts.tolist() == second.token_counts.tolist() == [4, 384]
    assert first.truncated.tolist() == second.truncated.tolist() == [False, True]
    alone = cached.encode([texts[1]])
    assert (alone.token_counts.tolist(), alone.truncated.tolist()) == ([384], [True])
    assert alone.token_counts.dtype == first.token_counts.dtype == np.int64


def test_only_what_is_new_in_a_batch_is_computed_and_order_is_kept(
    cached: CachedEncoder, encoder: HashingEncoder
) -> None:
    cached.encode(["b"])
    found = cached.encode(["a", "b", "c", "a"])
    assert found.cached.tolist() == [False, True, False, False]
    assert encoder.texts_encoded == 3
    expected = HashingEncoder(dim=16).encode(["a", "b", "c", "a"])
    assert found.vectors.tobytes() == expected.vectors.tobytes()
    stats = cached.cache.stats()
    assert (stats["hits"], stats["misses"], stats["entries"]) == (1, 3, 3)


def test_namespaces_do_not_see_each_other_but_give_the_same_vector(
    cached: CachedEncoder, encoder: HashingEncoder
) -> None:
    plain, named = cached.encode(["a"]), cached.encode(["a"], namespace="n")
    other_text = cached.encode(["b"], namespace="n")
    assert not named.cached[0]
    assert not other_text.cached[0]
    assert cached.encode(["a"], namespace="n").cached[0]
    assert plain.vectors.tobytes() == named.vectors.tobytes() != other_text.vectors.tobytes()
    assert encoder.texts_encoded == 3


def test_another_build_shares_a_cache_but_no_entry() -> None:
    cache = EmbeddingCache(1 << 20)
    narrow = CachedEncoder(HashingEncoder(dim=8), cache)
    wide = CachedEncoder(HashingEncoder(dim=16), cache)
    assert narrow.encode(["a"]).vectors.shape == (1, 8)
    assert wide.encode(["a"]).vectors.shape == (1, 16)


def test_what_is_handed_out_cannot_change_what_is_kept(cached: CachedEncoder) -> None:
    for texts in (["a"], ["a"], ["a", "b"]):
        found = cached.encode(texts)
        for array in (found.vectors, found.token_counts, found.truncated, found.cached):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0


def test_a_cache_of_size_zero_computes_every_time(encoder: HashingEncoder) -> None:
    cached = CachedEncoder(encoder, EmbeddingCache(0))
    assert not cached.encode(["a"]).cached[0]
    assert not cached.encode(["a"]).cached[0]
    assert encoder.texts_encoded == 2


def test_no_texts_give_no_rows(cached: CachedEncoder) -> None:
    assert cached.encode([]).vectors.shape == (0, 16)


def test_a_bad_text_is_named_by_its_place_in_the_call_and_not_cached(
    cached: CachedEncoder,
) -> None:
    cached.encode(["a"])
    for bad in ("  ", "\ud800"):
        with pytest.raises(InputError) as caught:
            cached.encode(["a", "b", bad])
        assert caught.value.loc == ("texts", 2)
    with pytest.raises(InputError, match="sequence"):
        cached.encode("abc")
    assert not cached.encode(["b"]).cached[0]


def test_identical_texts_in_flight_are_computed_once_and_are_no_hits() -> None:
    encoder = HeldEncoder()
    cached = CachedEncoder(encoder, EmbeddingCache(1 << 20))
    with ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(cached.encode, ["same"]) for _ in range(8)]
        waiters(cached, 8)
        encoder.go_on.set()
        results = [call.result(10) for call in calls]
    assert encoder.texts_encoded == 1
    assert len({result.vectors.tobytes() for result in results}) == 1
    assert not any(result.cached[0] for result in results)
    assert cached.encode(["same"]).cached[0]


def test_overlapping_batches_wait_for_each_other_without_deadlock() -> None:
    encoder = HashingEncoder(dim=16)
    cached = CachedEncoder(encoder, EmbeddingCache(1 << 20))
    start = threading.Barrier(8)

    def work(seed: int) -> bool:
        rng = np.random.default_rng(seed)
        start.wait()
        for _ in range(50):
            texts = [f"t{number}" for number in rng.integers(0, 200, 20)]
            found = cached.encode(texts)
            expected = HashingEncoder(dim=16).encode(texts)
            if found.vectors.tobytes() != expected.vectors.tobytes():
                return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert encoder.texts_encoded <= 200


def failing_flight(error: BaseException) -> tuple[HeldEncoder, CachedEncoder, list[Future[object]]]:
    """Let one call fail while a second one waits for the same text."""
    encoder = HeldEncoder()
    cached = CachedEncoder(encoder, EmbeddingCache(1 << 20))
    pool = ThreadPoolExecutor(2)
    calls: list[Future[object]] = [pool.submit(cached.encode, ["same", "first only"])]
    assert encoder.entered.acquire(timeout=10)
    calls.append(pool.submit(cached.encode, ["same"]))
    waiters(cached, 3)
    encoder.error = error
    encoder.go_on.set()
    pool.shutdown(wait=False)
    return encoder, cached, calls


def test_a_failing_model_reaches_everyone_who_waits_and_is_not_remembered() -> None:
    encoder, cached, calls = failing_flight(EncoderError("the model is broken"))
    for call in calls:
        with pytest.raises(EncoderError, match="broken"):
            call.result(10)
    encoder.error = None
    assert not cached.encode(["same"]).cached[0]
    assert cached.encode(["same"]).cached[0]


def test_a_bad_neighbour_in_another_call_does_not_spoil_ours() -> None:
    class Refusing(HeldEncoder):
        def encode(self, texts: Sequence[str]) -> Embeddings:
            if len(texts) == 1:
                return HashingEncoder.encode(self, texts)
            return super().encode(texts)

    encoder = Refusing()
    cached = CachedEncoder(encoder, EmbeddingCache(1 << 20))
    encoder.error = InputError("text is empty", loc=("texts", 1))
    with ThreadPoolExecutor(2) as pool:
        spoilt = pool.submit(cached.encode, ["same", " "])
        assert encoder.entered.acquire(timeout=10)
        ours = pool.submit(cached.encode, ["same"])
        waiters(cached, 3)
        encoder.go_on.set()
        with pytest.raises(InputError, match="empty"):
            spoilt.result(10)
        assert ours.result(10).vectors.shape == (1, 16)


def test_closing_closes_the_encoder_behind() -> None:
    class Closing(HashingEncoder):
        is_closed = False

        def close(self) -> None:
            self.is_closed = True

    encoder = Closing()
    CachedEncoder(encoder, EmbeddingCache(0)).close()
    assert encoder.is_closed
