from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tests.store.conftest import DIM, entry, skill

from openviking.errors import InputError, NotFoundError, ShapeError
from openviking.types import Skill, SkillEntry, SkillPassage

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.store.port import Store

FULL = Skill(
    id="pdf-tools",
    name="PDF tools",
    description="Fill, split and merge PDF files",
    body="# PDF\r\n\nUse \x00 with care. \u202eRTL\u202c 你好 🛶",
    category="documents",
    subcategory="pdf",
    examples=("fill this form", 'a "quoted" one'),
    complexity=3,
    parent_skill="documents",
    related_skills=("docx",),
    sub_skills=("Forms",),
    usage_count=4,
    origin="folder",
    path="/skills/pdf-tools/SKILL.md",
    digest="d1",
    license="MIT",
    compatibility="any",
    metadata={"author": {"name": "Åse"}, "tags": [1, 2.5, None, True]},
    allowed_tools=("Read", "Bash(git:*)"),
    disable_model_invocation=True,
    updated_at=datetime(2025, 2, 3, 4, 5, 6, 789012, tzinfo=UTC),
)


def test_a_skill_comes_back_as_it_was_put_also_after_a_restart(
    open_store: Callable[[], Store],
) -> None:
    first = open_store()
    first.put_skills([entry(FULL)])
    assert first.get_skill("pdf-tools") == FULL
    first.close()
    second = open_store()
    assert second.get_skill("pdf-tools") == FULL
    second.close()


def test_every_odd_text_survives_as_id_and_as_content(store: Store) -> None:
    odd = ["a/b c", "x\x00y", "ü" * 10_000, "\u202eabc", "'; DROP TABLE skills; --", "🛶", " "]
    store.put_skills([entry(skill(text, body=text)) for text in odd])
    assert [store.get_skill(text).body for text in odd] == odd
    assert [found.id for found in store.iter_skills()] == sorted(odd)


@pytest.mark.parametrize("field", ["id", "name", "description", "body", "path", "digest"])
def test_a_lone_surrogate_is_refused_with_its_place(store: Store, field: str) -> None:
    bad = entry(replace(FULL, **{field: "a\ud800"}))  # type: ignore[arg-type] # any text field
    with pytest.raises(InputError, match="surrogate") as caught:
        store.put_skills([entry(FULL), bad])
    assert caught.value.loc == ("skills", 1, field)
    assert store.stats()["skills"] == 0


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", "\udfff"])
def test_metadata_that_json_cannot_carry_is_refused(store: Store, value: Any) -> None:
    with pytest.raises(InputError) as caught:
        store.put_skills([entry(replace(FULL, metadata={"k": value}))])
    assert caught.value.loc == ("skills", 0, "metadata")


def test_a_number_beyond_64_bits_is_refused_and_nothing_is_kept(store: Store) -> None:
    with pytest.raises(InputError, match="64 bits"):
        store.put_skills([entry(FULL), entry(skill("huge", complexity=2**80))])
    assert store.stats()["skills"] == 0


def test_replacing_keeps_the_use_count_and_drops_the_old_passages(store: Store) -> None:
    store.put_skills([entry(FULL, passages=3)])
    assert [store.count_skill_use("pdf-tools") for _ in range(2)] == [5, 6]
    store.put_skills([entry(replace(FULL, name="PDF", usage_count=0), passages=2, seed=1)])
    found = store.get_skill("pdf-tools")
    assert (found.name, found.usage_count) == ("PDF", 6)
    assert len(store.passage_vectors("b1").vectors) == 2


def test_passage_vectors_come_back_bit_for_bit_in_the_order_of_their_numbers(store: Store) -> None:
    entries = [entry(skill(f"s{at}"), passages=at, seed=at) for at in (2, 0, 3)]
    numbers = store.put_skills(entries)
    loaded = store.passage_vectors("b1")
    assert loaded.vectors.tobytes() == np.concatenate([e.vectors for e in entries]).tobytes()
    assert loaded.vectors.flags.c_contiguous
    assert loaded.passage_ids.tolist() == [int(n) for some in numbers for n in some]
    assert loaded.skill_ids == ("s2", "s2", "s3", "s3", "s3")
    assert loaded.parts == ("body",) * 5
    assert loaded.spans.tolist() == [[0, 1], [1, 2], [0, 1], [1, 2], [2, 3]]


def test_a_replaced_skill_gets_new_passage_numbers_and_keeps_its_vectors_apart(
    store: Store,
) -> None:
    one, two = entry(skill("one"), passages=2, seed=1), entry(skill("two"), passages=1, seed=2)
    old = store.put_skills([one, two])
    newer = entry(skill("one"), passages=1, seed=3)
    new = store.put_skills([newer])
    loaded = store.passage_vectors("b1")
    assert loaded.skill_ids == ("two", "one")
    assert loaded.vectors.tobytes() == two.vectors.tobytes() + newer.vectors.tobytes()
    assert int(new[0][0]) > max(int(n) for some in old for n in some)
    store.delete_skills(["one", "two"])
    again = store.put_skills([one])
    assert int(again[0][0]) > int(new[0][0])


def test_digests_and_vectors_are_kept_apart_by_model_build(store: Store) -> None:
    store.put_skills([entry(replace(FULL, id="a", digest="da"))])
    store.put_skills([entry(replace(FULL, id="b", digest="db"), build_id="b2")])
    assert store.skill_digests("b1") == {"a": "da"}
    assert store.skill_digests("b2") == {"b": "db"}
    assert store.skill_digests("never") == {}
    assert store.passage_vectors("b2").skill_ids == ("b",)
    assert store.passage_vectors("never").vectors.shape[0] == 0


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.zeros((2, DIM), np.float32), "one row per passage"),
        (np.zeros((1, DIM), np.float64), "float32"),
        (np.zeros(DIM, np.float32), "float32"),
        (np.full((1, DIM), np.nan, np.float32), "finite"),
        (np.zeros((1, DIM + 1), np.float32), "dimensions"),
    ],
)
def test_wrong_vectors_are_refused(store: Store, vectors: Any, message: str) -> None:
    store.put_skills([entry(skill("first"))])
    bad = SkillEntry(FULL, (SkillPassage("body", "text"),), vectors, "b1")
    with pytest.raises(ShapeError, match=message):
        store.put_skills([bad])
    assert store.stats()["skills"] == 1


def test_deleting_counts_what_existed_and_leaves_nothing_behind(store: Store) -> None:
    store.put_skills([entry(skill("a", description="kubernetes"), passages=2), entry(skill("b"))])
    assert store.delete_skills(["a", "a", "missing"]) == 1
    assert store.stats()["skills"] == 1
    assert store.stats()["passages"] == 1
    assert not store.match_skills("kubernetes", 5)
    with pytest.raises(NotFoundError, match="'a'"):
        store.get_skill("a")
    with pytest.raises(NotFoundError):
        store.count_skill_use("a")


def test_iteration_gives_every_skill_once_without_body(store: Store) -> None:
    ids = [f"s{at:04}" for at in range(600)]
    store.put_skills([entry(skill(skill_id, body="text")) for skill_id in reversed(ids)])
    found = list(store.iter_skills())
    assert [each.id for each in found] == ids
    assert {each.body for each in found} == {""}


def test_iteration_survives_changes_under_way(store: Store) -> None:
    store.put_skills([entry(skill(f"s{at:04}")) for at in range(600)])
    found = []
    for each in store.iter_skills():
        found.append(each.id)
        if len(found) == 100:
            store.delete_skills([f"s{at:04}" for at in range(600)])
    assert found == sorted(set(found))
    assert len(found) >= 100


def test_a_switch_stays_when_its_skill_is_put_again_or_deleted(
    open_store: Callable[[], Store],
) -> None:
    store = open_store()
    store.put_skills([entry(skill("a", body="apples")), entry(skill("b", body="apples"))])
    store.switch_skills(["a"], is_disabled=True)
    assert store.match_skills("apples", 9).ids == ["b"]

    store.put_skills([entry(skill("a", body="apples and pears"))])
    store.delete_skills(["a"])
    store.put_skills([entry(skill("a", body="apples"))])
    store.close()
    store = open_store()

    assert store.disabled_skills() == frozenset({"a"})
    assert store.get_skill("a").is_disabled
    assert [found.is_disabled for found in store.iter_skills()] == [True, False]
    assert store.match_skills("apples", 9).ids == ["b"]
    store.switch_skills(["a"], is_disabled=False)
    assert sorted(store.match_skills("apples", 9).ids) == ["a", "b"]
    assert not store.get_skill("a").is_disabled
    store.close()


def test_a_deletion_for_good_forgets_the_switch_and_a_put_can_set_it(store: Store) -> None:
    store.put_skills([entry(skill("a", body="apples", is_disabled=True))])
    assert store.get_skill("a").is_disabled
    assert not store.match_skills("apples", 9).ids

    store.delete_skills(["a"], forget=True)
    store.put_skills([entry(skill("a", body="apples"))])

    assert not store.get_skill("a").is_disabled
    assert store.match_skills("apples", 9).ids == ["a"]


def test_files_that_wait_are_kept_as_they_were_put_last(open_store: Callable[[], Store]) -> None:
    store = open_store()
    store.put_waiting_skills({"/mine/a": "a", "/mine/b": "b"})
    store.put_waiting_skills({"/mine/b": "c"})
    store.close()
    store = open_store()
    assert store.waiting_skills() == {"/mine/b": "c"}
    with pytest.raises(InputError, match="surrogate"):
        store.put_waiting_skills({"/\ud800": "a"})
    store.close()


def test_the_vectors_of_one_skill_are_those_among_all(store: Store) -> None:
    store.put_skills([entry(skill("a"), passages=2, seed=1), entry(skill("b"), passages=3, seed=2)])
    both, one = store.passage_vectors("b1"), store.passage_vectors("b1", skill_id="b")
    assert one.skill_ids == ("b",) * 3
    assert np.array_equal(one.vectors, both.vectors[2:])
    assert not len(store.passage_vectors("b1", skill_id="nobody").vectors)
    assert not len(store.passage_vectors("b2", skill_id="b").vectors)
