"""Skills that clients send: a SKILL.md text, or its fields one by one, checked strictly.

A file in the field is read leniently because its author is not here; a client is, and gets an error
that says what to change.
"""

from __future__ import annotations

import json
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError, LimitError
from openviking.skills.load import EXAMPLES_KEPT_MAX, FILE_BYTES_MAX, parse_skill
from openviking.skills.structure import GENERAL, complexity, find_examples, slug
from openviking.types import Skill

if TYPE_CHECKING:
    from collections.abc import Mapping

_TEXT_CHARS_MAX = {
    "id": 120,
    "name": 200,
    "description": 8_000,
    "body": FILE_BYTES_MAX,
    "category": 100,
    "subcategory": 100,
    "parent_skill": 120,
    "license": 1_000,
    "compatibility": 1_000,
}
_LISTS = ("examples", "sub_skills", "allowed_tools")
_LIST_ITEM_CHARS_MAX = 1_000
_METADATA_CHARS_MAX = 65_536


def draft_of(content: str | None, fields: Mapping[str, Any] | None) -> Skill:
    """Read what a client sent, as SKILL.md text or as fields; raises InputError for both."""
    if content is not None and fields is None:
        return skill_from_content(content)
    if fields is not None and content is None:
        return skill_from_fields(fields)
    came = "both" if content is not None else "neither"
    raise InputError(f"expected either content or fields, got {came}", loc=("content",))


def skill_from_content(content: str) -> Skill:
    """Read a SKILL.md text; raises InputError if it is refused, LimitError if it is too large."""
    if not isinstance(content, str):
        raise InputError(f"expected text, got {type(content).__name__}", loc=("content",))
    _check_unicode(content, "content")
    skill, findings = parse_skill(content)
    if skill is None:
        refusal = next(finding for finding in findings if finding.severity == "error")
        kind = LimitError if refusal.code == "file-too-large" else InputError
        raise kind(f"content {refusal.message}", loc=("content",))
    return skill


def skill_from_fields(fields: Mapping[str, Any]) -> Skill:
    """Make a skill from single values; ``name`` and ``description`` are required.

    Keys that are no field of a skill are ignored, as the HTTP contract asks. What is left out is
    derived as for a file.

    Raises:
        InputError: a value is missing or has the wrong type; ``loc`` names the field.
        LimitError: a value is too long.
    """
    texts = {name: _text(fields, name) for name in _TEXT_CHARS_MAX}
    lists = {name: _texts(fields, name) for name in _LISTS}
    for name in ("name", "description"):
        if not texts[name]:
            raise InputError(f"{name} is required and must not be empty", loc=(name,))
    if texts["id"] and texts["id"] != slug(texts["id"]):
        hint = slug(texts["id"]) or "my-skill"
        message = f"id {texts['id']!r} is not lower-case-with-hyphens; for example {hint!r}"
        raise InputError(message, loc=("id",))
    canonical = json.dumps({**texts, **lists, "more": _more(fields)}, sort_keys=True)
    digest = blake2b(canonical.encode(), digest_size=16).hexdigest()
    body = texts["body"].replace("\r\n", "\n")
    return Skill(
        id=texts["id"] or slug(texts["name"]) or digest[:12],
        name=" ".join(texts["name"].split()),
        description=" ".join(texts["description"].split()),
        body=body,
        category=slug(texts["category"]) or GENERAL,
        subcategory=slug(texts["subcategory"]),
        examples=lists["examples"] or find_examples(body),
        complexity=_complexity(fields) or complexity(body, 0),
        parent_skill=slug(texts["parent_skill"]) or None,
        sub_skills=lists["sub_skills"],
        digest=digest,
        license=texts["license"] or None,
        compatibility=texts["compatibility"] or None,
        metadata=dict(fields.get("metadata") or {}),
        allowed_tools=lists["allowed_tools"],
        disable_model_invocation=_flag(fields),
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InputError(f"{name}: expected text, got {type(value).__name__}", loc=(name,))
    if len(value) > _TEXT_CHARS_MAX[name]:
        raise LimitError(
            f"{name}: {len(value)} characters; at most {_TEXT_CHARS_MAX[name]}", loc=(name,)
        )
    _check_unicode(value, name)
    return value if name == "body" else value.strip()


def _check_unicode(text: str, name: str) -> None:
    if "\0" in text:
        raise InputError(f"{name}: holds a NUL character", loc=(name,))
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        message = f"{name}: lone surrogate at character {error.start}; expected valid Unicode"
        raise InputError(message, loc=(name,)) from error


def _texts(fields: Mapping[str, Any], name: str) -> tuple[str, ...]:
    values = fields.get(name)
    if values is None:
        return ()
    if isinstance(values, str) or not isinstance(values, (list, tuple)):
        kind = type(values).__name__
        raise InputError(f"{name}: expected a list of texts, got {kind}", loc=(name,))
    if len(values) > EXAMPLES_KEPT_MAX:
        raise LimitError(f"{name}: at most {EXAMPLES_KEPT_MAX} items", loc=(name,))
    for position, value in enumerate(values):
        if not isinstance(value, str) or not value.strip():
            raise InputError(f"{name}: expected non-empty texts", loc=(name, position))
        if len(value) > _LIST_ITEM_CHARS_MAX:
            message = f"{name}: at most {_LIST_ITEM_CHARS_MAX} characters per item"
            raise LimitError(message, loc=(name, position))
        _check_unicode(value, name)
    return tuple(" ".join(value.split()) for value in values)


def _complexity(fields: Mapping[str, Any]) -> int | None:
    value = fields.get("complexity")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5:
        raise InputError(f"complexity: expected 1 to 5, got {value!r}", loc=("complexity",))
    return value


def _flag(fields: Mapping[str, Any]) -> bool:
    value = fields.get("disable_model_invocation", False)
    if not isinstance(value, bool):
        message = f"disable_model_invocation: expected true or false, got {value!r}"
        raise InputError(message, loc=("disable_model_invocation",))
    return value


def _more(fields: Mapping[str, Any]) -> list[Any]:
    """Return what counts for the digest beside texts and lists; checks ``metadata``."""
    metadata = fields.get("metadata")
    if metadata is not None and not isinstance(metadata, dict):
        kind = type(metadata).__name__
        raise InputError(f"metadata: expected an object, got {kind}", loc=("metadata",))
    try:
        size = len(json.dumps(metadata, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"metadata: not JSON ({error})", loc=("metadata",)) from error
    if size > _METADATA_CHARS_MAX:
        message = f"metadata: {size} characters of JSON; at most {_METADATA_CHARS_MAX}"
        raise LimitError(message, loc=("metadata",))
    return [metadata, _complexity(fields), _flag(fields)]
