from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from openviking.errors import InputError
from openviking.evaluation import read_set

OWN = Path(__file__).parents[2] / "benches" / "eval" / "requests"


def write_beir(folder: Path, **changes: str) -> Path:
    files = {
        "corpus.jsonl": '{"_id": "a", "title": "A tool", "text": "does a", "body": "in detail"}\n',
        "queries.jsonl": '{"_id": "1", "text": "do a"}\n'
        '{"_id": "2", "text": "hello", "answerable": false}\n'
        '{"_id": "3", "text": "unlabelled"}\n',
        "qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\ta\t1\n",
    }
    (folder / "qrels").mkdir(parents=True)
    for name, text in (files | changes).items():
        (folder / name).write_text(text, "utf-8")
    return folder


def test_a_beir_folder_is_read(tmp_path: Path):
    found = read_set(write_beir(tmp_path / "mine"))

    assert found.name == "mine"
    assert (found.skills[0].name, found.skills[0].body) == ("A tool", "in detail")
    assert [(q.text, q.right) for q in found.queries] == [
        ("do a", frozenset({"a"})),
        ("hello", frozenset()),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("corpus.jsonl", "{", "corpus.jsonl:1: not JSON"),
        ("corpus.jsonl", "[]", "corpus.jsonl:1: expected a JSON object"),
        ("corpus.jsonl", '{"title": "x"}', "corpus.jsonl:1: _id: expected a text"),
        ("corpus.jsonl", "[" * 100_000, "corpus.jsonl:1: not JSON"),
        ("corpus.jsonl", '{"_id": "a"}\n{"_id": "a"}', "an id is given to two skills"),
        ("corpus.jsonl", '{"_id": "a", "examples": [1]}', "corpus.jsonl:1: examples"),
        ("queries.jsonl", '{"_id": "1", "text": 5}', "queries.jsonl:1: text: expected a text"),
        ("qrels/test.tsv", "1\ta\n", "test.tsv:1: expected query, skill and score"),
        ("qrels/test.tsv", "1\tb\t1\n", "no skill has the id 'b'"),
        ("qrels/test.tsv", "", "holds no skills or no labelled questions"),
    ],
)
def test_a_broken_file_is_named_with_its_line(tmp_path: Path, name: str, text: str, message: str):
    with pytest.raises(InputError, match=message.replace("[", r"\[")):
        read_set(write_beir(tmp_path / "mine", **{name: text}))


def test_a_missing_path_or_file_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="no such file or folder"):
        read_set(tmp_path / "none")
    with pytest.raises(InputError, match=r"expected a file corpus\.jsonl"):
        read_set(tmp_path)


def test_metatool_files_are_read_beside_their_tools(tmp_path: Path):
    with gzip.open(tmp_path / "metatool_tools.json.gz", "wt") as tools:
        json.dump({"News": "tells news", "Stock": "tells prices"}, tools)
    (tmp_path / "single.csv").write_text('Query,Tool\n"what, now?",News\n,News\n')
    (tmp_path / "multi.json").write_text('[{"query": "both", "tool": ["News", "Stock"]}]')

    single, multi = read_set(tmp_path / "single.csv"), read_set(tmp_path / "multi.json")

    assert [(q.text, q.right) for q in single.queries] == [("what, now?", frozenset({"News"}))]
    assert multi.queries[0].right == {"News", "Stock"}
    assert [skill.id for skill in multi.skills] == ["News", "Stock"]


def test_a_metatool_file_with_an_unknown_tool_is_refused(tmp_path: Path):
    (tmp_path / "metatool_tools.json").write_text('{"News": "tells news"}')
    (tmp_path / "single.csv").write_text("Query,Tool\nwhat,Gone\n")
    with pytest.raises(InputError, match="'Gone' is no tool"):
        read_set(tmp_path / "single.csv")


def test_a_cut_gzip_file_is_refused(tmp_path: Path):
    (tmp_path / "metatool_tools.json").write_text('{"News": "tells news"}')
    (tmp_path / "q.csv.gz").write_bytes(gzip.compress(b"Query,Tool\n" * 100)[:40])
    with pytest.raises(InputError, match="cannot be read"):
        read_set(tmp_path / "q.csv.gz")


def test_our_own_set_has_what_it_promises():
    own = read_set(OWN)
    answered = [query for query in own.queries if query.right]
    assert len(own.skills) == 60
    assert len(answered) == 200
    assert len(own.queries) - len(answered) == 40
    assert len({query.text for query in own.queries}) == 240
    assert {skill.id for skill in own.skills} == {i for query in answered for i in query.right}
