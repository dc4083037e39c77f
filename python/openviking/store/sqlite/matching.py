"""Lexical search of skills: the lexicon in memory, and its place beside the skills in the file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.errors import StoreError
from openviking.store.bags import WordBag, word_bag
from openviking.store.lexicon import Lexicon
from openviking.store.sqlite import skill_choices, skills
from openviking.store.sqlite.stems import skill_stems

if TYPE_CHECKING:
    import apsw

    from openviking.store.sqlite.database import Database


def load_lexicon(database: Database) -> Lexicon:
    """Read the words of all skills; those of another version are made anew and stored.

    On a disk that takes no more, they are made anew at every start instead.
    """
    with database.reading() as connection:
        bags, missing = skills.words(connection)
        made = {skill_id: _make(connection, skill_id) for skill_id, _ in missing}
        disabled = skill_choices.disabled(connection)
    lexicon = Lexicon()
    found = (bags | made).items()
    lexicon.update({i: None if i in disabled else bag for i, bag in found}, 0)
    if missing:

        def work(connection: apsw.Connection) -> None:
            for skill_id, number in missing:
                skills.put_words(connection, number, made[skill_id])

        try:
            database.write(work)
        except StoreError:
            return lexicon
    return lexicon


def _make(connection: apsw.Connection, skill_id: str) -> WordBag | None:
    skill = skills.get(connection, skill_id)
    return None if skill.disable_model_invocation else word_bag(skill_stems(skill))
