"""OpenViking: embeddings, skill search and memory for AI agents on one CPU machine.

    import openviking

    with openviking.Encoder.open() as encoder:
        vectors = encoder.encode(["a question", "a document"]).vectors

    with openviking.open() as engine:
        engine.skills.import_paths(["examples/skills"])
        print(engine.search_skills("clean a messy CSV file").hits[0].skill.name)

The names below are loaded on first use, so that ``import openviking`` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openviking.config import Settings, load_settings
    from openviking.encoder import Encoder
    from openviking.engine import Engine
    from openviking.errors import OpenVikingError
    from openviking.index import Index
    from openviking.types import Embeddings, Resource, Skill
    from openviking.vectors import normalize, search
    from openviking.version import __version__

_HOMES = {
    "Embeddings": "types",
    "Encoder": "encoder",
    "Engine": "engine",
    "Index": "index",
    "OpenVikingError": "errors",
    "Resource": "types",
    "Settings": "config",
    "Skill": "types",
    "load_settings": "config",
    "normalize": "vectors",
    "search": "vectors",
}

__all__ = [
    "Embeddings",
    "Encoder",
    "Engine",
    "Index",
    "OpenVikingError",
    "Resource",
    "Settings",
    "Skill",
    "__version__",
    "load_settings",
    "normalize",
    "open",
    "search",
]


def open(  # noqa: A001 - openviking.open() reads like the built-in it resembles
    config: Path | None = None, **overrides: Mapping[str, Any]
) -> Engine:
    """Open an engine on the configured model and storage.

    Args:
        config: an ``ov.conf``; None means ``$OPENVIKING_CONFIG_FILE`` if set, else the defaults.
        **overrides: sections of settings, e.g. ``storage={"path": "/data/openviking"}``.

    Raises:
        ConfigError: a setting is wrong.
        EncoderError: the model is missing or damaged; the message names the command to run.
        StoreError: the storage path cannot be used.
    """
    engine = import_module("openviking.engine").Engine
    settings = import_module("openviking.config").load_settings(config, overrides=overrides)
    opened: Engine = engine.open(settings)
    return opened


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return import_module("openviking.version").__version__
    if name in _HOMES:
        return getattr(import_module(f"openviking.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'openviking' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
