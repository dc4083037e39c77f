"""Finding the right ones of 2,874 real SKILL.md files for real tasks, beside two naive ways.

    python -m benches.tasks [SET...] [--json]

A set is a folder with `queries.jsonl` and `qrels.tsv` whose labels name skills of the corpus as
`source#path`; benches/eval/tasks-* if none is named. Reads a copy of build/bench/storage, which
`make bench` fills, and encodes the beginning of each skill once (some ten minutes; kept in
build/bench). Without the corpus there is nothing to measure, and it says so.

Of the naive ways, `description` has one vector and the words of name and description alone;
`beginning` has one vector and the words of what fits into the encoder's window of 384 tokens.

The last tables join the sets, where every request counts once. The two requests of one skill of set
A or B, short and long, are drawn apart as any others.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benches.conftest import CORPUS, ROOT, WORK
from benches.naive import Naive
from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.cli.eval import print_report
from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.evaluation import Answers, LabelledQuery, ask_stored, read_questions
from openviking.retrieval.query import clean_query
from openviking.skills import Skills
from openviking.skills.passages import PASSAGES_VERSION, summary_text
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.types import Skill, TextEncoder, Vectors

SETS = ROOT / "benches/eval"
CACHE_BYTES = 256 << 20
ENCODED_AT_ONCE = 16


def corpus_key(path: str) -> str:
    """Return `source#path` of a file that `conftest.write_skill` wrote."""
    source, _, inner = path.partition("/corpus/")[2].partition("/")
    # Both sources are an owner and a repository; the first hyphen stood for the slash between.
    return f"{source.replace('-', '/', 1)}#{inner}"


def beginnings(skills: Sequence[Skill], encoder: TextEncoder) -> tuple[list[str], Vectors]:
    """Return of each skill the text that fits into the window, and its vector."""
    whole = [f"{summary_text(skill)}\n{skill.body}" for skill in skills]
    window = encoder.tokens_max
    texts = [
        # By proportion: within a few words of the token where the encoder stops reading.
        text[: len(text) * window // max(window, int(count))]
        for text, count in zip(whole, encoder.token_counts(whole), strict=True)
    ]
    kept = WORK / f"beginnings-{encoder.build_id.replace('/', '-')}.npy"
    if kept.exists() and len(known := np.load(kept)) == len(skills):
        return texts, known
    blocks = []
    for start in range(0, len(whole), ENCODED_AT_ONCE):
        blocks.append(encoder.encode(whole[start : start + ENCODED_AT_ONCE]).vectors)
        print(f"\rbeginnings: {start} of {len(whole)}", end="", flush=True)
    print()
    np.save(kept, vectors := np.concatenate(blocks))
    return texts, vectors


def naive_rankings(
    ways: dict[str, Naive],
    ids: Sequence[str],
    queries: Sequence[LabelledQuery],
    encoder: TextEncoder,
) -> dict[str, list[list[str]]]:
    """Return for each naive way and question the ids, best first."""
    texts = [clean_query(query.text)[0] for query in queries]
    vectors = encoder.encode(texts).vectors
    return {
        name: [
            [ids[row] for row in way.best(text, vector, 10)]
            for text, vector in zip(texts, vectors, strict=True)
        ]
        for name, way in ways.items()
    }


def ask(folders: Sequence[Path], storage: Path, encoder: TextEncoder) -> list[Answers]:
    """Ask search and the naive ways the questions of each set, its kinds of questions apart."""
    with closing(SqliteStore(storage)) as store, closing(Skills(store, encoder)) as skills:
        records = [store.get_skill(skill.id) for skill in store.iter_skills()]
        id_of = {corpus_key(record.path or ""): record.id for record in records}
        summaries = [summary_text(record) for record in records]
        stored = store.passage_vectors(f"{encoder.build_id}/passages-{PASSAGES_VERSION}")
        row_of = {
            skill_id: row
            for row, (skill_id, part) in enumerate(zip(stored.skill_ids, stored.parts, strict=True))
            if part == "summary"
        }
        rows = [row_of[record.id] for record in records]
        ways = {
            "description": Naive(summaries, stored.vectors[rows]),
            "beginning": Naive(*beginnings(records, encoder)),
        }
        ids = [record.id for record in records]
        answers = []
        for folder in folders:
            asked = [
                LabelledQuery(
                    query.text, frozenset(map(id_of.__getitem__, query.right)), query.kind
                )
                for query in read_questions(folder, id_of.keys())
            ]
            for kind in sorted({query.kind for query in asked}):
                queries = [query for query in asked if query.kind == kind]
                others = naive_rankings(ways, ids, queries, encoder)
                name = f"{folder.name} {kind}".strip()
                answers.append(ask_stored(name, skills, queries, encoder, others=others))
        return answers


def pooled(answers: Sequence[Answers]) -> list[Answers]:
    """Return the questions of all sets as one, and each kind of them apart, if it has several."""
    groups: dict[str, list[Answers]] = {}
    for one in answers:
        groups.setdefault(f"all {one.queries[0].kind}".strip(), []).append(one)
    if len(groups) > 1:
        groups["all"] = list(answers)
    return [Answers.joined(name, sets) for name, sets in groups.items() if len(sets) > 1]


def main() -> None:
    """Print a table for each set and kind of question and for all together, or all as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", type=Path, help="folders; benches/eval/tasks-*")
    parser.add_argument(
        "--storage", type=Path, default=WORK / "storage", help="copied, not changed"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    if not CORPUS.exists() or not arguments.storage.exists():
        parser.exit(message=f"nothing measured: {CORPUS.name} or {arguments.storage} is not here\n")
    model = Encoder.open(model_dir=load_settings().model.dir)
    with (
        closing(CachedEncoder(model, EmbeddingCache(CACHE_BYTES))) as encoder,
        tempfile.TemporaryDirectory() as folder,
    ):
        copy = shutil.copytree(arguments.storage, Path(folder) / "storage")
        answers = ask(arguments.sets or sorted(SETS.glob("tasks-*")), copy, encoder)
    reports = [one.report() for one in (*answers, *pooled(answers))]
    if arguments.json:
        print(json.dumps([asdict(report) for report in reports]))
    else:
        for report in reports:
            print_report(report)


if __name__ == "__main__":
    main()
