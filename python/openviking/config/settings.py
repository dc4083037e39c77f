"""Settings: one frozen struct, checked once; environment > ``ov.conf`` > default.

This module is the only reader of the environment. ``ov.conf`` is JSON in which ``${NAME}`` stands
for an environment variable. An unknown key is an error with a near-match hint, except in the
sections that other OpenViking deployments carry (``embedding``, ``vlm``, ...): those are accepted,
and what they say in vain is listed in ``Settings.notes``, so that nobody believes a setting that
does nothing.
"""

from __future__ import annotations

import difflib
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from openviking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_CONFIG_BYTES_MAX = 1 << 20

FOREIGN_SECTIONS = {
    "embedding": "embeddings are computed by this server with all-mpnet-base-v2",
    "vlm": "no vision model is used",
    "llm": "no chat model is used",
    "session": "sessions have no settings yet",
}
"""Whole sections of older configurations that are accepted, and why they have no effect here."""

FOREIGN_KEYS = {
    "retrieval": {
        "score_threshold": "scores are calibrated, see docs",
        "enable_rerank": "words and meaning are always fused",
        "enable_hierarchical": "each request says so by `hierarchical`",
    },
    "storage": {
        "type": "the store is SQLite",
        "vector_dimension": "the model's vectors have 768 dimensions",
        "chunk_size": "texts are cut to the model's window",
    },
    "logging": {"file": "logs go to standard error"},
}
"""Single keys of older configurations that are accepted, and why they have no effect here."""


def _cache_home() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openviking"


def _data_home() -> Path:
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "openviking"


class Server(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the HTTP server listens and how much it takes on.

    Attributes:
        host: address to bind.
        port: TCP port, 0 lets the system choose.
        requests_max: requests being computed or waiting at once; more get 429.
        deadline_s: seconds after which a waiting request is given up with 429.
        drain_s: seconds that running requests have to finish at shutdown.
    """

    host: str = "127.0.0.1"
    port: int = 8002
    requests_max: int = 1000
    deadline_s: float = 30.0
    drain_s: float = 10.0


class Storage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where skills, resources and sessions are kept (a folder, made if missing)."""

    path: Path = msgspec.field(default_factory=_data_home)


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which build of the embedding model runs.

    Attributes:
        dir: folder of built models.
        precision: ``int8`` (a quarter of the size, several times faster) or ``fp32``.
        kernels: ``native`` (our operators inside ONNX Runtime) or ``ort`` (its stock operators);
            None picks the best that the precision has.
        threads: CPU threads for one encoding; None means all cores.
    """

    dir: Path = msgspec.field(default_factory=lambda: _cache_home() / "models")
    precision: Literal["int8", "fp32"] = "int8"
    kernels: Literal["native", "ort"] | None = None
    threads: int | None = None


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The in-process cache of embeddings; ``bytes_max`` 0 turns it off."""

    bytes_max: int = 64 << 20


class SkillFolders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Folders of SKILL.md files that are imported at start and watched for edits."""

    folders: tuple[Path, ...] = ()


class Retrieval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many skills a search returns when the request does not say."""

    max_results: int = 10


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged to standard error: from which level on, and in which form."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings. ``notes`` says which accepted keys have no effect, and why."""

    server: Server = Server()
    storage: Storage = msgspec.field(default_factory=Storage)
    model: Model = msgspec.field(default_factory=Model)
    cache: Cache = Cache()
    skills: SkillFolders = SkillFolders()
    retrieval: Retrieval = Retrieval()
    logging: Logging = Logging()
    notes: tuple[str, ...] = ()


ENVIRONMENT: dict[str, tuple[str, str]] = {
    "OPENVIKING_HOST": ("server", "host"),
    "OPENVIKING_PORT": ("server", "port"),
    "OPENVIKING_STORAGE_PATH": ("storage", "path"),
    "OPENVIKING_MODEL_DIR": ("model", "dir"),
    "OPENVIKING_PRECISION": ("model", "precision"),
    "OPENVIKING_KERNELS": ("model", "kernels"),
    "OPENVIKING_THREADS": ("model", "threads"),
    "OPENVIKING_CACHE_BYTES": ("cache", "bytes_max"),
    "OPENVIKING_SKILLS": ("skills", "folders"),
    "LOG_LEVEL": ("logging", "level"),
    "LOG_FORMAT": ("logging", "format"),
}
"""Environment variable -> the section and key that it sets. Folders are separated by ``:``."""


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
        environ: the environment; None means the process's own.

    Raises:
        ConfigError: the file cannot be read, a key is unknown or a value has the wrong type.
    """
    environ = os.environ if environ is None else environ
    if path is None and environ.get("OPENVIKING_CONFIG_FILE"):
        path = Path(environ["OPENVIKING_CONFIG_FILE"])
    sections: dict[str, dict[str, Any]] = {} if path is None else _read(path, environ)
    where = "settings" if path is None else str(path)
    notes = _take_foreign(sections)
    _check_names(sections, where)
    for name, (section, key) in ENVIRONMENT.items():
        if environ.get(name):
            sections.setdefault(section, {})[key] = _parse(name, key, environ[name])
    for section, values in (overrides or {}).items():
        sections.setdefault(section, {}).update(values)
    settings = _convert(sections, where)
    return _validated(msgspec.structs.replace(settings, notes=tuple(notes)))


def _read(path: Path, environ: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    try:
        if path.stat().st_size > _CONFIG_BYTES_MAX:
            raise ConfigError(f"{path}: larger than {_CONFIG_BYTES_MAX} bytes; is it an ov.conf?")
        document = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); check the path") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: not valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"{path}: expected a JSON object, got {type(document).__name__}")
    sections: dict[str, dict[str, Any]] = {}
    for name, section in document.items():
        if not isinstance(section, dict):
            raise ConfigError(f"{path}: {name}: expected an object, got {type(section).__name__}")
        sections[name] = {
            key: value
            if name in FOREIGN_SECTIONS or key in FOREIGN_KEYS.get(name, {})
            else _substitute(value, environ, f"{path}: {name}.{key}")
            for key, value in section.items()
        }
    return sections


def _substitute(value: Any, environ: Mapping[str, str], where: str) -> Any:
    if isinstance(value, str):

        def replace(match: re.Match[str]) -> str:
            name = match[1]
            if name not in environ:
                raise ConfigError(f"{where}: the environment variable {name} is not set")
            return environ[name]

        return _VARIABLE.sub(replace, value)
    if isinstance(value, list):
        return [_substitute(item, environ, where) for item in value]
    return value


def _take_foreign(sections: dict[str, dict[str, Any]]) -> list[str]:
    """Remove the accepted keys that mean nothing here; return a note for each."""
    notes = [
        f"{name}: ignored, {why}" for name, why in FOREIGN_SECTIONS.items() if name in sections
    ]
    for name in FOREIGN_SECTIONS:
        sections.pop(name, None)
    for name, reasons in FOREIGN_KEYS.items():
        for key, why in reasons.items():
            if key in sections.get(name, {}):
                del sections[name][key]
                notes.append(f"{name}.{key}: ignored, {why}")
    return notes


def _check_names(sections: dict[str, dict[str, Any]], where: str) -> None:
    known = {
        field.name: [inner.name for inner in msgspec.structs.fields(field.type)]
        for field in msgspec.structs.fields(Settings)
        if field.name != "notes"
    }
    for section, values in sections.items():
        if section not in known:
            raise ConfigError(f"{where}: unknown section {section!r}{_hint(section, list(known))}")
        for key in values:
            if key not in known[section]:
                raise ConfigError(
                    f"{where}: unknown key {section}.{key}{_hint(key, known[section])}"
                )


def _hint(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else f"; known are {', '.join(sorted(known))}"


def _parse(variable: str, key: str, text: str) -> Any:
    if key in {"port", "threads", "bytes_max"}:
        try:
            return int(text)
        except ValueError:
            raise ConfigError(f"{variable}={text!r}: expected a whole number") from None
    if key == "folders":
        return [part for part in text.split(os.pathsep) if part]
    return text.upper() if key == "level" else text


def _convert(sections: dict[str, dict[str, Any]], where: str) -> Settings:
    level = sections.get("logging", {}).get("level")
    if isinstance(level, str):
        sections["logging"]["level"] = level.upper()
    try:
        return msgspec.convert(sections, Settings, dec_hook=_to_path)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{where}: {error}") from error


def _to_path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, (str, Path)) and str(value):
        return Path(value).expanduser()
    # msgspec adds the place in the document to a ValueError.
    raise ValueError(f"expected a path, got {value!r}")


def _validated(settings: Settings) -> Settings:
    """Refuse values that have the right type but make no sense."""
    checks = [
        ("server.port", 0 <= settings.server.port <= 65535, "between 0 and 65535"),
        ("server.requests_max", settings.server.requests_max >= 1, "at least 1"),
        ("server.deadline_s", 0 < settings.server.deadline_s <= 3600, "in (0, 3600]"),
        ("server.drain_s", 0 <= settings.server.drain_s <= 3600, "in [0, 3600]"),
        (
            "model.threads",
            settings.model.threads is None or 1 <= settings.model.threads <= 1024,
            "between 1 and 1024",
        ),
        ("cache.bytes_max", settings.cache.bytes_max >= 0, "at least 0"),
        (
            "retrieval.max_results",
            1 <= settings.retrieval.max_results <= 1000,
            "between 1 and 1000",
        ),
    ]
    for name, is_valid, expected in checks:
        if not is_valid:
            raise ConfigError(f"{name}: expected a value {expected}")
    return settings
