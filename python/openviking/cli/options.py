"""Options that several commands share, and what they add up to: the settings and the engine."""

from __future__ import annotations

import json
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from openviking.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from openviking.config import Settings
    from openviking.engine import Engine
    from openviking.skills import Skills
    from openviking.store import SqliteStore
    from openviking.types import TextEncoder

F = TypeVar("F", bound="Callable[..., Any]")


@dataclass
class State:
    """What one run of the command line carries from its options to its command.

    Attributes:
        is_json: results and errors are printed as JSON.
        is_debug: errors are printed with their traceback.
        config: the ``ov.conf`` named on the command line.
        overrides: section -> key -> value, from options.
        encoder: used instead of the configured model; only tests give one.
    """

    is_json: bool = False
    is_debug: bool = False
    config: Path | None = None
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    encoder: TextEncoder | None = None

    def settings(self) -> Settings:
        """Load the settings; raises ConfigError."""
        from openviking.config import load_settings

        return load_settings(self.config, overrides=self.overrides)

    def open_engine(self) -> Engine:
        """Open the engine on these settings; the caller closes it."""
        from openviking.engine import Engine

        settings = self.settings()
        with storage_hint():
            return Engine.open(settings, encoder=self.encoder)

    @contextmanager
    def open_store(self, over_http: str = "") -> Iterator[SqliteStore]:
        """Open the storage alone, without the model; *over_http* as in :func:`storage_hint`."""
        from openviking.store import SqliteStore

        settings = self.settings()
        with storage_hint(over_http):
            store = SqliteStore(settings.storage.path)
        with closing(store):
            yield store

    @contextmanager
    def open_skills(self, over_http: str = "") -> Iterator[Skills]:
        """Open the stored skills without the model: to list, show, switch and delete them."""
        from openviking.encoder.closed import ClosedEncoder
        from openviking.skills import Skills

        chosen = self.settings().model
        encoder = self.encoder or ClosedEncoder.of(
            precision=chosen.precision, kernels=chosen.kernels
        )
        with self.open_store(over_http) as store, closing(Skills(store, encoder)) as skills:
            yield skills

    def open_encoder(self) -> Any:
        """Open the model alone, without a storage; the caller closes it."""
        if self.encoder is not None:
            return self.encoder
        from openviking.encoder import Encoder

        chosen = self.settings().model
        return Encoder.open(
            model_dir=chosen.dir,
            precision=chosen.precision,
            kernels=chosen.kernels,
            threads=chosen.threads,
        )


@contextmanager
def storage_hint(over_http: str = "") -> Iterator[None]:
    """Add to the store's refusal of a second process what a person at a shell can do.

    Args:
        over_http: the request that does the same on a running server, if one does.
    """
    from openviking.errors import StoreInUseError

    try:
        yield
    except StoreInUseError as error:
        raise StoreInUseError(
            f"{error}; if that is a running server, ask it over HTTP instead "
            f"({over_http or 'its /docs page lists the routes'})"
        ) from error


def json_object(text: str | None) -> dict[str, Any] | None:
    """Read the JSON object of an option."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--metadata: not valid JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError('--metadata: expected a JSON object, e.g. \'{"author": "Olga"}\'')
    return value


pass_state = click.make_pass_decorator(State)


def _remember(name: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        del param
        if value:
            setattr(ctx.ensure_object(State), name, value)

    return store


def setting(
    *flags: str,
    key: str,
    text: str,
    kind: Any = str,
    multiple: bool = False,
) -> Callable[[F], F]:
    """Make an option that overrides the setting *key*, written ``section.name``.

    *text* is its help, to which the environment variable that sets the same is added.
    """
    from openviking.config import ENVIRONMENT

    section, name = key.split(".")
    variable = next((v for v, place in ENVIRONMENT.items() if place == (section, name)), None)

    def store(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        del param
        if value is not None and value != ():
            overrides = ctx.ensure_object(State).overrides
            overrides.setdefault(section, {})[name] = list(value) if multiple else value

    source = f"  [env: {variable}]" if variable else ""
    return click.option(
        *flags,
        type=kind,
        multiple=multiple,
        expose_value=False,
        callback=store,
        help=f"{text}{source}",
    )


def common(function: F) -> F:
    """Add ``--config``, ``--json`` and ``--debug``."""
    for option in (
        click.option(
            "--debug",
            is_flag=True,
            expose_value=False,
            callback=_remember("is_debug"),
            help="Show the traceback of an error.",
        ),
        click.option(
            "--json",
            is_flag=True,
            expose_value=False,
            callback=_remember("is_json"),
            help="Print results on standard output, and errors on standard error, as JSON.",
        ),
        click.option(
            "--config",
            type=click.Path(path_type=Path),
            metavar="FILE",
            expose_value=False,
            callback=_remember("config"),
            help="Settings file (ov.conf).  [env: OPENVIKING_CONFIG_FILE]",
        ),
    ):
        function = option(function)
    return function


def namespace(function: F) -> F:
    """Add ``--user`` and ``--agent``; the command gets them as ``whose``, a Namespace."""
    from openviking.types import Namespace

    @click.option("--user", default="", help="Whose conversations: this person's.")
    @click.option("--agent", default="", help="Whose conversations: this agent's.")
    @wraps(function)
    def with_whose(*args: Any, user: str, agent: str, **options: Any) -> Any:
        return function(*args, whose=Namespace(user, agent), **options)

    return cast("F", with_whose)


def storage(function: F) -> F:
    """Add ``--storage``."""
    return setting(
        "--storage",
        key="storage.path",
        kind=click.Path(),
        text="Folder that holds skills and resources.",
    )(function)


def model_build(function: F) -> F:
    """Add ``--model-dir``, ``--precision`` and ``--kernels``: which build is meant."""
    for option in (
        setting(
            "--kernels",
            key="model.kernels",
            kind=click.Choice(["native", "ort"]),
            text="Our operators or ONNX Runtime's own; default the faster.",
        ),
        setting(
            "--precision",
            key="model.precision",
            kind=click.Choice(["int8", "fp32"]),
            text="Weights: int8 (default; small and fast) or fp32.",
        ),
        setting("--model-dir", key="model.dir", kind=click.Path(), text="Folder of built models."),
    ):
        function = option(function)
    return function


def model(function: F) -> F:
    """Add the options of :func:`model_build` and ``--threads``."""
    threads = setting(
        "--threads",
        key="model.threads",
        kind=int,
        text="CPU threads; default all, or as a server measures.",
    )
    return model_build(threads(function))
