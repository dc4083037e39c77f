"""Where the time of a skill search goes when its query's vector is known.

    python -m benches.search_stages [--skills 2874 10000] [--rounds 3] [--requests 100]

Asks labelled requests of benches/eval, each by `engine.search_skills`, and prints medians in
microseconds: of the whole and of its stages; of requests of one piece and of several parts; hot,
and cold, which is right after the model has encoded another text and so emptied the caches.

Reads a copy of build/bench/storage, which `make bench` fills. The larger set is enlarged from it:
each further skill is two real ones mixed, with half of the paragraphs and words of either, and for
each passage the unit sum of a passage of either. Its storage is kept in build/bench as well.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benches.conftest import ROOT, WORK
from openviking.cache import CachedEncoder
from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.engine import Engine
from openviking.index import Index
from openviking.retrieval.background import Background
from openviking.skills.finder import Finder
from openviking.skills.parts import query_parts
from openviking.skills.passages import PASSAGES_VERSION
from openviking.skills.ranking import Ranking
from openviking.store import SqliteStore
from openviking.types import SkillEntry, SkillPassage
from openviking.vectors import normalize

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.types import Skill, Vectors

SETS = ("requests", "tasks-a", "tasks-b")
STAGES = {
    "vector from the cache": (CachedEncoder, "encode"),
    "words": (SqliteStore, "match_skills"),
    "index": (Index, "search_groups"),
    "likeness to small talk": (Background, "resemblance"),
    "reasons of the hits": (Ranking, "best"),
    "records": (Finder, "_current"),
}
REAL_SKILLS = 2874
ADDED_AT_ONCE = 256


class Stopwatch:
    """Adds up what the stages of one search take; the innermost does not count in its callers."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        for name, (owner, method) in STAGES.items():
            setattr(owner, method, self._timed(name, getattr(owner, method)))

    def _timed(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            try:
                return call(*arguments, **options)
            finally:
                self.seconds[name] += time.perf_counter() - started

        return timed


def requests(limit: int) -> tuple[list[str], list[str]]:
    """Return *limit* labelled requests of one piece, and as many of several parts."""
    texts: dict[str, None] = {}
    for name in SETS:
        lines = (ROOT / "benches/eval" / name / "queries.jsonl").read_text("utf-8").splitlines()
        texts.update(dict.fromkeys(str(json.loads(line)["text"]) for line in lines))
    drawn = random.Random(5).sample(list(texts), len(texts))
    parted = [text for text in drawn if query_parts(text)]
    return [text for text in drawn if not query_parts(text)][:limit], parted[:limit]


def mixed(one: str, other: str, separator: str) -> str:
    """Take every second piece of each text in turn."""
    pieces, others = one.split(separator), other.split(separator)
    return separator.join([*pieces[::2], *others[1::2]])


def mixture(first: Skill, second: Skill, number: int) -> Skill:
    """Return a skill that is half one and half the other."""
    return replace(
        first,
        id=f"{first.id}-{number}",
        name=f"{first.name}-{number}",
        description=mixed(first.description, second.description, " "),
        body=mixed(first.body, second.body, "\n\n"),
        parent_skill=None,
        origin="api",
        path=None,
        digest="",
    )


def enlarge(storage: Path, count: int, build_id: str) -> None:
    """Add mixtures of the skills in *storage* until there are *count*."""
    rng = random.Random(17)
    with closing(SqliteStore(storage)) as store:
        held = store.passage_vectors(build_id)
        rows: dict[str, list[int]] = defaultdict(list)
        for row, skill_id in enumerate(held.skill_ids):
            rows[skill_id].append(row)
        records = [store.get_skill(skill_id) for skill_id in rows]
        entries: list[SkillEntry] = []
        for number in range(len(records), count):
            first, second = records[number % len(records)], rng.choice(records)
            own, others = rows[first.id], rows[second.id]
            paired = [others[at % len(others)] for at in range(len(own))]
            vectors: Vectors = normalize(held.vectors[own] + held.vectors[paired])
            passages = [
                SkillPassage(held.parts[row], "", *held.spans[row].tolist())  # type: ignore[arg-type]
                for row in own
            ]
            skill = mixture(first, second, number)
            entries.append(SkillEntry(skill, tuple(passages), vectors, build_id))
            if len(entries) == ADDED_AT_ONCE or number == count - 1:
                store.put_skills(entries)
                entries = []
                print(f"\rmade {number + 1} of {count} skills", end="", flush=True)
        print()


def enlarged(count: int, build_id: str) -> Path:
    """Return a storage of *count* skills or of the real ones, made at the first call and kept."""
    if count <= REAL_SKILLS:
        return WORK / "storage"
    folder = WORK / f"storage-{count}"
    if not folder.exists():
        partial = shutil.copytree(WORK / "storage", WORK / f"storage-{count}.partial")
        enlarge(partial, count, build_id)
        partial.rename(folder)
    return folder


def ask(
    engine: Engine, model: Encoder, watch: Stopwatch, texts: Sequence[str], *, is_cold: bool
) -> dict[str, float]:
    """Ask each text once; return the median microseconds of each stage and of the whole."""
    found: dict[str, list[float]] = defaultdict(list)
    # Answers of earlier rounds would be given again.
    engine.skills._tiers.finder("full")._known_hits.cache_clear()  # noqa: SLF001
    for number, text in enumerate(texts):
        if is_cold:
            model.encode([f"another question, number {number}, asked at {time.monotonic_ns()}"])
        watch.seconds.clear()
        started = time.perf_counter()
        engine.search_skills(text)
        whole = time.perf_counter() - started
        for name in STAGES:
            found[name].append(watch.seconds[name])
        found["the rest"].append(whole - sum(watch.seconds.values()))
        found["all"].append(whole)
    return {name: statistics.median(times) * 1e6 for name, times in found.items()}


def measure(folder: Path, watch: Stopwatch, rounds: int, limit: int) -> None:
    """Print the table of one storage."""
    kinds = dict(zip(("one piece", "several parts"), requests(limit), strict=True))
    columns: dict[str, dict[str, list[float]]] = {}
    with (
        tempfile.TemporaryDirectory() as place,
        Encoder.open(model_dir=load_settings().model.dir) as model,
    ):
        copy = shutil.copytree(folder, Path(place) / "storage")
        settings = load_settings(overrides={"storage": {"path": str(copy)}})
        with Engine.open(settings, encoder=model) as engine:
            for texts in kinds.values():
                engine.embed([part for text in texts for part in (text, *query_parts(text))])
            engine.warm()
            for _ in range(rounds):
                for kind, texts in kinds.items():
                    for is_cold in (False, True):
                        name = f"{kind}, {'cold' if is_cold else 'hot'}"
                        column = columns.setdefault(name, defaultdict(list))
                        asked = ask(engine, model, watch, texts, is_cold=is_cold)
                        for stage, median in asked.items():
                            column[stage].append(median)
            stats = engine.skills.stats()
    title = f"{stats['skills']} skills, {stats['passages']} passages; us"
    print(f"{title:44}" + "".join(f"{name:>20}" for name in columns))
    for stage in (*STAGES, "the rest", "all"):
        medians = [statistics.median(column[stage]) for column in columns.values()]
        print(f"{stage:44}" + "".join(f"{median:20.0f}" for median in medians))


def main() -> None:
    """Print a table for each number of skills."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--skills", nargs="+", type=int, default=[REAL_SKILLS, 10_000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=100, help="of each kind")
    arguments = parser.parse_args()
    if not (WORK / "storage").exists():
        raise SystemExit("there are no imported skills yet; run `make bench` first")
    watch = Stopwatch()
    with closing(Encoder.open(model_dir=load_settings().model.dir)) as model:
        build_id = f"{model.build_id}/passages-{PASSAGES_VERSION}"
    for count in arguments.skills:
        measure(enlarged(count, build_id), watch, arguments.rounds, arguments.requests)


if __name__ == "__main__":
    main()
