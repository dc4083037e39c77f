"""The settings struct: every section, key, type, default and limit of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from openviking.config.conversation import Conversation, Llm, Memory, conversation_checks
from openviking.config.redis_url import RedisUrl  # noqa: TC001 - msgspec reads the annotation
from openviking.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping


CACHE_TTL_S_MAX = 10 * 365 * 86_400
"""Longest time to live of a cached embedding: ten years."""


def home(variable: str, below: str, environ: Mapping[str, str] | None = None) -> Path:
    """Return our folder under one of the XDG base directories.

    Args:
        variable: ``XDG_CACHE_HOME`` or ``XDG_DATA_HOME``; a relative value is ignored, as the XDG
            specification demands.
        below: where that directory is under the home folder if the variable is not set.
        environ: the environment; None means the process's own.

    Raises:
        ConfigError: there is no home folder, as for a container user without a passwd entry.
    """
    environ = os.environ if environ is None else environ
    stated = environ.get(variable, "")
    if Path(stated).is_absolute():
        return Path(stated) / "openviking"
    if environ.get("HOME"):
        return Path(environ["HOME"]) / below / "openviking"
    try:
        return Path.home() / below / "openviking"
    except RuntimeError as error:
        raise ConfigError(
            f"there is no home folder to put data under: set {variable}, or "
            "OPENVIKING_STORAGE_PATH and OPENVIKING_MODEL_DIR"
        ) from error


def storage_default(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder that holds what lasts if no setting says otherwise."""
    return home("XDG_DATA_HOME", ".local/share", environ)


def model_default(environ: Mapping[str, str] | None = None) -> Path:
    """Return the folder of built models if no setting says otherwise."""
    return home("XDG_CACHE_HOME", ".cache", environ) / "models"


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

    path: Path = msgspec.field(default_factory=storage_default)


class Model(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which build of the embedding model runs.

    Attributes:
        dir: folder of built models.
        precision: ``int8`` (a quarter of the size, several times faster) or ``fp32``.
        kernels: ``native`` (our operators inside ONNX Runtime) or ``ort`` (its stock operators);
            None picks the best that the precision has.
        threads: CPU threads for one encoding; None means all cores.
    """

    dir: Path = msgspec.field(default_factory=model_default)
    precision: Literal["int8", "fp32"] = "int8"
    kernels: Literal["native", "ort"] | None = None
    threads: int | None = None


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Embeddings already computed: in this process, then in a Redis that servers share.

    Attributes:
        bytes_max: memory of the in-process tier; 0 turns that tier off.
        ttl_s: seconds after which an embedding is computed anew, in both tiers; None means never.
        redis_url: the Redis; None means no second tier.
        redis_timeout_s: seconds that a request waits for Redis before it does without.
        redis_recovery_s: seconds that Redis is left alone after a failure, until it is tried again.
    """

    bytes_max: int = 64 << 20
    # So that a Redis without a memory limit does not grow for ever with texts never seen again.
    ttl_s: float | None = 30 * 86_400.0
    redis_url: RedisUrl | None = None
    redis_timeout_s: float = 0.05
    redis_recovery_s: float = 5.0


class SkillFolders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Folders of SKILL.md files that are imported at start and watched for edits."""

    folders: tuple[Path, ...] = ()


class CommandFolders(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Folders of Markdown files, one slash command each; read anew when a file changes."""

    folders: tuple[Path, ...] = ()


class Retrieval(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many skills a search returns when the request does not say."""

    max_results: int = 10


class Logging(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is logged to standard error: from which level on, and in which form."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    format: Literal["json", "console"] = "json"


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings.

    Attributes:
        notes: which accepted keys have no effect, and why.
        sources: ``section.key`` -> where its value came from; a key that is absent has its default.
    """

    server: Server = Server()
    storage: Storage = msgspec.field(default_factory=Storage)
    model: Model = msgspec.field(default_factory=Model)
    cache: Cache = Cache()
    skills: SkillFolders = SkillFolders()
    commands: CommandFolders = CommandFolders()
    retrieval: Retrieval = Retrieval()
    conversation: Conversation = Conversation()
    memory: Memory = Memory()
    llm: Llm = Llm()
    logging: Logging = Logging()
    notes: tuple[str, ...] = ()
    sources: dict[str, str] = {}


def _cache_checks(cache: Cache) -> list[tuple[str, object, bool, str]]:
    ttl_s, timeout_s, recovery_s = cache.ttl_s, cache.redis_timeout_s, cache.redis_recovery_s
    return [
        ("cache.bytes_max", cache.bytes_max, cache.bytes_max >= 0, "0 or more"),
        (
            "cache.ttl_s",
            ttl_s,
            ttl_s is None or 1 <= ttl_s <= CACHE_TTL_S_MAX,
            f"1 to {CACHE_TTL_S_MAX}, or null",
        ),
        ("cache.redis_timeout_s", timeout_s, 0.001 <= timeout_s <= 10, "0.001 to 10"),
        ("cache.redis_recovery_s", recovery_s, 0.1 <= recovery_s <= 3600, "0.1 to 3600"),
    ]


def validated(settings: Settings) -> Settings:
    """Refuse values that have the right type but make no sense; return *settings* as they are.

    Raises:
        ConfigError: names the key, its limits, the value and where the value came from.
    """
    server, threads = settings.server, settings.model.threads
    checks: list[tuple[str, object, bool, str]] = [
        ("server.host", server.host, bool(server.host.strip()), "an address such as 127.0.0.1"),
        ("server.port", server.port, 0 <= server.port <= 65535, "0 to 65535"),
        ("server.requests_max", server.requests_max, server.requests_max >= 1, "1 or more"),
        (
            "server.deadline_s",
            server.deadline_s,
            0 < server.deadline_s <= 3600,
            "more than 0, at most 3600",
        ),
        ("server.drain_s", server.drain_s, 0 <= server.drain_s <= 3600, "0 to 3600"),
        ("model.threads", threads, threads is None or 1 <= threads <= 1024, "1 to 1024"),
        *_cache_checks(settings.cache),
        (
            "retrieval.max_results",
            settings.retrieval.max_results,
            1 <= settings.retrieval.max_results <= 1000,
            "1 to 1000",
        ),
        *conversation_checks(settings.llm, settings.conversation, server.deadline_s),
    ]
    for name, value, is_valid, expected in checks:
        if not is_valid:
            source = settings.sources.get(name, "default")
            raise ConfigError(f"{source}: {name}: expected {expected}, got {value!r}")
    return settings
