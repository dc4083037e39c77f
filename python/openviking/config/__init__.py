"""Settings: one frozen struct, checked once; environment > ``ov.conf`` > default.

This package is the only reader of the environment. An unknown key is an error with a near-match
hint, except those that other OpenViking deployments carry: they are accepted and listed in
``Settings.notes``. ``Settings.sources`` says where each value came from.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import msgspec

from openviking.config.conversation import Conversation, Llm, Memory, api_key
from openviking.config.file import FOREIGN_KEYS, FOREIGN_SECTIONS, is_secret, read_file
from openviking.config.redis_url import EXPECTED as REDIS_URL_EXPECTED
from openviking.config.redis_url import RedisUrl
from openviking.config.settings import (
    CACHE_TTL_S_MAX,
    Cache,
    CommandFolders,
    Logging,
    Model,
    Retrieval,
    Server,
    Settings,
    SkillFolders,
    Storage,
    model_default,
    storage_default,
    validated,
)
from openviking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "CACHE_TTL_S_MAX",
    "CONFIG_FILE",
    "ENVIRONMENT",
    "FOREIGN_KEYS",
    "FOREIGN_SECTIONS",
    "Cache",
    "CommandFolders",
    "Conversation",
    "Llm",
    "Logging",
    "Memory",
    "Model",
    "RedisUrl",
    "Retrieval",
    "Server",
    "Settings",
    "SkillFolders",
    "Storage",
    "api_key",
    "load_settings",
    "model_default",
]

CONFIG_FILE = "OPENVIKING_CONFIG_FILE"
"""The environment variable that names the ``ov.conf``."""

ENVIRONMENT: dict[str, tuple[str, str]] = {
    "OPENVIKING_HOST": ("server", "host"),
    "OPENVIKING_PORT": ("server", "port"),
    "OPENVIKING_STORAGE_PATH": ("storage", "path"),
    "OPENVIKING_MODEL_DIR": ("model", "dir"),
    "OPENVIKING_PRECISION": ("model", "precision"),
    "OPENVIKING_KERNELS": ("model", "kernels"),
    "OPENVIKING_THREADS": ("model", "threads"),
    "OPENVIKING_CACHE_BYTES": ("cache", "bytes_max"),
    "OPENVIKING_REDIS_URL": ("cache", "redis_url"),
    "OPENVIKING_SKILLS": ("skills", "folders"),
    "OPENVIKING_COMMANDS": ("commands", "folders"),
    "LOG_LEVEL": ("logging", "level"),
    "LOG_FORMAT": ("logging", "format"),
}
"""Environment variable -> the section and key that it sets. Folders are separated by ``:``."""

_SECTIONS: dict[str, type[msgspec.Struct]] = {
    "server": Server,
    "storage": Storage,
    "model": Model,
    "cache": Cache,
    "skills": SkillFolders,
    "commands": CommandFolders,
    "retrieval": Retrieval,
    "conversation": Conversation,
    "memory": Memory,
    "llm": Llm,
    "logging": Logging,
}

_Values = dict[str, dict[str, tuple[Any, str]]]
"""Section -> key -> the value as it was given, and where."""


def load_settings(
    path: Path | None = None,
    *,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Settings:
    """Read the settings.

    Args:
        path: an ``ov.conf``; None means ``$OPENVIKING_CONFIG_FILE`` if that is set, else no file.
        overrides: section -> key -> value, stronger than everything else (command-line options).
        environ: the environment; None means the process's own. A variable that is set to nothing
            counts as not set.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value has the wrong type.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get(CONFIG_FILE, "").strip():
        path = _to_path(environ[CONFIG_FILE])
    values: _Values = {}
    notes: tuple[str, ...] = ()
    if path is not None:
        sections, notes = read_file(path, environ)
        _put(values, sections, str(path))
    for name, (section, key) in ENVIRONMENT.items():
        if environ.get(name, "").strip():
            _put(values, {section: {key: _split(key, environ[name])}}, name)
    _put(values, overrides or {}, "option")
    return validated(_build(values, environ, (*notes, *_unknown_variables(environ))))


def _put(values: _Values, sections: Mapping[str, Mapping[str, Any]], source: str) -> None:
    """Lay *sections* over *values*, refusing names that do not exist."""
    for section, entries in sections.items():
        if section not in _SECTIONS:
            hint = _hint(section, list(_SECTIONS))
            raise ConfigError(f"{source}: unknown section {section!r}{hint}")
        known = list(_SECTIONS[section].__struct_fields__)
        for key, value in entries.items():
            if key not in known:
                hint = _hint(key, known)
                raise ConfigError(f"{source}: unknown key {section}.{key}{hint}")
            values.setdefault(section, {})[key] = (value, source)


def _hint(name: str, known: list[str]) -> str:
    near = _nearest(name, known, cutoff=0.5)
    return f"; did you mean {near!r}?" if near else f"; known are {', '.join(sorted(known))}"


def _unknown_variables(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Note misspelt variables; others may be meant for a neighbour and stay unmentioned."""
    known = [*ENVIRONMENT, CONFIG_FILE]
    notes = []
    for name in sorted(environ):
        if name.startswith("OPENVIKING_") and name not in known:
            near = _nearest(name, known, cutoff=0.85)
            if near:
                notes.append(f"{name}: not a setting; did you mean {near}?")
    return tuple(notes)


def _nearest(name: str, known: list[str], *, cutoff: float) -> str | None:
    import difflib  # noqa: PLC0415 - 0.15 MB that only a mistake needs

    return next(iter(difflib.get_close_matches(name, known, n=1, cutoff=cutoff)), None)


def _split(key: str, text: str) -> str | list[str]:
    if key == "folders":
        return [part for part in text.split(os.pathsep) if part.strip()]
    return text.strip()


def _build(values: _Values, environ: Mapping[str, str], notes: tuple[str, ...]) -> Settings:
    built: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for section, kind in _SECTIONS.items():
        entries = values.get(section, {})
        types = {field.name: field.type for field in msgspec.structs.fields(kind)}
        converted = {
            key: _convert(value, types[key], f"{source}: {section}.{key}")
            for key, (value, source) in entries.items()
        }
        sources |= {f"{section}.{key}": source for key, (_, source) in entries.items()}
        # Defaults that are folders follow the environment that was given, not the process's.
        if section == "storage" and "path" not in converted:
            converted["path"] = storage_default(environ)
        if section == "model" and "dir" not in converted:
            converted["dir"] = model_default(environ)
        built[section] = kind(**converted)
    return Settings(**built, notes=notes, sources=sources)


def _convert(value: Any, kind: Any, where: str) -> Any:
    if where.endswith("logging.level") and isinstance(value, str):
        value = value.upper()
    try:
        # Not strict: a number may stand in quotes, since ${PORT} is only possible in a string.
        return msgspec.convert(value, kind, strict=False, dec_hook=_to_field)
    except msgspec.ValidationError as error:
        expected = _describe(kind)
        if is_secret(where):
            shown = "another type" if not isinstance(value, str) else "something else, not shown"
            raise ConfigError(f"{where}: expected {expected}; got {shown}") from None
        raise ConfigError(f"{where}: expected {expected}, got {_short(value)}") from error


def _to_field(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, (str, Path)):
        return _to_path(value)
    if kind is RedisUrl and isinstance(value, (str, RedisUrl)):
        return value if isinstance(value, RedisUrl) else RedisUrl(value)
    # msgspec turns a TypeError into its own ValidationError.
    raise TypeError(f"expected {_describe(kind)}")


def _to_path(value: str | Path) -> Path:
    text = str(value)
    if not text.strip() or "\0" in text:
        raise TypeError(f"expected a path, got {text!r}")
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ConfigError(f"{text}: {error}; write the whole path") from error


def _describe(kind: Any) -> str:
    """Name a field's type in the words of a person who writes a configuration."""
    names = {int: "a whole number", float: "a number", str: "a string", Path: "a path"}
    names[RedisUrl] = REDIS_URL_EXPECTED
    if kind in names:
        return names[kind]
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(get_args(kind))
    if get_origin(kind) is tuple:
        is_path = get_args(kind)[0] is Path
        return "a list of paths" if is_path else f"a list, each {_describe(get_args(kind)[0])}"
    parts = [part for part in get_args(kind) if part is not type(None)]
    return " or ".join(_describe(part) for part in parts)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
