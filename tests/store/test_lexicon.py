"""The lexicon against sums done by hand, and against a lexicon built in one piece."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openviking.store.bags import FIELDS, WordBag, word_bag, word_hash
from openviking.store.lexicon import Lexicon
from openviking.store.rows import RowTable
from openviking.store.words import FUNCTION_WORDS
from openviking.vectors.postings import Word

if TYPE_CHECKING:
    from openviking.types import WordMatch

WORDS = [f"w{at}" for at in range(60)]


def bag(**fields: str) -> WordBag:
    return word_bag([fields.get(name, "").split() for name in FIELDS])


def random_bag(rng: random.Random) -> WordBag:
    return bag(
        name=" ".join(rng.choices(WORDS, k=2)),
        description=" ".join(rng.choices(WORDS, k=8)),
        body=" ".join(rng.choices(WORDS, k=30)),
    )


def words(text: str) -> list[Word]:
    return [
        Word(word, word, word_hash(word), is_content=word not in FUNCTION_WORDS)
        for word in text.split()
    ]


def ask(lexicon: Lexicon, text: str, limit: int) -> list[WordMatch]:
    return list(lexicon.match([words(text)], limit))


def test_many_small_changes_give_what_one_big_one_gives():
    rng = random.Random(1)
    stepwise, current = Lexicon(), {}
    for version in range(600):
        change = {}
        for _ in range(rng.randint(1, 4)):
            skill_id = f"s{rng.randrange(150)}"
            change[skill_id] = random_bag(rng) if rng.random() < 0.7 else None
        stepwise.update(change, version)
        current.update(change)
    at_once = Lexicon()
    at_once.update(current, 0)

    for _ in range(50):
        query = " ".join(rng.choices(WORDS, k=5))
        assert ask(stepwise, query, 20) == ask(at_once, query, 20)
    sizes = [len(made.hashes) for made in current.values() if made is not None]
    for lexicon in (stepwise, at_once):
        assert lexicon.match([[]]).sizes.mean == sum(sizes) / len(sizes)


def test_a_lexicon_without_skills_has_no_words():
    lexicon = Lexicon()
    assert lexicon.match([words("w")]).sizes.mean == 0.0
    lexicon.update({"a": bag(name="w")}, 0)
    lexicon.update({"a": None}, 1)
    assert lexicon.match([words("w")]).sizes.mean == 0.0


def test_a_change_that_arrives_late_does_not_undo_a_later_one():
    lexicon = Lexicon()
    lexicon.update({"a": bag(name="new")}, 2)
    lexicon.update({"a": bag(name="old"), "b": bag(name="old")}, 1)
    lexicon.update({"c": None}, 4)
    lexicon.update({"c": bag(name="old")}, 3)

    assert [hit.id for hit in lexicon.match([words("old")], 5)] == ["b"]
    assert [hit.id for hit in lexicon.match([words("new")], 5)] == ["a"]


def test_a_skill_beyond_the_limit_has_its_score_and_true_rank():
    lexicon = Lexicon()
    lexicon.update({f"s{at:02}": bag(body="pdf " + "filler " * at) for at in range(50)}, 1)
    lexicon.update({"other": bag(body="else")}, 1)

    hits = lexicon.match([words("pdf")], 3)

    assert [(hit.id, hit.rank) for hit in hits] == [("s00", 1), ("s01", 2), ("s02", 3)]
    beyond = hits.of("s40")
    assert beyond is not None
    assert (beyond.rank, beyond.terms, beyond.fields) == (41, ("pdf",), ("body",))
    assert hits.scores_of(["s40", "gone", "s00", "other"]).tolist() == [
        beyond.score,
        0.0,
        hits[0].score,
        0.0,
    ]
    assert hits.explain(["gone", "other", "s01"]) == [None, None, hits[1]]
    assert hits.sums.shape == (52, 1)
    assert (hits.sums[-1, 0], hits.where([-1])) == (0.0, [((), ())])


def test_words_of_grammar_count_only_where_there_is_nothing_else():
    lexicon = Lexicon()
    lexicon.update({"how": bag(name="how to"), "pdf": bag(name="pdf")}, 1)
    assert lexicon.match([words("how to pdf")], 5).ids == ["pdf"]
    assert lexicon.match([words("how to")], 5).ids == ["how"]


def test_parts_of_a_request_count_as_if_each_was_asked_for_alone():
    rng = random.Random(5)
    lexicon = Lexicon()
    for version in range(6):
        # Parts of the lexicon, dead rows, words of most skills, and words of grammar.
        bags = {f"s{rng.randrange(400)}": random_bag(rng) for _ in range(100)}
        common = {f"c{at}": bag(body=f"common how {rng.choice(WORDS)}") for at in range(330)}
        lexicon.update(bags | common, version)
    texts = ["w1 w2 common how", "w2 w3", "how common", "how", "unknown"]

    asked = [words(text) for text in texts]
    together = lexicon.match(asked, 20)
    alone = [lexicon.match([one], 20) for one in asked]

    assert together.sums.T.tolist() == [one.sums[:, 0].tolist() for one in alone]
    assert (list(together), together.looked_up) == (list(alone[0]), alone[0].looked_up)
    assert list(alone[0].looked_up) == ["w1", "w2"]
    assert list(alone[2].looked_up) == ["common", "how"]
    assert together.sums.any(axis=0).tolist() == [True, True, True, True, False]


def test_a_bag_survives_its_stored_form():
    made = bag(name="a b", body="b c " * 300)
    read = WordBag.from_bytes(made.to_bytes())
    for one, other in ((made.hashes, read.hashes), (made.shares, read.shares)):
        assert one.tolist() == other.tolist()
    assert made.bits.tolist() == read.bits.tolist()
    with pytest.raises(ValueError, match="whole number"):
        WordBag.from_bytes(made.to_bytes()[:-1])


def test_repetition_saturates_and_length_counts_against_a_word():
    lexicon = Lexicon()
    lexicon.update(
        {
            "once": bag(body="pdf " + "x " * 99),
            "often": bag(body="pdf " * 50 + "x " * 50),
            "long": bag(body="pdf " + "x " * 5000),
        },
        1,
    )
    hits = lexicon.match([words("pdf")], 3)
    assert hits.ids == ["often", "once", "long"]
    assert hits.scores[0] < 3 * hits.scores[1]


def test_what_came_and_went_is_forgotten_in_the_end():
    lexicon = Lexicon()
    for at in range(3000):
        lexicon.update({str(at): bag(name=f"word{at % 7}")}, 0)
        if at >= 10:
            lexicon.update({str(at - 10): None}, 1)
    hits = lexicon.match([words(" ".join(f"word{at}" for at in range(7)))], 50)
    assert sorted(map(int, hits.ids)) == list(range(2990, 3000))
    assert len(lexicon._versions) < 1000  # noqa: SLF001 - memory is the claim


@given(st.lists(st.tuples(st.integers(0, 800), st.integers(-1, 5)), max_size=60), st.data())
def test_a_table_of_rows_is_a_dictionary_and_earlier_ones_do_not_change(
    changes: list[tuple[int, int]], data: st.DataObject
):
    expected: dict[str, int] = {}
    table = RowTable({}, {})
    for number, row in changes:
        before, known = table, dict(expected)
        # One change at a time, or so many that the large table is copied.
        many = data.draw(st.booleans())
        change = {str(number + at): row for at in range(600 if many else 1)}
        table = table.changed(change)
        expected = {key: at for key, at in (expected | change).items() if at >= 0}
        assert dict(before) == known
    assert dict(table) == expected
    assert len(table) == len(expected)
    assert table.get("absent", -1) == -1
