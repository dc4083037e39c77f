"""The manifest of one build on disk: what it is, what it was made from, and its exact files.

A build without a readable manifest does not exist. The manifest is written last, into a temporary
folder that is then renamed, so no killed process can leave half a build that looks whole.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Literal, TypeAlias

from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openviking.types import StageProgress

Precision: TypeAlias = Literal["int8", "fp32"]
"""How weights are stored: 8-bit blocks with a scale each, or float32 as published."""

Kernels: TypeAlias = Literal["native", "ort", "static"]
"""Who computes: this package's operators inside ONNX Runtime, its stock operators alone, or nobody:
a table of token rows is only looked up."""

DEFAULT_KERNELS: Mapping[Precision, Kernels] = {"int8": "native", "fp32": "ort"}
"""What ``kernels=None`` means: the one place where the default is chosen."""

MANIFEST = "manifest.json"
_FORMAT = 1
_MANIFEST_BYTES_MAX = 1 << 16
_HASHED_AT_OPEN_BYTES_MAX = 1 << 20
"""Files up to this size are hashed at every open (2 ms); larger ones only by a full check."""


@dataclass(frozen=True, slots=True)
class BuildKey:
    """Which of the possible builds of the model is meant."""

    precision: Precision
    kernels: Kernels

    def __str__(self) -> str:
        return f"{self.precision}-{self.kernels}"


STATIC = BuildKey("int8", "static")
"""The table of the ``fast`` tier, which is made from a build of the model."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """Size and BLAKE2b-128 hex digest of one file."""

    bytes: int
    digest: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What one build is.

    Attributes:
        build_id: names weights and arithmetic; vectors of two ids are never mixed.
        builder: version of the code that made it.
        precision: how weights are stored.
        kernels: who computes.
        source_sha256: digest of the safetensors file that the build was made from.
        machine: runtime version and instruction set for which the weights are laid out.
        cosine_mean: mean cosine to the float32 reference vectors, measured when it was built.
        cosine_min: smallest of these cosines.
        files: file name -> size and digest.
    """

    build_id: str
    builder: int
    precision: Precision
    kernels: Kernels
    source_sha256: str
    machine: str
    cosine_mean: float
    cosine_min: float
    files: Mapping[str, FileRecord]

    @property
    def key(self) -> BuildKey:
        """Which build this is."""
        return BuildKey(self.precision, self.kernels)

    @property
    def bytes(self) -> int:
        """Size of all files, in bytes."""
        return sum(record.bytes for record in self.files.values())


def record_files(folder: Path, names: list[str]) -> dict[str, FileRecord]:
    """Flush the named files of *folder* to disk and return their sizes and digests."""
    records = {}
    for name in names:
        with (folder / name).open("rb") as file:
            os.fsync(file.fileno())
        records[name] = FileRecord((folder / name).stat().st_size, _digest(folder / name))
    return records


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write *manifest* into *folder* and flush it to disk."""
    text = json.dumps({"format": _FORMAT, **asdict(manifest)}, indent=1)
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of the build in *folder*.

    Raises:
        FileNotFoundError: there is no build.
        EncoderError: the manifest is damaged or of another format.
    """
    path = folder / MANIFEST
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(_MANIFEST_BYTES_MAX))
        if fields.pop("format") != _FORMAT:
            raise EncoderError(f"{path} is of another format; {mend(folder)}")
        files = {name: FileRecord(**record) for name, record in fields.pop("files").items()}
        return Manifest(**fields, files=files)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise EncoderError(f"{path} is damaged ({error}); {mend(folder)}") from error


def check_files(
    folder: Path, manifest: Manifest, *, full: bool, report: StageProgress | None = None
) -> None:
    """Compare the files of *folder* with *manifest*: sizes, small files' digests, all if *full*.

    Raises:
        EncoderError: a file is missing, has another size or another content.
    """
    done = 0
    for name, record in manifest.files.items():
        try:
            found_bytes = (folder / name).stat().st_size
        except OSError as error:
            raise EncoderError(f"{folder / name} is missing; {mend(folder)}") from error
        if found_bytes != record.bytes:
            raise EncoderError(
                f"{folder / name} has {found_bytes} bytes, expected {record.bytes}; {mend(folder)}"
            )
        if (full or record.bytes <= _HASHED_AT_OPEN_BYTES_MAX) and (
            _digest(folder / name) != record.digest
        ):
            raise EncoderError(f"{folder / name} is damaged: wrong digest; {mend(folder)}")
        done += record.bytes
        if report:
            report(f"verify {manifest.key}", done, manifest.bytes)


def mend(folder: Path, verb: str = "mend") -> str:
    """Say which command repairs the build in *folder*, or gets it."""
    precision, _, kernels = folder.name.partition("-")
    if folder.name == str(STATIC):
        return f"{verb} it with `openviking model build-fast`"
    return f"{verb} it with `openviking model pull --precision {precision} --kernels {kernels}`"


def _digest(path: Path) -> str:
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
