"""The answer to a message without any language model: what is known, quoted with its source.

Nothing here is invented. Passages of the archive, of resources and skills are quoted as they stand;
if none fits, the answer says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from openviking.conversation.passages import speaker
from openviking.errors import BackendError, OverloadedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.conversation.archive import ArchiveHit, ArchiveSearch
    from openviking.conversation.ports import Commands, ResourceFinder, SkillFinder
    from openviking.types import Message

ReplyKind: TypeAlias = Literal["none", "extractive", "command", "llm"]
"""Where an answer comes from; ``none`` for a message that gets none."""

TOKENS_MAX = 512
"""Tokens of an extractive answer."""

QUOTE_CHARS_MAX = 400
"""Characters of one quotation."""

QUOTED_MAX = 5
"""Messages that are quoted in one answer."""

RECALLED_MAX = 5
"""Older messages that are recalled for one message."""

SKILLS_MAX = 3
"""Skills that are named in one answer."""

RESOURCES_MAX = 3
"""Resources that are quoted in one answer."""

_COMMAND = re.compile(r"/([^\W_][\w.:-]{0,99})(?:\s|$)")

_NOTHING = (
    "Nothing is known that fits this message: no earlier message, no resource and no skill. "
    "No language model is asked."
)
_FOUND = "What is known and fits this message, quoted as it stands; no language model is asked."


@dataclass(frozen=True, slots=True)
class Passage:
    """One quotation of an answer.

    ``kind`` is ``message``, ``resource`` or ``skill``; ``source`` names it: session and number of a
    message, URI of a resource, id of a skill.
    """

    kind: Literal["message", "resource", "skill"]
    source: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        text: what is said.
        kind: where it comes from.
        passages: what it quotes, in order.
        recall: older messages that matter now, best first.
        note: what did not work, if something did not.
    """

    text: str
    kind: ReplyKind
    passages: tuple[Passage, ...] = ()
    recall: tuple[ArchiveHit, ...] = ()
    note: str | None = None


NO_REPLY = Reply("", "none")
"""What a message gets that is only stored."""


def command_reply(message: str, commands: Commands | None) -> Reply | None:
    """Return the instructions of the slash command that *message* begins with; None if it is none.

    An unknown command is answered with the names of the known ones.
    """
    found = _COMMAND.match(message.lstrip())
    if found is None:
        return None
    command = None if commands is None else commands.find(found[1])
    if command is not None:
        return Reply(command.instructions, "command")
    names = [] if commands is None else [f"/{name}" for name in commands.names()]
    known = f"Known commands: {', '.join(names)}." if names else "No slash command is known."
    return Reply(f"There is no command /{found[1]}. {known}", "command")


class Responder:
    """Makes extractive answers.

    Args:
        count_tokens: counts the tokens of texts, so that an answer stays within its budget.
        skills: finds skills; None if there are none to find.
        resources: finds resources; None if there are none to find.
    """

    def __init__(
        self,
        count_tokens: Callable[[Sequence[str]], Sequence[int]],
        skills: SkillFinder | None = None,
        resources: ResourceFinder | None = None,
    ) -> None:
        self._count_tokens = count_tokens
        self._skills = skills
        self._resources = resources

    def reply(self, message: Message, window: Sequence[Message], found: ArchiveSearch) -> Reply:
        """Answer *message* with what was found in the archive and what else fits.

        The window is quoted like the rest, but not recalled: whoever is answered has it already.
        """
        hits = [hit for hit in found.hits if hit.is_relevant and not _repeats(hit.message, message)]
        near = {one.seq for one in window}
        recall = [
            hit
            for hit in hits
            if hit.message.session_id != message.session_id or hit.message.seq not in near
        ]
        notes = [] if found.degraded is None else [found.degraded]
        passages = [_message_passage(hit) for hit in hits[:QUOTED_MAX]]
        passages += self._found_elsewhere(message.content, notes)
        kept, lines = self._within_budget(passages)
        return Reply(
            text="\n".join([_FOUND, *lines]) if kept else _NOTHING,
            kind="extractive",
            passages=kept,
            recall=tuple(recall[:RECALLED_MAX]),
            note="; ".join(notes) or None,
        )

    def _found_elsewhere(self, message: str, notes: list[str]) -> list[Passage]:
        passages: list[Passage] = []
        try:
            if self._resources is not None:
                passages += (
                    Passage("resource", uri, _quote(text), score)
                    for uri, text, score in self._resources(message, RESOURCES_MAX)
                )
            if self._skills is not None:
                passages += (
                    Passage("skill", skill.id, _quote(f"{skill.name}: {skill.description}"), score)
                    for skill, score in self._skills(message, SKILLS_MAX)
                )
        except (BackendError, OverloadedError) as error:
            # The message is stored; an answer of what could be asked beats an error.
            notes.append(str(error))
        return passages

    def _within_budget(self, passages: list[Passage]) -> tuple[tuple[Passage, ...], list[str]]:
        lines = [_line(passage) for passage in passages]
        counts = self._count_tokens([_FOUND, *lines])
        left = TOKENS_MAX - int(counts[0])
        kept: list[Passage] = []
        said: list[str] = []
        for passage, line, count in zip(passages, lines, counts[1:], strict=True):
            if count <= left:
                left -= int(count)
                kept.append(passage)
                said.append(line)
        return tuple(kept), said


def _repeats(found: Message, asked: Message) -> bool:
    """Tell whether a found message is the one to be answered, or asks the same again."""
    return found.content.strip() == asked.content.strip()


def _message_passage(hit: ArchiveHit) -> Passage:
    message = hit.message
    who = speaker(message.role, message.metadata)
    text = f"{who}, {message.created_at:%Y-%m-%d %H:%M}: {_quote(message.content)}"
    return Passage("message", f"{message.session_id}#{message.seq}", text, hit.score)


def _quote(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= QUOTE_CHARS_MAX else plain[: QUOTE_CHARS_MAX - 1] + "…"


def _line(passage: Passage) -> str:
    label = {"message": "Message", "resource": "Resource", "skill": "Skill"}[passage.kind]
    return f"- {label} [{passage.source}] {passage.text}"
