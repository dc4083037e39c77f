"""Requests and answers about skills."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired, TypedDict

import msgspec
from msgspec import UNSET, UnsetType

from openviking_asgi.limits import PAGE_DEFAULT, PAGE_MAX, RESULTS_MAX
from openviking_asgi.schemas import Name  # noqa: TC001 - msgspec reads it


class SkillSearchRequest(msgspec.Struct, frozen=True):
    """A task in the agent's own words; ``category`` null or ``general`` means all.

    ``max_results`` is ``retrieval.max_results`` of the server's settings, 10, if it is left out.
    ``tier`` ``fast`` answers without running the model, and less precisely.
    """

    query: str
    max_results: Annotated[int, msgspec.Meta(ge=1, le=RESULTS_MAX)] | None = None
    category: Name | None = None
    hierarchical: bool = False
    explain: bool = False
    tier: Literal["full", "fast"] = "full"


class SkillSearchOptions(msgspec.Struct, frozen=True):
    """``?explain`` (or ``explain`` in the body) adds how the answer came about."""

    explain: bool = False


class SkillPlace(TypedDict):
    """The passage nearest to the query: characters ``start`` to ``end`` of the body."""

    part: str
    start: int
    end: int


class SkillWhy(TypedDict):
    """Why a skill was found: cosine and bm25, the rank by each, and where words matched."""

    meaning: float
    words: float
    semantic_rank: int | None
    lexical_rank: int | None
    fields: list[str]
    terms: list[str]
    passage: SkillPlace | None
    relation: str | None


class SkillSummary(TypedDict):
    """A skill without its body."""

    id: str
    name: str
    description: str
    category: str
    subcategory: str
    examples: list[str]
    complexity: int
    parent_skill: str | None
    related_skills: list[str]
    sub_skills: list[str]
    usage_count: int
    disabled: bool


class SkillFound(SkillSummary):
    """A skill that fits, best first: ``score`` is meaning and words together."""

    score: float
    why: SkillWhy


class QueryFitness(TypedDict):
    """Whether a query is about the skills at all: ``evidence``, from ``threshold`` on it is."""

    is_fit: bool
    evidence: float
    threshold: float
    best: float
    usual_best: float
    resemblance: float
    best_words: float
    sum: str


class SkillPartMeaning(TypedDict):
    """What a skill gets from the whole query or a part of it: cosines, and both pooled."""

    text: str
    summary: float
    passage: float | None
    meaning: float


class SkillReasons(TypedDict):
    """All signals of one skill, ``sum`` spells out its score; ``passage`` quotes the nearest."""

    id: str
    score: float
    sum: str
    meaning: float
    parts: list[SkillPartMeaning]
    words: float
    terms: list[str]
    fields: list[str]
    passage: str


class SkillExplanation(TypedDict):
    """Why a search answered as it did; ``held_back`` are the nearest if nothing fits.

    ``words`` are those of the query that counted, each with the number of skills that have it.
    """

    fitness: QueryFitness
    words: dict[str, int]
    hits: list[SkillReasons]
    held_back: list[SkillReasons]


class SkillSearchAnswer(TypedDict):
    """What fits; no skills is a good answer when none does. ``explanation`` only if asked for.

    ``note`` is there while watched folders are imported for the first time.
    """

    skills: list[SkillFound]
    query: str
    found_count: int
    search_time_ms: float
    category: str | None
    truncated: bool
    tier: Literal["full", "fast"]
    explanation: NotRequired[SkillExplanation]
    note: NotRequired[str]


class SkillDetail(SkillSummary):
    """A whole skill; ``files`` lists what lies beside its SKILL.md, as relative paths.

    ``overrides`` names the files of earlier folders that are left out for it.
    """

    body: str
    files: list[str]
    overrides: list[str]
    origin: Literal["folder", "api"]
    license: str | None
    compatibility: str | None
    metadata: dict[str, Any]
    allowed_tools: list[str]
    disable_model_invocation: bool
    updated_at: str | None


class SkillOptions(msgspec.Struct, frozen=True):
    """``?include_disabled`` also shows a skill that is switched off; that counts as no use."""

    include_disabled: bool = False


class SkillSwitch(msgspec.Struct, frozen=True):
    """``disabled`` true hides a skill everywhere, whatever happens to its file; false undoes it."""

    disabled: bool


class SkillSwitched(TypedDict):
    """What holds now; ``searched`` is false too if the skill's own file keeps it from searches."""

    id: str
    disabled: bool
    searched: bool
    message: str


class SkillQuery(msgspec.Struct, frozen=True):
    """Which skills to list; ``after`` is the ``next`` of the page before.

    ``?include_disabled`` also lists those that are switched off.
    """

    category: Name | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT
    after: Name | None = None
    include_disabled: bool = False


class SkillList(TypedDict):
    """One page of skills in id order; ``next`` is null on the last one."""

    skills: list[SkillSummary]
    count: int
    next: str | None


class SkillBody(msgspec.Struct, frozen=True):
    """A skill to store: ``content`` is a whole SKILL.md text; or give its fields one by one."""

    content: str | UnsetType = UNSET
    id: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    body: str | UnsetType = UNSET
    category: str | UnsetType | None = UNSET
    subcategory: str | UnsetType | None = UNSET
    examples: list[str] | UnsetType = UNSET
    complexity: int | UnsetType | None = UNSET
    parent_skill: str | UnsetType | None = UNSET
    sub_skills: list[str] | UnsetType = UNSET
    license: str | UnsetType | None = UNSET
    compatibility: str | UnsetType | None = UNSET
    metadata: dict[str, Any] | UnsetType = UNSET
    allowed_tools: list[str] | UnsetType = UNSET
    disable_model_invocation: bool | UnsetType = UNSET


class ValidateRequest(msgspec.Struct, frozen=True):
    """A SKILL.md text to check; nothing is stored."""

    content: str


class SkillFinding(TypedDict):
    """One oddity; ``code`` is stable, ``message`` is for people, ``line`` counts from 1."""

    code: str
    severity: str
    message: str
    line: int | None


class ValidateAnswer(TypedDict):
    """``valid`` is false if there is an error or a warning; ``id`` is null if it is refused."""

    valid: bool
    id: str | None
    name: str | None
    description: str | None
    findings: list[SkillFinding]


class SkillTree(TypedDict):
    """All skill names by category and subcategory."""

    categories: dict[str, dict[str, list[str]]]
    total_skills: int
    last_updated: str | None
