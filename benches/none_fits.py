"""How often search finds that none fits: where nothing does, and where a skill would have answered.

    python -m benches.none_fits [--queries 2000]

Asks collections of very different sizes the questions of benches/eval/none-fits, which no skill
answers, those of a foreign field where one is certain, and questions that must be answered. The
collections: the example skills, the sixty of benches/eval/requests, the 199 MetaTool tools, and
2,874 real skills in a copy of build/bench/storage, which `make bench` fills. What is absent is left
out.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from contextlib import closing
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benches.conftest import CORPUS, ROOT, WORK
from openviking.cache import CachedEncoder, EmbeddingCache
from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.evaluation import read_questions, read_set
from openviking.skills import Skills, read_skill
from openviking.store import SqliteStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openviking.types import Skill, TextEncoder

EVAL = ROOT / "benches/eval"
METATOOL = CORPUS.parent / "metatool_single.csv.gz"
FOREIGN = frozenset(
    {
        "AusSurfReport",
        "Chess",
        "Dr_Thoths_Tarot",
        "Horoscopes_by_Inner_Self",
        "SASpeedCameras",
        "champdex",
        "hdbcarpark",
        "korea_subway",
        "sakenowa",
    }
)
"""Tools of MetaTool for what no example skill is about: surf, chess, tarot, sake, ..."""

FOREIGN_QUERIES, SEED = 300, 7
CACHE_BYTES = 256 << 20


def collections(encoder: TextEncoder, folder: Path) -> Iterator[tuple[str, Skills]]:
    """Yield each collection that is here, stored; it is closed when the next one is asked for."""
    examples = sorted((ROOT / "examples/skills").glob("*/SKILL.md"))
    sets: dict[str, Sequence[Skill]] = {
        "examples": [skill for skill, _ in map(read_skill, examples) if skill is not None],
        "requests": read_set(EVAL / "requests").skills,
    }
    if METATOOL.exists():
        sets["metatool"] = read_set(METATOOL).skills
    for name, records in sets.items():
        with closing(SqliteStore(None)) as store, closing(Skills(store, encoder)) as skills:
            skills.put(records)
            yield name, skills
    if (WORK / "storage").exists():
        copy = shutil.copytree(WORK / "storage", folder / "storage")
        with closing(SqliteStore(copy)) as store, closing(Skills(store, encoder)) as skills:
            yield "corpus", skills


def questions(limit: int) -> dict[str, dict[str, list[str]]]:
    """Return for each collection: name of a sort of questions -> these questions."""
    none = [query.text for query in read_questions(EVAL / "none-fits", frozenset())]
    own = read_set(EVAL / "requests").queries
    tasks = [
        json.loads(line)["text"]
        for path in sorted(EVAL.glob("tasks-*/queries.jsonl"))
        for line in path.read_text("utf-8").splitlines()
    ]
    asked = {name: {"none": none} for name in ("examples", "requests", "metatool", "corpus")}
    asked["requests"]["answerable"] = [query.text for query in own if query.right]
    asked["corpus"]["answerable"] = tasks
    if METATOOL.exists():
        queries = list(read_set(METATOOL).queries)
        Random(SEED).shuffle(queries)
        foreign = [query.text for query in queries if query.right <= FOREIGN]
        asked["examples"]["foreign"] = foreign[:FOREIGN_QUERIES]
        asked["metatool"]["answerable"] = [query.text for query in queries[:limit]]
    return asked


def main() -> None:
    """Print for each collection and sort of questions how many find nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--queries", type=int, default=2000, help="of MetaTool's, at most")
    asked = questions(parser.parse_args().queries)
    model = Encoder.open(model_dir=load_settings().model.dir)
    with (
        closing(CachedEncoder(model, EmbeddingCache(CACHE_BYTES))) as encoder,
        tempfile.TemporaryDirectory() as folder,
    ):
        for name, skills in collections(encoder, Path(folder)):
            for sort, texts in asked[name].items():
                found = sum(bool(skills.search(text, k=1).hits) for text in texts)
                print(
                    f"{name:9} {sort:10} {len(texts):5} questions, "
                    f"{1 - found / len(texts):.3f} find nothing",
                    flush=True,
                )


if __name__ == "__main__":
    main()
