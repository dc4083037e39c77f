"""The answer to a message without any language model: what is known, quoted with its source.

Nothing here is invented. Memories, passages of the archive, of resources and skills are quoted as
they stand; if none fits, the answer says so.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.conversation.archive import ArchiveHit
    from openviking.conversation.knowledge import Knowledge, Passage
    from openviking.conversation.ports import Commands
    from openviking.types import Message

ReplyKind: TypeAlias = Literal["none", "extractive", "command", "llm"]
"""Where an answer comes from; ``none`` for a message that gets none."""

TokenCounter: TypeAlias = "Callable[[Sequence[str]], Sequence[int]]"
"""Counts the tokens of texts."""

TOKENS_MAX = 512
"""Tokens of an extractive answer."""

_COMMAND = re.compile(r"/([^\W_][\w.:-]{0,99})(?:\s|$)")

_NOTHING = (
    "Nothing is known that fits this message: no earlier message, no memory, no resource and no "
    "skill."
)
_FOUND = "What is known and fits this message, quoted as it stands."
_ALONE = "No language model is asked."
_FAILED = "The language model gave no answer."
_LABELS = {"memory": "Memory", "message": "Message", "resource": "Resource", "skill": "Skill"}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        text: what is said.
        kind: where it comes from.
        passages: what it quotes, or what the model was given, in order.
        recall: older messages that matter now, best first.
        note: what did not work, if something did not.
        model: the language model that wrote it, if one did.
    """

    text: str
    kind: ReplyKind
    passages: tuple[Passage, ...] = ()
    recall: tuple[ArchiveHit, ...] = ()
    note: str | None = None
    model: str | None = None

    def recalling(self, knowledge: Knowledge, window: Sequence[Message]) -> Reply:
        """Return the same answer with what is to be recalled beside *window*."""
        return replace(self, recall=knowledge.recall(window))


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


def extractive_reply(
    knowledge: Knowledge, count_tokens: TokenCounter, *, failure: str | None = None
) -> Reply:
    """Quote what is known, within ``TOKENS_MAX`` tokens.

    Args:
        knowledge: what is known.
        count_tokens: counts the tokens of texts.
        failure: why the language model gave no answer; None if there is none.
    """
    why = _ALONE if failure is None else _FAILED
    kept, lines = within_budget(knowledge.passages, TOKENS_MAX, count_tokens, head=_FOUND + why)
    head = f"{_FOUND if kept else _NOTHING} {why}"
    notes = knowledge.notes if failure is None else (failure, *knowledge.notes)
    return Reply("\n".join([head, *lines]), "extractive", kept, note="; ".join(notes) or None)


def within_budget(
    passages: Sequence[Passage], tokens_max: int, count_tokens: TokenCounter, *, head: str
) -> tuple[tuple[Passage, ...], list[str]]:
    """Return the passages that fit behind *head* into *tokens_max*, and each as a line."""
    lines = [f"- {_LABELS[one.kind]} [{one.source}] {one.text}" for one in passages]
    counts = count_tokens([head, *lines])
    left = tokens_max - int(counts[0])
    kept: list[Passage] = []
    said: list[str] = []
    for passage, line, count in zip(passages, lines, counts[1:], strict=True):
        if count <= left:
            left -= int(count)
            kept.append(passage)
            said.append(line)
    return tuple(kept), said
