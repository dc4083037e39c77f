"""Reading an ``ov.conf``: JSON in which ``${NAME}`` stands for an environment variable.

Sections and keys that other OpenViking deployments carry and that mean nothing here are taken out,
with a note for each, so that nobody believes a setting that does nothing.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from openviking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_BYTES_MAX = 1 << 20

FOREIGN_SECTIONS = {
    "embedding": "embeddings are computed by this server with all-mpnet-base-v2",
    "vlm": "no vision model is used",
}
"""Whole sections of older configurations that are accepted, and why they have no effect here."""

FOREIGN_KEYS = {
    "retrieval": {
        "score_threshold": "scores are calibrated, see docs",
        "enable_rerank": "words and meaning are always fused",
        "enable_hierarchical": "each request says so by `hierarchical`",
    },
    "llm": {
        "provider": "any OpenAI-compatible endpoint is asked in the same way",
        "api_key": "the key is read from the environment variable that llm.api_key_env names",
        "temperature": "the endpoint's default holds",
    },
    "session": {"compression_threshold": "the window holds ten messages, the archive all"},
    "storage": {
        "type": "the store is SQLite",
        "vector_dimension": "the model's vectors have 768 dimensions",
        "chunk_size": "texts are cut to the model's window",
    },
    "logging": {"file": "logs go to standard error"},
}
"""Single keys of older configurations that are accepted, and why they have no effect here."""

SESSION_KEYS = {
    "auto_memory_extraction": ("memory", "extract"),
    "memory_categories": ("memory", "categories"),
}
"""Keys of an older ``session`` section that mean the same as one of ours, which outranks them."""

_SECRET_KEYS = ("cache.redis_url",)

_JSON_NAMES = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def read_file(
    path: Path, environ: Mapping[str, str]
) -> tuple[dict[str, dict[str, Any]], tuple[str, ...]]:
    """Read an ``ov.conf``.

    Args:
        path: the file; a pipe works too, so that a secret manager can feed it.
        environ: where ``${NAME}`` is looked up.

    Returns:
        Section -> key -> value without what is foreign, and one note per foreign section or key.

    Raises:
        ConfigError: unreadable, larger than 1 MiB, not JSON, a key given twice, a section that is
            no object, or a ``${...}`` that names no variable.
    """
    document = _decode(path, _read(path))
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a JSON object, got {_JSON_NAMES[type(document)]}")
    notes = [
        f"{name}: ignored, {why}" for name, why in FOREIGN_SECTIONS.items() if name in document
    ]
    sections: dict[str, dict[str, Any]] = {}
    for name, section in document.items():
        if name in FOREIGN_SECTIONS:
            continue
        if not isinstance(section, dict):
            kind = _JSON_NAMES[type(section)]
            raise ConfigError(f"{path}: {name}: expected an object, got {kind}")
        foreign = FOREIGN_KEYS.get(name, {})
        notes += [f"{name}.{key}: ignored, {foreign[key]}" for key in section if key in foreign]
        given = {
            key: _substitute(value, environ, f"{path}: {name}.{key}")
            for key, value in section.items()
            if key not in foreign
        }
        if name == "session":
            notes += _put_session(sections, given)
        else:
            sections[name] = sections.get(name, {}) | given
    return sections, tuple(notes)


def _put_session(sections: dict[str, dict[str, Any]], given: Mapping[str, Any]) -> list[str]:
    """Lay the keys of an older ``session`` under ours of the same meaning; note the others."""
    for key in given.keys() & SESSION_KEYS.keys():
        section, name = SESSION_KEYS[key]
        sections.setdefault(section, {}).setdefault(name, given[key])
    unknown = [key for key in given if key not in SESSION_KEYS]
    return [f"session.{key}: ignored, it means nothing here" for key in unknown]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            # One byte more than allowed tells a large file, and an endless one ends too.
            content = file.read(_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError(f"{path}: cannot be read ({reason}); check the path") from error
    if len(content) > _BYTES_MAX:
        raise ConfigError(f"{path}: larger than {_BYTES_MAX} bytes; is it an ov.conf?")
    return content


def _decode(path: Path, content: bytes) -> Any:
    try:
        # Editors on Windows put a byte order mark in front; utf-8-sig drops it.
        return json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise ConfigError(f"{path}: not valid JSON: {error.msg} at {place}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Build an object; of a key given twice one would be lost in silence, so it is refused."""
    seen: dict[str, Any] = {}
    for key, value in pairs:
        if key in seen:
            raise ValueError(f"the key {key!r} is given twice")
        seen[key] = value
    return seen


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def is_secret(where: str) -> bool:
    """Whether the key at the end of *where* may hold a password, and must not be quoted."""
    return where.endswith(_SECRET_KEYS)


def _substitute(value: Any, environ: Mapping[str, str], where: str) -> Any:
    if isinstance(value, list):
        return [_substitute(item, environ, where) for item in value]
    if not isinstance(value, str):
        return value
    shown = "a value that is not shown" if is_secret(where) else repr(value)
    try:
        value.encode()
    except UnicodeEncodeError as error:
        cause = None if is_secret(where) else error
        raise ConfigError(f"{where}: half of a surrogate pair is no text: {shown}") from cause
    if "${" in _VARIABLE.sub("", value):
        raise ConfigError(f"{where}: only ${{NAME}} is understood, got {shown}")

    def replace(match: re.Match[str]) -> str:
        if match[1] not in environ:
            raise ConfigError(f"{where}: the environment variable {match[1]} is not set")
        return environ[match[1]]

    return _VARIABLE.sub(replace, value)
