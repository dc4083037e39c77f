"""What conversations draw on beside store and encoder; each part is optional."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from openviking.types import Message, Namespace, Skill, TextEncoder


class Command(Protocol):
    """A slash command."""

    @property
    def name(self) -> str:
        """Its name, without the slash."""

    @property
    def instructions(self) -> str:
        """What it tells an agent to do."""


class Commands(Protocol):
    """The slash commands that are known."""

    def find(self, name: str) -> Command | None:
        """Return the command of that name (no slash), None if there is none."""

    def names(self) -> Sequence[str]:
        """Return all names, sorted, without slashes."""


class SkillFinder(Protocol):
    """Finds skills for a task."""

    def __call__(self, query: str, k: int) -> Sequence[tuple[Skill, float]]:
        """Return up to *k* fitting skills with their scores, best first; none if none fits."""


class ResourceFinder(Protocol):
    """Finds resources by meaning."""

    def __call__(self, query: str, k: int) -> Sequence[tuple[str, str, float]]:
        """Return up to *k* (URI, fitting passage, score), best first; none if none fits."""


class Memory(Protocol):
    """What was learned from messages; each item points to the message that it comes from."""

    def wake(self) -> None:
        """Say that there are new messages."""

    def recall(
        self,
        namespace: Namespace,
        session_id: str,
        text: str,
        *,
        messages: Sequence[Message],
        k: int,
    ) -> Sequence[tuple[str, str, float]]:
        """Return up to *k* (URI, memory with its source, score) that fit *text*, best first.

        Args:
            namespace: whose memories.
            session_id: where *text* was said.
            text: what is asked.
            messages: found messages; what was learned from them fits too.
            k: items at most.
        """

    def forget(self) -> None:
        """Delete at once what was learned from messages that are gone."""


class ChatModel(Protocol):
    """A language model that writes answers; every failure is a ChatError."""

    @property
    def model(self) -> str:
        """Its name."""

    def complete(self, turns: Sequence[tuple[str, str]]) -> str:
        """Return the answer to (role, content) pairs, oldest first."""

    def stream(self, turns: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield the same answer in pieces, as they come."""


@dataclass(frozen=True, slots=True)
class Sources:
    """What conversations draw on beside store and encoder.

    Attributes:
        commands: slash commands that a message can begin with.
        skills: finds skills that an answer names.
        resources: finds resources that an answer quotes.
        encoder: makes the vectors of messages, the same as the encoder of questions would; for one
            behind a cache, the one without it, so that messages do not drive questions out.
        memory: what was learned from messages.
        chat: writes the answers; without it they are quotations.
        chat_tokens_max: tokens that the model is given with each message.
    """

    commands: Commands | None = None
    skills: SkillFinder | None = None
    resources: ResourceFinder | None = None
    encoder: TextEncoder | None = None
    memory: Memory | None = None
    chat: ChatModel | None = None
    chat_tokens_max: int = 3000
