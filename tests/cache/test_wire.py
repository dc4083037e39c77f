"""Values in Redis: what was written comes back bit for bit, anything else is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.cache import CachedEmbedding, cache_key
from openviking.cache.wire import Codec, checksum

DIM = 8
CODEC = Codec("build", DIM)
KEY = cache_key("build", "text")


def entry(seed: int = 0) -> CachedEmbedding:
    vector = np.random.default_rng(seed).normal(size=DIM).astype(np.float32)
    return CachedEmbedding(vector / np.linalg.norm(vector), 384, is_truncated=True, made_at=1234.5)


def packed(seed: int = 0) -> bytes:
    value = CODEC.pack(KEY, entry(seed))
    assert value is not None
    return value


@given(st.integers(0, 1 << 32), st.integers(0, 1 << 31), st.integers(0, 1), st.integers(0, 1 << 40))
def test_what_is_packed_comes_back_bit_for_bit(seed: int, tokens: int, flag: int, made_at: int):
    given_entry = CachedEmbedding(entry(seed).vector, tokens, bool(flag), made_at / 1000)
    value = CODEC.pack(KEY, given_entry)
    assert value is not None

    found = CODEC.unpack(KEY, value)

    assert found is not None
    assert found.vector.tobytes() == given_entry.vector.tobytes()
    assert found[1:] == given_entry[1:]
    assert found.vector.dtype == np.float32
    assert not found.vector.flags.writeable
    assert found.vector.base is None, "a view would keep the whole value in memory"


def test_every_single_flipped_bit_is_noticed():
    value = packed()

    for at in range(len(value) * 8):
        broken = bytearray(value)
        broken[at // 8] ^= 1 << at % 8
        assert CODEC.unpack(KEY, bytes(broken)) is None, f"bit {at}"


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(value: bytes):
    assert CODEC.unpack(KEY, value) is None


@pytest.mark.parametrize("value", [None, 5, "text", [b"x"], b"", packed()[:-1], packed() + b"\0"])
def test_what_has_another_type_or_length_is_refused(value: object):
    assert CODEC.unpack(KEY, value) is None


def test_a_good_value_under_another_key_is_refused():
    assert CODEC.unpack(cache_key("build", "other text"), packed()) is None
    assert CODEC.unpack(cache_key("build", "text", "namespace"), packed()) is None


@pytest.mark.parametrize("codec", [Codec("other build", DIM), Codec("build", DIM * 2)])
def test_a_value_of_another_build_or_dimension_is_refused(codec: Codec):
    assert codec.unpack(KEY, packed()) is None


@pytest.mark.parametrize("number", [np.nan, np.inf, 3e38, 0.0, 2.0])
def test_what_is_no_unit_vector_is_neither_written_nor_believed(number: float):
    vector = np.zeros(DIM, dtype=np.float32)
    vector[3] = number
    assert CODEC.pack(KEY, CachedEmbedding(vector, 3, is_truncated=False, made_at=0.0)) is None

    # A value whose every other part is right, as only a forger makes it.
    good = packed()
    header, body = good[:36], vector.tobytes()
    forged = header + checksum(KEY, header, body) + body
    assert len(forged) == len(good)
    assert CODEC.unpack(KEY, forged) is None


def test_names_tell_builds_apart_and_never_the_text():
    names = {CODEC.name(KEY), Codec("other build", DIM).name(KEY), CODEC.name(cache_key("b", "t"))}

    assert len(names) == 3
    assert all(name.startswith("openviking:embedding:") for name in names)
    assert not any("text" in name for name in names)
