"""The catalog: groups of the index that come and go, and skills whose vectors are being made."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from openviking.index import Index
from openviking.retrieval.background import Background
from openviking.retrieval.fusion import WORDS_WEIGHT
from openviking.skills import scoring
from openviking.skills.catalog import Catalog
from openviking.skills.finder import Finder
from openviking.skills.passages import cut_passages
from openviking.types import Skill, SkillEntry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.encoder.fake import HashingEncoder
    from openviking.skills.snapshot import Place
    from openviking.store import SqliteStore
    from openviking.types import RowIds, Vectors

Version = tuple[Skill, "Vectors", list["Place"]]


@pytest.fixture
def catalog(encoder: HashingEncoder) -> Catalog:
    return Catalog(Index(encoder.dim))


@pytest.fixture
def finder(store: SqliteStore, encoder: HashingEncoder, catalog: Catalog) -> Finder:
    return Finder(store, encoder, catalog, Background(encoder))


def version(encoder: HashingEncoder, skill_id: str, text: str, body: str = "") -> Version:
    skill = Skill(id=skill_id, name="same name", description=text, body=body)
    passages = cut_passages(skill, encoder)
    places: list[Place] = [(one.part, one.start, one.end) for one in passages]
    return skill, encoder.encode([one.text for one in passages]).vectors, places


def store_words(store: SqliteStore, encoder: HashingEncoder, skills: Sequence[Skill]) -> None:
    entries = []
    for skill in skills:
        passages = cut_passages(skill, encoder)
        vectors = encoder.encode([one.text for one in passages]).vectors
        entries.append(SkillEntry(skill, passages, vectors, encoder.build_id))
    store.put_skills(entries)


def test_groups_are_given_out_again_so_that_they_stay_dense(
    catalog: Catalog, encoder: HashingEncoder
):
    catalog.replace([version(encoder, f"s{at}", f"topic{at}") for at in range(5)])
    for at in range(200):
        again = version(encoder, f"s{at % 5}", f"topic{at}", "# A\n\nbody")
        catalog.replace([again], [f"s{(at + 1) % 5}"])
        catalog.replace([version(encoder, f"s{(at + 1) % 5}", "other")])

    entries = catalog.snapshot.entries.values()
    groups = [entry.group for entry in entries]
    assert len(set(groups)) == 5
    assert max(groups) < 10
    for entry in entries:
        vectors = catalog.vectors(entry)
        assert vectors is not None
        assert len(vectors) == entry.row_count


def test_an_old_version_has_no_vectors_also_when_its_group_is_anothers(
    catalog: Catalog, encoder: HashingEncoder
):
    catalog.replace([version(encoder, "a", "first")])
    first = catalog.snapshot.entries["a"]
    catalog.replace([version(encoder, "a", "second")])
    catalog.replace([version(encoder, "b", "third")])
    assert catalog.snapshot.entries["b"].group == first.group

    assert catalog.vectors(first) is None
    catalog.set_usage("b", 3)
    assert catalog.vectors(catalog.snapshot.entries["b"]) is not None


def test_a_search_of_an_older_snapshot_is_refused(catalog: Catalog, encoder: HashingEncoder):
    catalog.replace([version(encoder, "a", "first")])
    snapshot, query = catalog.snapshot, encoder.encode(["first"]).vectors
    scope = snapshot.scope(None)
    found = catalog.search(snapshot, query, scope.base, scope.keys, 1, 1)
    assert found is not None
    assert found.groups == [snapshot.entries["a"].group]

    catalog.replace([version(encoder, "a", "second")])

    assert catalog.search(snapshot, query, scope.base, scope.keys, 1, 1) is None


def test_what_is_usual_is_never_said_of_rows_that_are_about_to_go(encoder: HashingEncoder):
    background = Background(encoder)
    said: list[float] = []

    class SlowIndex(Index):
        """Somebody searches what was published before the old rows are removed."""

        def remove(self, ids: RowIds) -> int:
            published = catalog.snapshot
            reader.append(
                threading.Thread(target=lambda: said.append(published.usual_best(background)))
            )
            reader[0].start()
            reader[0].join(0.2)
            return super().remove(ids)

    reader: list[threading.Thread] = []
    catalog = Catalog(SlowIndex(encoder.dim))
    catalog.replace([version(encoder, "a", "hello there"), version(encoder, "b", "paint fences")])

    catalog.replace([], ["a"])
    reader[0].join()

    alone = Catalog(Index(encoder.dim))
    alone.replace([version(encoder, "b", "paint fences")])
    assert said == pytest.approx([alone.snapshot.usual_best(background)])


def test_skills_whose_vectors_are_being_made_are_found_by_their_words(
    store: SqliteStore, encoder: HashingEncoder, catalog: Catalog, finder: Finder
):
    texts = {
        "b": "rotate tls certificates",
        "a": "rotate tls certificates",
        "c": "rotate tls certificates soon",
        "d": "water the plants",
    }
    made = [version(encoder, skill_id, text) for skill_id, text in texts.items()]
    store_words(store, encoder, [skill for skill, _, _ in made])
    catalog.replace([(s, v if s.id == "c" else v[:0], p) for s, v, p in made])

    hits = finder.search(
        "rotate tls certificates", k=5, category=None, hierarchical=False, explain=False
    ).hits

    assert [hit.skill.id for hit in hits] == ["c", "a", "b"]
    for hit in hits[1:]:
        assert hit.why.meaning == scoring.UNKNOWN_MEANING
        assert hit.score == scoring.UNKNOWN_MEANING + WORDS_WEIGHT * hit.why.words
        assert (hit.why.semantic_rank, hit.why.passage) == (None, None)
    assert {hit.skill.id: hit.why.lexical_rank for hit in hits} == {"a": 1, "b": 2, "c": 3}
    nobody = finder.search(
        "rotate tls certificates", k=5, category="x/y", hierarchical=False, explain=True
    )
    assert nobody.hits == ()


def test_every_hit_fits_its_skill_while_groups_change_hands(
    store: SqliteStore, encoder: HashingEncoder, catalog: Catalog, finder: Finder
):
    ids = [f"s{at}" for at in range(6)]
    both = [
        [version(encoder, one, f"{word} number{at}") for at, one in enumerate(ids)]
        for word in ("paint", "plant")
    ]
    meanings = {
        skill.description: float((vectors @ encoder.encode(["paint number3"]).vectors[0]).max())
        for versions in both
        for skill, vectors, _ in versions
    }
    store_words(store, encoder, [skill for skill, _, _ in both[0]])
    catalog.replace(both[0])
    stop = threading.Event()
    wrong: list[str] = []
    searches = 0

    def look() -> None:
        nonlocal searches
        while not stop.is_set():
            ranking, _ = finder._rank("paint number3", 6, None, hierarchical=False)  # noqa: SLF001 - answers from memory show nothing
            searches += 1
            hits = ranking._hits(ranking.found.by_score)  # noqa: SLF001 - however far
            if {hit.skill.id for hit in hits} != set(ids):
                wrong.append(f"missing: {[hit.skill.id for hit in hits]}")
            wrong.extend(
                hit.skill.description
                for hit in hits
                if not np.isclose(hit.why.meaning, meanings[hit.skill.description], atol=1e-5)
            )

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for at in range(300):
        catalog.replace([both[at % 2][at % 6], both[at % 2][(at * 5 + 1) % 6]])
    stop.set()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert searches > 0
