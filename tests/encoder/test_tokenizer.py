from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from openviking.encoder import models
from openviking.encoder.builds import build_key
from openviking.encoder.spec import TOKENIZER
from openviking.encoder.tokenizer import CHARS_MAX, TextTokenizer
from openviking.errors import EncoderError, InputError, LimitError

if TYPE_CHECKING:
    from pathlib import Path

# What words, cuts and normalisation can stumble over: accents, combining marks, scripts without
# spaces, control characters, joiners, punctuation, a capital whose lower case has two characters.
PIECES = st.one_of(
    st.sampled_from(
        ["commit", "naïve", "e\u0301", "\u0301", "数据", "안녕", "İ", "🚀", "\u200d", "\x00", "...",
         "x" * 120, " ", "\n", "\t", "-", "</s>", "ﬁ", "ß", "Σ", "a\u0300\u0316"]
    ),
    st.text(max_size=6).filter(lambda text: all(not 0xD800 <= ord(c) < 0xE000 for c in text)),
)  # fmt: skip


@pytest.fixture(scope="module")
def path(model_dir: Path) -> Path:
    return models.path(build_key(), model_dir) / TOKENIZER


@pytest.fixture(scope="module")
def tokenizer(path: Path) -> TextTokenizer:
    return TextTokenizer(path, tokens_max=384)


@pytest.fixture(scope="module")
def whole(path: Path) -> Any:
    """Tokenise a whole text at once, as the published tokenizer does."""
    published = Tokenizer.from_file(str(path))
    published.no_padding()
    published.no_truncation()
    published.encode_special_tokens = True
    return lambda text: published.encode(text, add_special_tokens=False).ids


@settings(max_examples=60, deadline=None)
@given(pieces=st.lists(PIECES, min_size=1, max_size=12), chars=st.integers(3000, 40_000))
def test_reading_piece_by_piece_keeps_exactly_the_first_tokens(
    tokenizer: TextTokenizer, whole: Any, pieces: list[str], chars: int
):
    unit = "".join(pieces)
    text = (unit * (chars // max(len(unit), 1) + 1))[:chars]
    ids = whole(text)
    if not ids:
        return

    found = tokenizer.tokenize([text])[0]

    assert found.ids.tolist() == [0, *ids[:382], 2]
    assert found.truncated == (len(ids) > 382)


@pytest.mark.parametrize("words", [381, 382, 383])
def test_the_window_holds_382_tokens_and_two_markers(tokenizer: TextTokenizer, words: int):
    found = tokenizer.tokenize(["word " * words])[0]

    assert len(found.ids) == min(words, 382) + 2
    assert found.truncated == (words > 382)


def test_control_tokens_in_a_text_are_plain_text(tokenizer: TextTokenizer):
    found = tokenizer.tokenize(["<s> </s> <pad> <mask> <unk> [UNK]"])[0]

    assert not {0, 1, 2, 3, 104, 30526} & set(found.ids[1:-1].tolist())


@pytest.mark.parametrize("unit", ["lorem ipsum dolor ", "数"])
def test_a_megabyte_of_words_costs_no_more_than_its_beginning(tokenizer: TextTokenizer, unit: str):
    text = (unit * CHARS_MAX)[:CHARS_MAX]
    started = time.process_time()
    found = tokenizer.tokenize([text])[0]
    cost_s = time.process_time() - started

    started = time.process_time()
    count = tokenizer.count([text])[0]
    whole_cost_s = time.process_time() - started

    assert found.truncated
    assert count > 100_000
    assert cost_s < whole_cost_s / 5


@pytest.mark.parametrize("text", ["x" * CHARS_MAX, "x" + " " * (CHARS_MAX - 2) + "y"])
def test_a_megabyte_without_words_is_read_to_its_end(
    tokenizer: TextTokenizer, whole: Any, text: str
):
    found = tokenizer.tokenize([text])[0]

    assert found.ids.tolist() == [0, *whole(text), 2]
    assert not found.truncated


def test_the_longest_text_is_read_and_a_longer_one_refused(tokenizer: TextTokenizer):
    assert tokenizer.tokenize(["a " * (CHARS_MAX // 2)])[0].truncated

    with pytest.raises(LimitError) as caught:
        tokenizer.tokenize(["fine", "a" * (CHARS_MAX + 1)])
    assert caught.value.loc == ("texts", 1)


def test_a_lone_surrogate_is_named_with_its_place(tokenizer: TextTokenizer):
    with pytest.raises(InputError, match=r"U\+DC80\) at character 2"):
        tokenizer.count(["ab\udc80"])


@pytest.mark.parametrize("content", [b"", b"{}", b'{"model": 1}', b"\xff\x00"])
def test_a_file_that_is_no_tokenizer_is_refused(tmp_path: Path, content: bytes):
    (tmp_path / TOKENIZER).write_bytes(content)

    with pytest.raises(EncoderError, match=TOKENIZER):
        TextTokenizer(tmp_path / TOKENIZER, tokens_max=384)
