"""What is known that fits a message: memories, older messages, resources, skills; with sources."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from openviking.conversation.passages import speaker
from openviking.conversation.window import WINDOW_MESSAGES
from openviking.errors import BackendError, OverloadedError
from openviking.retrieval.query import QUERY_CHARS_MAX
from openviking.types import Namespace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.conversation.archive import Archive, ArchiveHit
    from openviking.conversation.ports import Sources
    from openviking.types import Message

QUOTE_CHARS_MAX = 400
"""Characters of one quotation."""

QUOTED_MAX = 5
"""Messages that are quoted in one answer."""

RECALLED_MAX = 5
"""Older messages that are recalled for one message."""

MEMORIES_MAX = 5
"""Memories that are quoted in one answer."""

NEAR_MAX = 2
"""Found messages whose memories are quoted whatever the search of memories says."""

SKILLS_MAX = 3
"""Skills that are named in one answer."""

RESOURCES_MAX = 3
"""Resources that are quoted in one answer."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One quotation of an answer.

    ``kind`` is ``memory``, ``message``, ``resource`` or ``skill``; ``source`` names it: session and
    number of a message, URI of a memory or resource, id of a skill.
    """

    kind: Literal["memory", "message", "resource", "skill"]
    source: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Knowledge:
    """What fits a message.

    Attributes:
        hits: messages of the archive, best first.
        passages: all that can be quoted, memories first.
        notes: what could not be asked, and why.
    """

    hits: tuple[ArchiveHit, ...] = ()
    passages: tuple[Passage, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def note(self) -> str | None:
        """The notes as one text, None if there is none."""
        return "; ".join(self.notes) or None

    def recall(self, window: Sequence[Message]) -> tuple[ArchiveHit, ...]:
        """Return the best hits that are not in *window*, which whoever is answered has already."""
        near = {(one.session_id, one.seq) for one in window}
        return tuple(
            hit for hit in self.hits if (hit.message.session_id, hit.message.seq) not in near
        )[:RECALLED_MAX]


class Gatherer:
    """Asks everything that may know something.

    Args:
        archive: the messages.
        sources: the rest.
    """

    def __init__(self, archive: Archive, sources: Sources) -> None:
        self._archive = archive
        self._sources = sources

    def gather(self, namespace: Namespace, session_id: str, content: str) -> Knowledge:
        """Return what fits *content*, said in a session. What fails is noted and left out."""
        text = content[:QUERY_CHARS_MAX]
        # Who names nobody shares this namespace with strangers: only this session is looked at.
        only = session_id if namespace == Namespace() else None
        found = self._archive.search(
            namespace, text, session_id=only, limit=max(QUOTED_MAX, RECALLED_MAX + WINDOW_MESSAGES)
        )
        same = content.strip()
        # A message that asks the same again answers nothing.
        hits = tuple(
            hit for hit in found.hits if hit.is_relevant and hit.message.content.strip() != same
        )
        notes = [] if found.degraded is None else [found.degraded]
        passages = self._memories(namespace, session_id, text, hits, notes)
        passages += (_message_passage(hit) for hit in hits[:QUOTED_MAX])
        passages += self._resources(text, notes)
        passages += self._skills(text, notes)
        return Knowledge(hits, tuple(passages), tuple(dict.fromkeys(notes)))

    def _memories(
        self,
        namespace: Namespace,
        session_id: str,
        text: str,
        hits: Sequence[ArchiveHit],
        notes: list[str],
    ) -> list[Passage]:
        memory = self._sources.memory
        if memory is None:
            return []
        near = [hit.message for hit in hits[:NEAR_MAX]]
        found = _asked(
            lambda: memory.recall(namespace, session_id, text, messages=near, k=MEMORIES_MAX), notes
        )
        return [Passage("memory", uri, _quote(said), score) for uri, said, score in found]

    def _resources(self, text: str, notes: list[str]) -> list[Passage]:
        resources = self._sources.resources
        if resources is None:
            return []
        found = _asked(lambda: resources(text, RESOURCES_MAX), notes)
        return [Passage("resource", uri, _quote(said), score) for uri, said, score in found]

    def _skills(self, text: str, notes: list[str]) -> list[Passage]:
        skills = self._sources.skills
        if skills is None:
            return []
        return [
            Passage("skill", skill.id, _quote(f"{skill.name}: {skill.description}"), score)
            for skill, score in _asked(lambda: skills(text, SKILLS_MAX), notes)
        ]


def _asked(ask: Callable[[], Sequence[Any]], notes: list[str]) -> Sequence[Any]:
    """Return what *ask* finds; an answer of what could be asked beats an error."""
    try:
        return ask()
    except (BackendError, OverloadedError) as error:
        notes.append(str(error))
        return ()


def _message_passage(hit: ArchiveHit) -> Passage:
    message = hit.message
    who = speaker(message.role, message.metadata)
    text = f"{who}, {message.created_at:%Y-%m-%d %H:%M}: {_quote(message.content)}"
    return Passage("message", f"{message.session_id}#{message.seq}", text, hit.score)


def _quote(text: str) -> str:
    # Slicing first: splitting a message of megabytes into words takes as long as a search.
    plain = " ".join(text[: 4 * QUOTE_CHARS_MAX].split())
    is_whole = len(plain) <= QUOTE_CHARS_MAX and len(text) <= 4 * QUOTE_CHARS_MAX
    return plain if is_whole else plain[: QUOTE_CHARS_MAX - 1] + "…"
