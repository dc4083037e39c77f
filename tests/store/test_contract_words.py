from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.store.conftest import entry, skill

from openviking.store.words import QUERY_TERMS_MAX, identifier_forms, query_terms

if TYPE_CHECKING:
    from openviking.store.port import Store


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("use kubectl to deploy", "kubectl"),
        ("Kubectl", "KUBECTL!"),
        ("modern C++ code", "C++"),
        ("modern C++ code", "cplusplus"),
        ("a C# service", "c#"),
        ("a CI/CD pipeline", "CI/CD"),
        ("a CI/CD pipeline", "cicd"),
        ("a CI/CD pipeline", "ci"),
        ("call getUserName()", "getUserName"),
        ("call getUserName()", "user"),
        ("call getUserName()", "name, user"),
        ("call get_user_name()", "getUserName"),
        ("HTTPServer settings", "server"),
        ("Node.js services", "nodejs"),
        ("nodejs services", "Node.js"),
        ("a .NET library", ".net"),
        ("a .NET library", "dotnet"),
        ("send an e-mail", "email"),
        ("converting files", "convert"),
        ("un café crème", "cafe"),
        ("处理电子表格的技能", "电子表格"),
        ("日本語の文書", "文書"),
        ("эксперименты", "ЭКСПЕРИМЕНТЫ"),
        ("R&D budget", "R&D"),
    ],
)
def test_a_word_is_found_as_people_write_it(store: Store, text: str, query: str) -> None:
    store.put_skills(
        [entry(skill("right", body=text)), entry(skill("other", body="nothing of it here"))]
    )
    assert [hit.id for hit in store.match_skills(query, 5)] == ["right"]


@pytest.mark.parametrize("query", ["C++", "C#", "R&D"])
def test_a_lone_letter_does_not_stand_for_an_identifier(store: Store, query: str) -> None:
    store.put_skills([entry(skill("letter", body="option c, option r or option d"))])
    assert not store.match_skills(query, 5)


@pytest.mark.parametrize(
    "query",
    [
        '"',
        '""""',
        "AND",
        "a AND NOT",
        "NEAR(a b, 3)",
        "name:pdf",
        "{name body}: pdf",
        "^pdf",
        "pdf*",
        "-pdf",
        "(pdf",
        "pdf + files",
        "'; DROP TABLE skills; --",
        "\x00pdf\x00",
        "pdf\ud800",
        "\u202epdf",
        "%_?[]",
        "💥",
        "   ",
        "",
        "pdf " * 50_000,
        "x" * 100_000,
        " ".join(f"word{at}" for at in range(20_000)),
    ],
)
def test_any_text_is_a_valid_query(store: Store, query: str) -> None:
    store.put_skills([entry(skill("pdf-tools", description="pdf files"))])
    assert [hit.id for hit in store.match_skills(query, 5)] in ([], ["pdf-tools"])


def test_operators_are_words(store: Store) -> None:
    store.put_skills([entry(skill("logic", body="and or not near")), entry(skill("b", body="pdf"))])
    assert [hit.id for hit in store.match_skills("NOT", 5)] == ["logic"]
    assert {hit.id for hit in store.match_skills("near pdf", 5)} == {"logic", "b"}


def test_a_hit_says_where_and_by_which_words(store: Store) -> None:
    store.put_skills(
        [
            entry(
                skill("forms", name="PDF forms", description="fill a form", body="pdf and kubectl")
            ),
            entry(skill("zebra", body="stripes")),
            entry(skill("yak", body="wool")),
        ]
    )
    (hit,) = store.match_skills("kubectl PDF unicorn", 5)
    assert hit.fields == ("name", "body")
    assert set(hit.terms) == {"kubectl", "pdf"}
    assert hit.score > 0


def test_a_name_outweighs_a_description_and_that_a_body(store: Store) -> None:
    filler = "some other words of the same length"
    store.put_skills(
        [
            entry(skill("in-body", description=filler, body=f"terraform {filler}")),
            entry(skill("in-text", description=f"terraform {filler}", body=filler)),
            entry(skill("in-name", name="terraform", description=filler, body=filler)),
            *(entry(skill(f"other-{at}", description=filler, body=filler)) for at in range(10)),
        ]
    )
    hits = store.match_skills("terraform", 5)
    assert [hit.id for hit in hits] == ["in-name", "in-text", "in-body"]
    assert hits[0].score > hits[1].score > hits[2].score


def test_equal_scores_are_ordered_by_id_also_where_the_limit_cuts(store: Store) -> None:
    ids = [f"twin-{at:03}" for at in range(100)]
    store.put_skills([entry(skill(i, name="twin", body="same words")) for i in reversed(ids)])
    store.put_skills([entry(skill(f"zz-{at}", name="odd")) for at in range(150)])
    assert [hit.id for hit in store.match_skills("same words", 10)] == ids[:10]


def test_the_limit_bounds_the_hits(store: Store) -> None:
    store.put_skills([entry(skill(f"s{at}", body="pdf")) for at in range(20)])
    assert len(store.match_skills("pdf", 7)) == 7
    assert not store.match_skills("pdf", 0)


def test_changed_words_are_found_at_once_and_old_ones_no_more(store: Store) -> None:
    store.put_skills([entry(skill("a", body="terraform"))])
    assert store.match_skills("terraform", 5)
    store.put_skills([entry(skill("a", body="ansible"))])
    assert not store.match_skills("terraform", 5)
    assert [hit.id for hit in store.match_skills("ansible", 5)] == ["a"]


def test_a_query_is_cut_to_its_bounds() -> None:
    assert len(query_terms(" ".join(f"w{at}" for at in range(1000)))) == QUERY_TERMS_MAX
    assert query_terms("same same SAME") == ["same"]


def test_plain_prose_has_no_extra_forms() -> None:
    assert identifier_forms("plain words, and nothing else.") == ""


def test_searches_during_changes_see_one_state_each(store: Store) -> None:
    stop = threading.Event()

    def search() -> int:
        count = 0
        while not stop.is_set():
            for hit in store.match_skills("terraform ansible", 500):
                assert hit.terms in (("terraform",), ("ansible",))
                count += 1
        return count

    with ThreadPoolExecutor(3) as pool:
        searches = [pool.submit(search) for _ in range(3)]
        for at in range(30):
            word = ("terraform", "ansible")[at % 2]
            store.put_skills([entry(skill(f"s{number}", body=word)) for number in range(at)])
            store.delete_skills([f"s{at // 2}"])
        stop.set()
        assert all(future.result(10) for future in searches)
