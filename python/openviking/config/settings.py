"""The settings struct: every section, key, type, default and limit of the configuration."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from openviking.errors import ConfigError
from openviking.config.conversation import Conversation, Llm, Memory, conversation_checks

if TYPE_CHECKING:
    from collections.abc import Mapping


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
    """The in-process cache of embeddings; ``bytes_max`` 0 turns it off."""

    bytes_max: int = 64 << 20


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


def validated(settings: Settings) -> Settings:
    """Refuse values that have the right type but make no sense; return *settings* as they are.

    Raises:
        ConfigError: names the key, its limits, the value and where the value came from.
    """
    server, threads = settings.server, settings.model.threads
    checks = [
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
        ("cache.bytes_max", settings.cache.bytes_max, settings.cache.bytes_max >= 0, "0 or more"),
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
