"""Labelled sets: skills, questions, and which skills answer each question.

Two forms are read, each plain or with ``.gz``:

- a folder as BEIR has it: ``corpus.jsonl`` (``_id``, ``title``, ``text``, and here also ``body``,
  ``examples``, ``category``), ``queries.jsonl`` (``_id``, ``text``) and ``qrels/test.tsv``
  (query, skill, score; a score over 0 means right). A question with ``"answerable": false`` is one
  that no skill answers; a question without any label is left out. ``kind`` may say of what sort a
  question is.
- MetaTool: ``metatool_tools.json`` (name -> description) beside ``*.csv`` with the columns Query
  and Tool, or ``*.json`` with a list of ``{query, tool: [name]}``; the path names the questions.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError
from openviking.types import Skill

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_TOOLS = "metatool_tools.json"
_BYTES_MAX = 1 << 30


@dataclass(frozen=True, slots=True)
class LabelledQuery:
    """A question and the ids of the skills that answer it; none if nothing does.

    ``kind`` is its sort in a set that has several, else empty.
    """

    text: str
    right: frozenset[str]
    kind: str = ""


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """Skills and questions about them; ``name`` tells sets apart in a report."""

    name: str
    skills: tuple[Skill, ...]
    queries: tuple[LabelledQuery, ...]


def read_set(path: Path) -> LabelledSet:
    """Read a labelled set; raises InputError that names the file and line which is wrong."""
    if path.is_dir():
        return _read_beir(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder; expected a labelled set")
    return _read_metatool(path)


def _read_beir(folder: Path) -> LabelledSet:
    corpus = _find(folder, "corpus.jsonl")
    skills = tuple(_to_skill(record, corpus, line) for line, record in _json_lines(corpus))
    queries = read_questions(folder, {skill.id for skill in skills})
    return _checked(LabelledSet(folder.name, skills, queries), folder)


def read_questions(folder: Path, known: AbstractSet[str]) -> tuple[LabelledQuery, ...]:
    """Read the questions of a folder whose skills are elsewhere; raises InputError as `read_set`.

    Args:
        folder: holds ``queries.jsonl`` and ``qrels/test.tsv`` or ``qrels.tsv``.
        known: ids of the skills; a label that names another is an error.
    """
    right: dict[str, set[str]] = {}
    labels = _find(folder, "qrels/test.tsv", "qrels.tsv")
    for line, row in enumerate(csv.reader(io.StringIO(_text(labels)), delimiter="\t"), 1):
        if line == 1 and row[-1:] == ["score"]:
            continue
        if len(row) != 3 or not row[2].strip().lstrip("-").isdigit():
            raise InputError(f"{labels}:{line}: expected query, skill and score, got {row!r}")
        if row[1] not in known:
            raise InputError(f"{labels}:{line}: no skill has the id {row[1]!r}")
        if int(row[2]) > 0:
            right.setdefault(row[0], set()).add(row[1])
    questions = _find(folder, "queries.jsonl")
    queries = []
    for line, record in _json_lines(questions):
        text, query_id = _string(record, "text", questions, line), str(record.get("_id"))
        if query_id in right or record.get("answerable") is False:
            kind = str(record.get("kind") or "")
            queries.append(LabelledQuery(text, frozenset(right.get(query_id, ())), kind))
    return tuple(queries)


def _to_skill(record: dict[str, Any], path: Path, line: int) -> Skill:
    skill_id = _string(record, "_id", path, line)
    examples = record.get("examples") or ()
    if not isinstance(examples, (list, tuple)) or not all(isinstance(e, str) for e in examples):
        raise InputError(f"{path}:{line}: examples: expected a list of texts")
    return Skill(
        id=skill_id,
        name=str(record.get("title") or skill_id),
        description=str(record.get("text") or ""),
        body=str(record.get("body") or ""),
        category=str(record.get("category") or "general"),
        examples=tuple(examples),
    )


def _read_metatool(path: Path) -> LabelledSet:
    tools = _find(path.parent, _TOOLS)
    described = _parse(_text(tools), tools)
    if not isinstance(described, dict):
        raise InputError(f"{tools}: expected an object of name and description")
    skills = tuple(
        Skill(id=str(name), name=str(name), description=str(text))
        for name, text in sorted(described.items())
    )
    stem = path.name.removesuffix(".gz")
    pairs = _csv_pairs(path) if stem.endswith(".csv") else _json_pairs(path)
    queries = tuple(LabelledQuery(text, right) for text, right in pairs if text.strip())
    for query in queries:
        unknown = query.right - described.keys()
        if unknown:
            raise InputError(f"{path}: {min(unknown)!r} is no tool of {tools.name}")
    name = stem.rsplit(".", 1)[0]
    return _checked(LabelledSet(name, skills, queries), path)


def _csv_pairs(path: Path) -> Iterator[tuple[str, frozenset[str]]]:
    for line, row in enumerate(csv.DictReader(io.StringIO(_text(path))), 2):
        if row.get("Query") is None or not row.get("Tool"):
            raise InputError(f"{path}:{line}: expected the columns Query and Tool")
        yield row["Query"], frozenset({row["Tool"]})


def _json_pairs(path: Path) -> Iterator[tuple[str, frozenset[str]]]:
    records = _parse(_text(path), path)
    if not isinstance(records, list):
        raise InputError(f"{path}: expected a list of questions")
    for at, record in enumerate(records):
        tools = record.get("tool") if isinstance(record, dict) else None
        if not isinstance(tools, list) or not isinstance(record.get("query"), str):
            raise InputError(f"{path}: item {at}: expected query and a list tool")
        yield record["query"], frozenset(map(str, tools))


def _checked(found: LabelledSet, path: Path) -> LabelledSet:
    if not found.skills or not any(query.right for query in found.queries):
        raise InputError(f"{path}: holds no skills or no labelled questions")
    if len({skill.id for skill in found.skills}) < len(found.skills):
        raise InputError(f"{path}: an id is given to two skills")
    return found


def _find(folder: Path, *names: str) -> Path:
    for name in names:
        for path in (folder / name, folder / f"{name}.gz"):
            if path.is_file():
                return path
    raise InputError(f"{folder}: expected a file {' or '.join(names)} (or with .gz)")


def _text(path: Path) -> str:
    try:
        if path.suffix == ".gz":
            with gzip.open(path, "rb") as stream:
                data = stream.read(_BYTES_MAX + 1)
        else:
            with path.open("rb") as stream:
                data = stream.read(_BYTES_MAX + 1)
        if len(data) > _BYTES_MAX:
            raise InputError(f"{path}: more than {_BYTES_MAX} bytes")
        return data.decode("utf-8-sig")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    for line, text in enumerate(_text(path).split("\n"), 1):
        if text.strip():
            record = _parse(text, path, line)
            if not isinstance(record, dict):
                raise InputError(f"{path}:{line}: expected a JSON object")
            yield line, record


def _parse(text: str, path: Path, line: int | None = None) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        where = path if line is None else f"{path}:{line}"
        raise InputError(f"{where}: not JSON ({error})") from error


def _string(record: dict[str, Any], name: str, path: Path, line: int) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{path}:{line}: {name}: expected a text")
    return value
