"""``openviking doctor``: check what the server needs, one real attempt per line."""

from __future__ import annotations

import errno
import socket
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Literal

import click

from openviking.cli.options import State, common, model, setting, storage
from openviking.cli.output import plain, print_json
from openviking.errors import BackendError, InputError, OpenVikingError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.config import Settings

_LIBRARIES = (
    "openviking-native",
    "openviking-asgi",
    "onnxruntime",
    "numpy",
    "tokenizers",
    "usearch",
    "apsw",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report; ``mend`` says what to do unless the status is ``ok``."""

    name: str
    status: Literal["ok", "warning", "failed"]
    detail: str
    mend: str = ""


@click.command()
@setting("--host", key="server.host", text="Address that the server will bind.")
@setting("--port", key="server.port", kind=int, text="Port that the server will use.")
@click.option("--write", "writes", is_flag=True, help="Also open the storage and write to it.")
@storage
@model
@common
@click.pass_context
def command(ctx: click.Context, writes: bool) -> None:
    """Check settings, CPU, model, storage, skill folders, Redis, port; exit 1 if one fails.

    Every byte of the model is read and a test text is embedded. Every page of the storage is read,
    also while a server uses it; nothing in it is changed unless --write is given.

    \b
    Examples:
      openviking doctor
      openviking doctor --storage /data/openviking --json
      openviking doctor --write          also open the storage and write to it
    """
    state = ctx.find_object(State) or State()
    settings = state.settings()
    checks = examine(settings, writes=writes)
    if state.is_json:
        print_json([asdict(check) for check in checks])
    else:
        for check in checks:
            _print(check)
    if any(check.status == "failed" for check in checks):
        ctx.exit(1)


def examine(settings: Settings, *, writes: bool = False) -> list[Check]:
    """Run every check; a check that fails stops none of the others."""
    attempts: list[tuple[str, Callable[[Settings], Check | list[Check]]]] = [
        ("settings", check_settings),
        ("versions", check_versions),
        ("cpu", check_cpu),
        ("model", check_model),
        ("storage", check_storage),
        ("skills", check_skills),
        ("commands", check_commands),
        ("redis", check_redis),
        ("port", check_port),
    ]
    if writes:
        attempts.append(("writing", check_writing))
    found: list[Check] = []
    for name, attempt in attempts:
        try:
            made = attempt(settings)
            found += made if isinstance(made, list) else [made]
        except (OpenVikingError, OSError, ImportError) as error:
            found.append(Check(name, "failed", str(error)))
    return found


def check_settings(settings: Settings) -> Check:
    """Tell where settings come from, and which have no effect."""
    sources = sorted(set(settings.sources.values())) or ["defaults only"]
    if settings.notes:
        return Check("settings", "warning", "; ".join(settings.notes), "correct or remove them")
    return Check("settings", "ok", ", ".join(sources))


def check_versions(settings: Settings) -> Check:
    """Name the versions that matter; the server may be missing."""
    del settings
    found = [f"Python {sys.version.split()[0]}"]
    missing = []
    for name in _LIBRARIES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    detail = ", ".join(found)
    if missing:
        mend = f"missing: {', '.join(missing)}; install from the repository: pip install . ./asgi"
        return Check("versions", "warning", detail, mend)
    return Check("versions", "ok", detail)


def check_cpu(settings: Settings) -> Check:
    """Name the kernels that this processor gets."""
    from openviking.encoder.machine import processor_count
    from openviking.vectors import cpu_level

    level, threads = cpu_level(), settings.model.threads or processor_count()
    detail = f"{level} kernels, {threads} threads"
    if level == "scalar":
        return Check("cpu", "warning", detail, "encoding and search are slow on this processor")
    return Check("cpu", "ok", detail)


def check_model(settings: Settings) -> Check:
    """Read every byte of the build, open it, and embed a text."""
    from openviking.cli.pulling import chosen_build
    from openviking.encoder import Encoder, models

    chosen, key = settings.model, chosen_build(settings)
    models.verify(key, chosen.dir)
    with Encoder.open(
        model_dir=chosen.dir, precision=key.precision, kernels=key.kernels, threads=chosen.threads
    ) as encoder:
        encoder.encode(["openviking doctor"])
        encoder.tune()
        found = encoder.stats()
        measured = [f"{ms} ms with {n}" for n, ms in found["query_ms_by_threads"].items()]
        speed = f"a short query takes {' and '.join(measured)}" if measured else "as configured"
        detail = (
            f"{key}, {encoder.build_id}, {models.path(key, chosen.dir)}, "
            f"threads: {found['threads']} ({speed})"
        )
    return Check("model", "ok", detail)


def check_storage(settings: Settings) -> list[Check]:
    """Read every page of the storage; nothing in it is changed."""
    from openviking.store import examine

    return [
        Check("storage", finding.status, finding.detail, finding.mend)
        for finding in examine(settings.storage.path)
    ]


def check_writing(settings: Settings) -> Check:
    """Open the storage as a server does, which makes it if it is missing, and write to it."""
    from openviking.store import SqliteStore

    store = SqliteStore(settings.storage.path)
    try:
        store.check()
    finally:
        store.close()
    return Check("writing", "ok", f"{settings.storage.path}: a write is on disk")


def check_skills(settings: Settings) -> Check:
    """See whether the configured folders are there."""
    folders = settings.skills.folders
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    if missing:
        mend = "make the folder, or change --skills, OPENVIKING_SKILLS or skills.folders"
        return Check("skills", "failed", f"no such folder: {', '.join(missing)}", mend)
    return Check("skills", "ok", ", ".join(map(str, folders)) or "no folders are watched")


def check_commands(settings: Settings) -> Check:
    """Read the slash commands, and count what is odd about them."""
    from openviking.commands import Commands

    commands = Commands(settings.commands.folders)
    refused = [finding for finding in commands.findings() if finding.severity == "error"]
    if refused:
        first = refused[0]
        detail = f"{len(refused)} files or folders left out, e.g. {first.path}: {first.message}"
        return Check("commands", "warning", detail, "`openviking commands list` names them all")
    if not commands.folders:
        return Check("commands", "ok", "no folders are read")
    return Check("commands", "ok", f"{len(commands.names())} slash commands")


def check_redis(settings: Settings) -> Check:
    """Ask the Redis of the cache, if there is one; without it the server works as well."""
    from openviking.cache import why_unusable

    url = settings.cache.redis_url
    if url is None:
        return Check("redis", "ok", "not configured; embeddings are cached in memory only")
    reason = why_unusable(url)
    if reason is not None:
        mend = "the server runs without it; mend it, or leave out cache.redis_url"
        return Check("redis", "warning", f"{url}: {reason}", mend)
    return Check("redis", "ok", f"{url} answers")


def check_port(settings: Settings) -> Check:
    """Bind the address, or find out who has it."""
    from openviking.cli.probe import ask, url_of

    host, port = settings.server.host, settings.server.port
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        socket.create_server(address[:2], family=family).close()
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            mend = "choose another with --host and --port"
            return Check("port", "failed", f"{host}:{port}: {error.strerror}", mend)
    else:
        return Check("port", "ok", f"{host}:{port} is free")
    try:
        status, _ = ask(url_of(settings, "/livez"), 2.0)
    except (BackendError, InputError):
        status = 0
    if status == 200:
        mend = "fine if that is your server"
        return Check("port", "warning", f"{host}:{port}: a server answers there", mend)
    mend = "stop the other program, or choose another port with --port"
    return Check("port", "failed", f"{host}:{port} is in use by another program", mend)


def _print(check: Check) -> None:
    colour = {"ok": "green", "warning": "yellow", "failed": "red"}[check.status]
    click.secho(f"{check.status:<8}", fg=colour, nl=False)
    click.echo(f"{check.name:<9} {plain(check.detail)}")
    if check.mend:
        click.echo(f"{'':<18}{plain(check.mend)}")
