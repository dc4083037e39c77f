"""SqliteStore: the Store interface over one SQLite file."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.store.sqlite import matching, skill_choices, skill_vectors, skills
from openviking.store.sqlite.conversations import SqliteConversations
from openviking.store.sqlite.database import BUSY_TIMEOUT_S, Database
from openviking.store.sqlite.memories import SqliteMemories
from openviking.store.sqlite.resource_store import SqliteResources
from openviking.store.sqlite.stems import request_words
from openviking.store.sqlite.values import checked_text, to_microseconds
from openviking.types import Namespace, NewMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import apsw

    from openviking.store.matches import WordMatches
    from openviking.types import (
        Message,
        PassageVectors,
        RowIds,
        Skill,
        SkillEntry,
    )

_SKILLS_PER_PAGE = 256
_PAGES_FREED_AT_ONCE = 1_000
_COUNTED = ("skills", "passages", "resources", "sessions", "messages")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SqliteStore:
    """Everything that lasts, in ``openviking.db`` inside the folder *path*; see store/port.py.

    Args:
        path: the storage folder, created if missing, used by one process at a time; None keeps the
            store in a temporary folder that close() removes.
        now: the clock that dates what is written; gives times with a zone.
        bytes_max: size that the file may reach; beyond it writes fail as on a full disk.
        busy_timeout_s: seconds that a write waits for another program that holds the file locked.

    Raises:
        StoreError: the folder is in use or cannot be written, or the file is damaged, foreign or
            newer than this program.
    """

    def __init__(
        self,
        path: Path | None,
        *,
        now: Callable[[], datetime] = _utc_now,
        bytes_max: int | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self._scratch = None if path else tempfile.TemporaryDirectory(prefix="openviking-store-")
        self._database = Database(
            path or Path(self._scratch.name if self._scratch else ""),
            bytes_max=bytes_max,
            busy_timeout_s=busy_timeout_s,
        )
        self._now = now
        try:
            self._lexicon = matching.load_lexicon(self._database)
            self._resources = SqliteResources(self._database, now)
        except BaseException:
            self._database.close()
            raise
        self._conversations = SqliteConversations(self._database, now)
        self._memories = SqliteMemories(self._database)

    @property
    def path(self) -> Path:
        """The database file."""
        return self._database.path

    @property
    def memories(self) -> SqliteMemories:
        """The part that knows which messages memories come from."""
        return self._memories

    @property
    def conversations(self) -> SqliteConversations:
        """The part that keeps sessions and messages."""
        return self._conversations

    @property
    def resources(self) -> SqliteResources:
        """The part that keeps resources."""
        return self._resources

    def put_skills(self, entries: Sequence[SkillEntry]) -> list[RowIds]:
        """Insert or replace skills in one transaction; return each one's passage numbers."""
        now = self._now()
        prepared = [
            skills.PreparedSkill(entry, now, "skills", at) for at, entry in enumerate(entries)
        ]
        switched_off = [skill.id for skill in prepared if skill.is_disabled]

        def work(connection: apsw.Connection) -> tuple[list[RowIds], int, frozenset[str]]:
            skill_choices.disable(connection, switched_off)
            return *skills.put(connection, prepared), skill_choices.disabled(connection)

        rows, version, disabled = self._database.write(work)
        words = {skill.id: None if skill.id in disabled else skill.words for skill in prepared}
        self._lexicon.update(words, version)
        return rows

    def delete_skills(self, ids: Sequence[str], *, forget: bool = False) -> int:
        """Delete skills and their passages; return how many existed."""
        known = [checked_text(skill_id, "ids", at) for at, skill_id in enumerate(ids)]

        def work(connection: apsw.Connection) -> tuple[int, int]:
            deleted = skills.delete(connection, known)
            if forget:
                skill_choices.enable(connection, known)
            _give_back_space(connection)
            return deleted

        count, version = self._database.write(work)
        self._lexicon.update(dict.fromkeys(known), version)
        return count

    def switch_skills(self, ids: Sequence[str], *, is_disabled: bool) -> None:
        """Switch ids off or on, in one transaction; an id need have no skill."""
        known = [checked_text(skill_id, "ids", at) for at, skill_id in enumerate(ids)]
        words, version = self._database.write(
            lambda connection: skill_choices.switch(connection, known, is_disabled=is_disabled)
        )
        self._lexicon.update(words, version)

    def disabled_skills(self) -> frozenset[str]:
        """Return the ids that are switched off, also those that no skill has at the moment."""
        with self._database.reading() as connection:
            return skill_choices.disabled(connection)

    def waiting_skills(self) -> Mapping[str, str]:
        """Return what :meth:`put_waiting_skills` stored: file -> the id that it waits for."""
        with self._database.reading() as connection:
            return skill_choices.waiting(connection)

    def put_waiting_skills(self, files: Mapping[str, str]) -> None:
        """Replace the files that gave way to a skill of the same name."""
        known = {checked_text(path, "files"): checked_text(i, "files") for path, i in files.items()}
        self._database.write(lambda connection: skill_choices.put_waiting(connection, known))

    def get_skill(self, skill_id: str) -> Skill:
        """Return the whole skill, body included; raises NotFoundError."""
        checked_text(skill_id, "skill_id")
        with self._database.reading() as connection:
            return skills.get(connection, skill_id)

    def iter_skills(self) -> Iterator[Skill]:
        """Yield every skill in id order, without body; skills put meanwhile may or may not come.

        Read in pages, so that a slow consumer holds no connection and keeps no old state alive.
        """
        after = ""
        while True:
            with self._database.reading() as connection:
                page = skills.page(connection, after, _SKILLS_PER_PAGE)
            yield from page
            if len(page) < _SKILLS_PER_PAGE:
                return
            after = page[-1].id

    def skill_digests(self, build_id: str) -> dict[str, str]:
        """Map skill id -> source digest, for skills whose vectors are of that model build."""
        checked_text(build_id, "build_id")
        with self._database.reading() as connection:
            return skills.digests(connection, build_id)

    def passage_vectors(self, build_id: str, *, skill_id: str | None = None) -> PassageVectors:
        """Return every passage vector of that build, or of one skill, ordered by passage id."""
        checked_text(build_id, "build_id")
        with self._database.reading() as connection:
            return skill_vectors.read(connection, build_id, skill_id)

    def match_skills(self, query: str, limit: int = 0, *, parts: Sequence[str] = ()) -> WordMatches:
        """Return bm25 over all fields of all skills by a query and its parts, and the best."""
        return self._lexicon.match(request_words(query, parts), limit)

    def count_skill_use(self, skill_id: str) -> int:
        """Add one to ``usage_count`` and return the new value; raises NotFoundError."""
        checked_text(skill_id, "skill_id")
        return self._database.write(lambda connection: skills.count_use(connection, skill_id))

    def append_message(
        self, session_id: str, role: str, content: str, metadata: Mapping[str, Any]
    ) -> Message:
        """Append to a session of the nameless namespace, which is created if missing."""
        new = NewMessage(role, content, metadata)
        return self._conversations.append(Namespace(), session_id, [new])[0].message

    def messages(self, session_id: str, *, last: int) -> list[Message]:
        """Return the *last* messages in order; an unknown session gives an empty list."""
        return self._conversations.last(Namespace(), session_id, last)

    def check(self) -> None:
        """Prove that the store can be read and written, by doing both; raises StoreError if not."""
        stamp = str(to_microseconds(self._now(), "now"))
        self._database.write(
            lambda connection: (
                connection.execute(
                    "INSERT OR REPLACE INTO meta (key, value) VALUES ('checked_at', ?)", (stamp,)
                ).get
            )
        )
        with self._database.reading() as connection:
            connection.execute("SELECT value FROM meta WHERE key = 'checked_at'").fetchall()

    def stats(self) -> dict[str, int]:
        """Counts and sizes: skills, passages, resources, sessions, messages, bytes."""
        with self._database.reading() as connection:
            counts = {
                name: int(connection.execute(f"SELECT count(*) FROM {name}").get)  # noqa: S608 - constants
                for name in _COUNTED
            }
            pages = int(connection.pragma("page_count"))
            return counts | {"bytes": pages * int(connection.pragma("page_size"))}

    def close(self) -> None:
        """Finish queued writes and release the storage; may be called twice."""
        self._database.close()
        if self._scratch is not None:
            self._scratch.cleanup()


def _give_back_space(connection: apsw.Connection) -> None:
    """Return freed pages to the file system, some at a time so that no write waits long."""
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES_FREED_AT_ONCE})").fetchall()
