"""The records and array types that the layers hand to each other; no behaviour lives here.

Arrays are C-ordered NumPy arrays. Times are UTC. Records are frozen: a change makes a new record.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

Vectors: TypeAlias = NDArray[np.float32]
"""(n, dim) float32, C order; rows are unit length wherever a docstring says "embedding"."""

RowIds: TypeAlias = NDArray[np.int64]
"""Row numbers or record numbers, int64."""

Scores: TypeAlias = NDArray[np.float32]
"""Cosines, float32, in [-1, 1]."""

Tier: TypeAlias = Literal["full", "fast"]
"""Whose vector of a query is searched with: the model's, or a quick stand-in for it."""

Progress: TypeAlias = "Callable[[int, int], None]"
"""Called with (done, total) as long work advances; may be called from the working thread only."""

StageProgress: TypeAlias = "Callable[[str, int, int], None]"
"""Called with (stage, done, total) by work of several stages; total 0 means not known."""


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What an encoder returns for n texts.

    Attributes:
        vectors: (n, dim) float32, rows of unit length, in the order of the texts.
        token_counts: (n,) int64, tokens that the model read, its two markers included.
        truncated: (n,) bool, whether the text was longer than the model's window.
        cached: (n,) bool, whether the vector came from a cache.
    """

    vectors: Vectors
    token_counts: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    cached: NDArray[np.bool_]


class TextEncoder(Protocol):
    """What turns texts into unit vectors: the model itself, or a cache in front of it.

    Implementations are safe to call from any thread. The same text gives the same vector, bit for
    bit, whatever else is in the call and whatever other threads are doing.
    """

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    @property
    def build_id(self) -> str:
        """Names the exact weights and arithmetic; vectors of two builds are never mixed."""

    @property
    def tokens_max(self) -> int:
        """Tokens that the model reads at most, its two markers included."""

    def encode(self, texts: Sequence[str]) -> Embeddings:
        """Embed *texts*; an empty text is an InputError, a failing model an EncoderError."""

    def encode_tokens(self, token_ids: Sequence[Sequence[int]]) -> Embeddings:
        """Embed texts given as token ids of this model's vocabulary, markers not included."""

    def token_counts(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Count the tokens of each text before any truncation, markers included; (n,) int64."""

    def close(self) -> None:
        """Finish running work and release the model; may be called twice."""


@dataclass(frozen=True, slots=True)
class Skill:
    """One skill: what an agent may be told to do, and when.

    ``origin`` says who owns it: ``folder`` (a SKILL.md file on disk, re-read when it changes) or
    ``api`` (created by a client). ``digest`` is the BLAKE2b-128 hex digest of the source text;
    equal digests mean that nothing needs to be encoded again. ``disable_model_invocation`` is what
    the skill says of itself: it is listed, but no search returns it. ``is_disabled`` is what the
    people who run this place have decided: the skill is hidden everywhere.
    """

    id: str
    name: str
    description: str
    body: str = ""
    category: str = "general"
    subcategory: str = ""
    examples: tuple[str, ...] = ()
    complexity: int = 1
    parent_skill: str | None = None
    related_skills: tuple[str, ...] = ()
    sub_skills: tuple[str, ...] = ()
    usage_count: int = 0
    origin: Literal["folder", "api"] = "api"
    path: str | None = None
    digest: str = ""
    license: str | None = None
    compatibility: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)
    allowed_tools: tuple[str, ...] = ()
    disable_model_invocation: bool = False
    is_disabled: bool = False
    updated_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class SkillPassage:
    """A piece of a skill that has a vector of its own.

    ``part`` is ``summary`` (name and description), ``example`` or ``body``; ``start`` and ``end``
    are character offsets into the skill's body for body passages, 0 and 0 otherwise.
    """

    part: Literal["summary", "example", "body"]
    text: str
    start: int = 0
    end: int = 0


@dataclass(frozen=True, slots=True)
class SkillEntry:
    """A skill as it is stored: the record, its passages and one vector per passage.

    ``vectors`` is (len(passages), dim) float32 in unit length, made by the encoder ``build_id``.
    """

    skill: Skill
    passages: tuple[SkillPassage, ...]
    vectors: Vectors
    build_id: str


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """All stored passage vectors of one model build, for building an index at start.

    ``passage_ids`` (n,) int64 are the store's own numbers; ``skill_ids`` has n owners;
    ``parts`` n part names; ``vectors`` is (n, dim) float32; ``spans`` (n, 2) int64 holds ``start``
    and ``end`` of each passage.
    """

    passage_ids: RowIds
    skill_ids: tuple[str, ...]
    parts: tuple[str, ...]
    vectors: Vectors
    spans: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 2), np.int64))


@dataclass(frozen=True, slots=True)
class WordMatch:
    """A lexical hit: ``score`` is bm25 with larger meaning better; ``fields`` says where it hit.

    ``rank`` is its place by score among all skills that were asked for, from 1.
    """

    id: str
    score: float
    fields: tuple[str, ...]
    terms: tuple[str, ...]
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """A stored resource; ``id`` names this version for good, ``target_uri`` the newest one."""

    id: str
    target_uri: str
    content: str
    resource_type: str
    session_id: str | None
    metadata: Mapping[str, Any]
    version: int
    created_at: datetime
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class ResourcePage:
    """One page of resources; ``next`` is the cursor of the following page, None at the end."""

    resources: tuple[Resource, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a session, as stored; ``seq`` counts from 1 within its session."""

    session_id: str
    seq: int
    role: str
    content: str
    metadata: Mapping[str, Any]
    created_at: datetime
    reply_to: int | None = None
    """``seq`` of the message that this one answers."""


@dataclass(frozen=True, slots=True)
class Namespace:
    """Whose sessions: a person, an agent, both, or (both empty) everybody who names neither.

    Sessions of two namespaces never meet, even under the same id.
    """

    user: str = ""
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """What is known of a session without its messages.

    ``message_count`` counts the messages that are stored; ``last_seq`` is the number of the newest
    one ever stored. Messages up to ``window_start`` were put behind the working window by a flush.
    ``number`` is the store's own, never given twice.
    """

    id: str
    namespace: Namespace
    created_at: datetime
    last_activity: datetime
    message_count: int
    last_seq: int
    window_start: int = 0
    number: int = 0


@dataclass(frozen=True, slots=True)
class SessionPage:
    """Sessions in id order; ``next`` is the cursor of the following page, None at the end."""

    sessions: tuple[Session, ...]
    next: str | None


REPLY_TO_PREVIOUS = 0
"""``reply_to`` of a message that answers the one before it in the same append."""


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to append.

    Attributes:
        role: who speaks: ``user``, ``assistant``, ``system`` or any other word.
        content: what was said.
        metadata: JSON values under text keys.
        created_at: when; None means now, by the store's clock.
        is_searchable: whether a search of the archive can find it.
        about: words by which it can be found beside its own, such as who spoke and when.
        key: names the append: a second one under the same key of the same session changes nothing.
        reply_to: ``seq`` of the message that it answers, or REPLY_TO_PREVIOUS.
        seq: for a message that is restored: where it stood. If the session has the same message
            there already, nothing is appended.
    """

    role: str
    content: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    created_at: datetime | None = None
    is_searchable: bool = True
    about: str = ""
    key: str | None = None
    reply_to: int | None = None
    seq: int | None = None


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append did: the stored message, its session then, and whether it is new."""

    message: Message
    session: Session
    is_new: bool


@dataclass(frozen=True, slots=True)
class ArchivedMessage:
    """A stored message with the store's number of it and of its session; both never change."""

    namespace: Namespace
    number: int
    session_number: int
    message: Message


@dataclass(frozen=True, slots=True)
class MessageHit:
    """A lexical hit in the archive: ``score`` is bm25 with larger meaning better."""

    number: int
    session_number: int
    seq: int
    score: float


@dataclass(frozen=True, slots=True)
class MessageVectors:
    """Stored vectors of messages, ordered by ``numbers``.

    ``numbers``, ``messages``, ``sessions`` and ``seqs`` are (n,) int64: the store's own number of
    the vector, of its message and of its session, and the message's place in the session;
    ``vectors`` is (n, dim) float32, kept with half precision and so only about of unit length.
    """

    numbers: RowIds
    messages: RowIds
    sessions: RowIds
    seqs: RowIds
    vectors: Vectors
