"""Search over the hashing encoder: what is found, when, why, and what must not be."""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from openviking.encoder.fake import HashingEncoder
from openviking.errors import EncoderError, InputError, LimitError
from openviking.resources import Resources
from openviking.resources.nearby import Nearby
from openviking.resources.passages import PIECES_MAX
from openviking.retrieval.background import SENTENCES
from openviking.store import SqliteStore
from openviking.store.resources import PIECES_PER_RESOURCE, NewResource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.resources.conftest import Place

    from openviking.types import Embeddings

WAIT_S = 60.0


def uris(resources: Resources, query: str, **narrowed: Any) -> list[str]:
    return [hit.resource.target_uri for hit in resources.search(query, **narrowed).hits]


def fill(resources: Resources, texts: dict[str, str]) -> None:
    for uri, text in texts.items():
        resources.put(text, uri)
    assert resources.wait_until_embedded(WAIT_S)


def test_what_fits_comes_first_with_its_passage_and_why(found: Resources):
    deploy = (
        "# Handbook\n\n" + "Nothing to see here. " * 40 + "\n\n## Rollout\n\nWe deploy on Fridays."
    )
    fill(found, {"viking://docs/rollout": deploy, "viking://docs/tea": "Olga likes green tea"})

    first, *others = found.search("when do we deploy the rollout").hits

    assert first.resource.target_uri == "viking://docs/rollout"
    assert first.passage.text == deploy[first.passage.start : first.passage.end]
    assert "We deploy on Fridays." in first.passage.text
    assert first.why.terms == ("deploy", "rollout")
    assert set(first.why.fields) == {"uri", "content"}
    assert (first.why.semantic_rank, first.why.lexical_rank) == (1, 1)
    assert not others


def test_what_is_nearer_to_small_talk_than_to_a_resource_finds_nothing(found: Resources):
    fill(found, {"trip": "Anna and you went to Oslo", "shoes": "my shoes are wet"})

    # The cosine with the trip is 0.26.
    assert uris(found, "what do you mean, you are a machine?") == []
    assert uris(found, "who went to Oslo with Anna?") == ["trip"]
    # What is small talk elsewhere is a memory here.
    assert uris(found, "my shoes are wet") == ["shoes"]


def test_nothing_is_found_when_nothing_is_near(found: Resources):
    fill(found, {"a": "the cat sleeps", "b": "a dog barks"})
    assert uris(found, "quarterly revenue forecast") == []
    assert uris(found, "?!") == []


class HeldEncoder(HashingEncoder):
    """Embeds contents when it is told to; questions at once."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()

    def encode(self, texts: Sequence[str]) -> Embeddings:
        assert self.may_go.wait(WAIT_S)
        return super().encode(texts)


def test_words_find_a_resource_at_once_and_meaning_when_it_is_embedded(tmp_path: Path):
    contents = HeldEncoder()
    store = SqliteStore(tmp_path)
    resources = Resources(store, HashingEncoder(), passage_encoder=contents)
    resources.put("error E4711 means that the disk is full", "viking://errors/4711")

    (hit,) = resources.search("E4711").hits
    assert hit.why.meaning is None
    assert hit.passage.text == "error E4711 means that the disk is full"
    assert resources.health()["waiting_for_vectors"] == 1

    contents.may_go.set()
    assert resources.wait_until_embedded(WAIT_S)
    (hit,) = resources.search("E4711").hits
    assert hit.why.meaning is not None
    assert resources.health()["waiting_for_vectors"] == 0
    resources.close()
    store.close()


def test_only_the_newest_version_is_searched_and_deletes_vanish_at_once(found: Resources):
    fill(found, {"a": "we meet in the blue room", "b": "the blue car"})
    found.put("we meet in the green hall", "a")
    assert uris(found, "blue room") == ["b"]
    assert uris(found, "green hall") == ["a"]
    assert found.wait_until_embedded(WAIT_S)
    assert uris(found, "green hall") == ["a"]
    assert uris(found, "blue room") == ["b"]
    found.delete(found.get_by_uri("b").id)
    assert uris(found, "blue car") == []


def test_a_restart_finds_the_same_with_the_same_scores_and_encodes_nothing(
    place: Place, encoder: HashingEncoder
):
    resources = place.open()
    fill(resources, {f"u{at}": f"text number {at} about topic {at % 5}" for at in range(20)})
    before = [(h.resource.id, h.score) for h in resources.search("topic 3").hits]
    texts = encoder.texts_encoded
    again = place.open()
    assert again.wait_until_embedded(WAIT_S)
    assert [(h.resource.id, h.score) for h in again.search("topic 3").hits] == before
    # The question, and the small talk that it must stand out from.
    assert encoder.texts_encoded == texts + 1 + len(SENTENCES)


def test_what_was_not_embedded_before_a_restart_is_embedded_after_it(tmp_path: Path):
    store = SqliteStore(tmp_path)
    Resources(store).put("the red fox jumps", "a")
    store.close()
    store = SqliteStore(tmp_path)
    resources = Resources(store, HashingEncoder())
    assert resources.wait_until_embedded(WAIT_S)
    assert resources.search("red fox").hits[0].why.meaning
    resources.close()
    store.close()


@pytest.mark.parametrize(
    ("narrowed", "expected"),
    [
        ({}, ["a/1", "a/2", "b/1", "b/2"]),
        ({"resource_type": "note"}, ["a/1", "b/1"]),
        ({"prefix": "a/"}, ["a/1", "a/2"]),
        ({"metadata": {"n": 1.0}}, ["a/1", "b/1"]),
        ({"metadata": {"n": True}}, []),
        ({"metadata": {"tags": ["x", {"k": None}]}}, ["b/2"]),
        ({"metadata": {"n": 2, "who": "Olga"}}, ["a/2"]),
        ({"prefix": "b/", "resource_type": "memory", "metadata": {"n": 2}}, ["b/2"]),
        ({"session_id": "s"}, ["a/2"]),
        ({"prefix": "%"}, []),
    ],
)
@pytest.mark.parametrize("is_embedded", [True, False])
def test_filters_are_exact(
    place: Place,
    narrowed: dict[str, Any],
    expected: list[str],
    is_embedded: bool,  # noqa: FBT001 - a parameter of the test
):
    resources = place.open()
    put = resources.put
    put("same words here", "a/1", resource_type="note", metadata={"n": 1})
    put("same words here", "a/2", metadata={"n": 2, "who": "Olga"}, session_id="s")
    put("same words here", "b/1", resource_type="note", metadata={"n": 1, "who": "Ada"})
    put("same words here", "b/2", metadata={"n": 2, "tags": ["x", {"k": None}]})
    if is_embedded:
        assert resources.wait_until_embedded(WAIT_S)
    assert sorted(uris(resources, "same words", **narrowed)) == expected
    listed = {k: v for k, v in narrowed.items() if k != "session_id"}
    if listed == narrowed:
        assert [r.target_uri for r in resources.list(**narrowed).resources] == expected


def test_a_filter_finds_the_one_that_a_thousand_better_ones_hide(found: Resources):
    found.put_all([NewResource("deploy deploy deploy", f"noise/{at:04}") for at in range(1000)])
    found.put("what to do before we deploy, at length and in other words", "kept/1")
    assert found.wait_until_embedded(WAIT_S)
    assert "kept/1" not in uris(found, "deploy", k=100)
    assert uris(found, "deploy", prefix="kept/") == ["kept/1"]


class FailingEncoder(HashingEncoder):
    def encode(self, texts: Sequence[str]) -> Embeddings:
        raise EncoderError(f"no model for {len(texts)} texts")


def test_without_a_model_words_decide_and_the_answer_says_so(tmp_path: Path):
    store = SqliteStore(tmp_path)
    for encoder in (None, FailingEncoder()):
        resources = Resources(store, encoder)
        resources.put("the red fox", "a")
        answer = resources.search("fox")
        assert [hit.resource.target_uri for hit in answer.hits] == ["a"]
        assert "model" in str(answer.degraded)
        resources.close()
    store.close()


@pytest.mark.parametrize("query", ["", " \n", "\0"])
def test_an_empty_query_is_refused(found: Resources, query: str):
    with pytest.raises(InputError):
        found.search(query)


def test_sizes_are_limited(found: Resources):
    for k in (0, -1):
        with pytest.raises(InputError):
            found.search("a", k=k)
    with pytest.raises(LimitError):
        found.search("a", k=1001)
    with pytest.raises(LimitError):
        found.search("x" * (2**20 + 1))
    assert found.search("word " * 20_000).truncated
    with pytest.raises(InputError, match="256 keys"):
        found.put("a", "u", metadata={str(at): at for at in range(257)})


@pytest.mark.parametrize(
    "query", ['"', "a AND (b OR", "NEAR(x y)", "*", "-- drop", "col:x", "日本語", "\ud800", "💥"]
)
def test_any_text_is_a_query(found: Resources, query: str):
    fill(found, {"a": "some text"})
    found.search(query)


@pytest.mark.parametrize("content", ["", " ", "# Title", "\n---\n", "\x00", "💥", "x" * 100_000])
def test_any_content_can_be_embedded_and_is_then_done(found: Resources, content: str):
    found.put(content, "viking://notes/first-note")
    assert found.wait_until_embedded(WAIT_S)
    assert found.health() == {"resources": 1, "waiting_for_vectors": 0}
    title = "title" if content == "# Title" else "first note"
    assert len(uris(found, title)) == 1


def test_a_book_is_cut_into_a_bounded_number_and_found_by_its_last_word(found: Resources):
    text = " ".join(f"word{at}" for at in range(90_000))
    found.put(text, "viking://book")
    assert found.wait_until_embedded(WAIT_S)
    (hit,) = found.search("word89999").hits
    assert "word89999" in text
    assert len(found._nearby._index) <= PIECES_MAX + 1  # noqa: SLF001 - the bound is the claim
    assert hit.why.terms == ("word89999",)


def test_searches_during_writes_see_whole_resources_only(found: Resources):
    stop = threading.Event()
    problems: list[str] = []

    def search() -> None:
        while not stop.is_set():
            hits = found.search("alpha beta").hits
            problems.extend(
                h.passage.text for h in hits if h.passage.text not in h.resource.content
            )

    searcher = threading.Thread(target=search)
    searcher.start()
    rng = random.Random(3)
    for at in range(60):
        resource = found.put(f"alpha beta version {at}", f"u{rng.randrange(5)}")
        if at % 7 == 0:
            found.delete(resource.id)
    assert found.wait_until_embedded(WAIT_S)
    stop.set()
    searcher.join()
    assert not problems
    newest = {one.target_uri for one in found.list().resources}
    assert set(uris(found, "alpha beta version")) == newest


def test_a_version_that_vanishes_while_it_is_embedded_does_not_come_back():
    nearby = Nearby(4)
    vector = np.array([[1, 0, 0, 0]], np.float32)
    ids = np.array([7 * PIECES_PER_RESOURCE], np.int64)
    nearby.watch()
    nearby.remove([7])
    nearby.add(np.array([7]), ids, vector)
    assert nearby.nearest(vector, 5) == {}
    assert len(nearby) == 0


def test_a_filter_that_allows_thousands_stays_exact(tmp_path: Path):
    store = SqliteStore(tmp_path)
    resources = Resources(store)
    resources.put_all([NewResource("deploy deploy", f"n/{at}", "noise") for at in range(2100)])
    texts = ["nothing"] * 2100
    for at in (5, 1000, 2099):
        texts[at] = "at last, after many other words, we deploy"
    resources.put_all([NewResource(text, f"k/{at}", "kept") for at, text in enumerate(texts)])
    assert sorted(uris(resources, "deploy", resource_type="kept")) == ["k/1000", "k/2099", "k/5"]
    assert len(uris(resources, "deploy", resource_type="noise", k=100)) == 100
    store.close()
