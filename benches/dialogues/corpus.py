"""Ten long dialogues with a hundred questions: what archive search is measured on.

``scenes.txt`` holds what the questions ask for, written by hand: ``?`` is a question, ``*`` the
turn that answers it. ``smalltalk.txt`` holds patterns of the talk around it, whose slots are filled
by a seeded generator, so that the two speakers also mention other trains, dishes and dates.

``heldout.txt`` and ``heldout_smalltalk.txt`` are four more of other kinds (a helpdesk, a training
diary, terse work chat, long messages) with forty questions. They were written after the weights of
the search had been chosen; no weight may ever be chosen by looking at them.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

FOLDER = Path(__file__).parent
_SLOT = re.compile(r"\{(\w+?)2?\}")

SLOTS = {
    "event": "the office party|the concert|the school fair|the wedding of the Bergs|the parents' "
    "evening|the flea market|the quiz night|the long weekend",
    "animal": "dog|cat|parrot|tortoise|rabbit|hamster|goose|pony",
    "hour": "six|half past seven|nine|a quarter to ten|noon|three|eight in the evening|midnight",
    "dish": "lasagne|pancakes|mushroom soup|dumplings|rice pudding|lemon tart|fried eggs|couscous",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "number": "two|five|seven|twelve|twenty|thirty-five|forty|ninety",
    "vehicle": "bus|ferry|bicycle|old van|motorbike|night train|taxi|scooter",
    "profession": "plumber|dentist|teacher|lawyer|baker|electrician|librarian|nurse",
    "thing": "laptop|ladder|camera|umbrella|drill|suitcase|watch|lamp",
    "room": "kitchen|hall|garage|bathroom|cellar|attic|balcony|study",
    "colour": "yellow|dark red|sage green|pale blue|white|orange|grey|purple",
    "Colour": "Yellow|Dark red|Green|Blue|White|Orange|Grey|Purple",
    "relative": "brother|aunt|mother|cousin|grandfather|niece|father-in-law|sister",
    "hobby": "badminton|choir|pottery|chess|swimming|Portuguese|the clarinet|running",
    "month": "January|February|March|May|June|September|October|November",
    "advice": "sleep more|drink less coffee|take iron|walk to work|see a dentist|eat fewer eggs|"
    "wear glasses|stop worrying",
    "street": "high street|old town|lane behind the church|arcade|harbour|station street",
    "city": "Lyon|Porto|Zurich|Bergen|Leeds|Kyoto|Krakow|Bruges",
}


@dataclass(frozen=True, slots=True)
class Turn:
    """One message of a dialogue."""

    speaker: str
    text: str
    moment: datetime


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Two people's messages over a year, and (question, position of the answering turn)."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[tuple[str, int], ...]


def dialogues(turns_min: int = 600, seed: int = 7) -> list[Dialogue]:
    """Return the ten dialogues, the same for the same arguments."""
    return _read("scenes.txt", "smalltalk.txt", turns_min, seed)


def heldout_dialogues(turns_min: int = 600, seed: int = 11) -> list[Dialogue]:
    """Return the four dialogues on which nothing was ever chosen, nor may be."""
    return _read("heldout.txt", "heldout_smalltalk.txt", turns_min, seed)


def _read(scenes: str, smalltalk: str, turns_min: int, seed: int) -> list[Dialogue]:
    rng = random.Random(seed)
    blocks = (FOLDER / scenes).read_text("utf-8").split("== ")[1:]
    patterns = (FOLDER / smalltalk).read_text("utf-8").splitlines()
    return [_dialogue(block, patterns, turns_min, rng) for block in blocks]


def _dialogue(block: str, patterns: list[str], turns_min: int, rng: random.Random) -> Dialogue:
    name, _, body = block.partition("\n")
    speakers = {full[0]: full for full in name.split(" / ")}
    parts: list[tuple[str | None, list[tuple[str, str, bool]]]] = [
        _scene(scene, speakers) for scene in re.split(r"^\? ", body, flags=re.MULTILINE)[1:]
    ]
    count = sum(len(lines) for _, lines in parts)
    while count < turns_min:
        lines = _talk(rng.choice(patterns), list(speakers.values()), rng)
        parts.append((None, lines))
        count += len(lines)
    rng.shuffle(parts)
    return _timed(name, parts, rng)


def _scene(scene: str, speakers: dict[str, str]) -> tuple[str, list[tuple[str, str, bool]]]:
    question, *lines = scene.strip().split("\n")
    said = []
    for line in lines:
        plain = line.removeprefix("*")
        said.append((speakers[plain[0]], plain[2:], line.startswith("*")))
    return question, said


def _talk(pattern: str, speakers: list[str], rng: random.Random) -> list[tuple[str, str, bool]]:
    order = rng.sample(speakers, 2)
    filled = _SLOT.sub(lambda slot: rng.choice(SLOTS[slot[1]].split("|")), pattern)
    return [(order[at % 2], text, False) for at, text in enumerate(filled.split(" | "))]


def _timed(
    name: str,
    parts: list[tuple[str | None, list[tuple[str, str, bool]]]],
    rng: random.Random,
) -> Dialogue:
    moment = datetime(2025, 1, 6, 9, tzinfo=UTC)
    turns: list[Turn] = []
    questions: list[tuple[str, int]] = []
    for question, lines in parts:
        moment += timedelta(hours=rng.choice([0, 0, 0, 1, 5, 48]), minutes=rng.randrange(1, 30))
        for speaker, text, is_answer in lines:
            if question is not None and is_answer:
                questions.append((question, len(turns)))
            turns.append(Turn(speaker, text, moment))
            moment += timedelta(seconds=rng.randrange(20, 120))
    return Dialogue(name, tuple(turns), tuple(questions))
