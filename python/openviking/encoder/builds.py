"""The builds that can be made of the model: their names, and how each is opened."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from openviking.encoder.layout import RUNTIME_VERSION, machine_id
from openviking.encoder.manifest import DEFAULT_KERNELS, BuildKey, Manifest
from openviking.encoder.session import SingleTextSession
from openviking.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.encoder.manifest import Kernels, Precision
    from openviking.encoder.session import TokenSession
    from openviking.encoder.spec import ModelSpec

BUILDABLE = (BuildKey("int8", "ort"), BuildKey("fp32", "ort"))
"""The combinations of precision and kernels that exist."""

BUILDER = 1
"""Version of the graphs and of the rounding: raise it when vectors change."""


def build_key(precision: Precision = "int8", kernels: Kernels | None = None) -> BuildKey:
    """Return the build of these two choices; raises InputError if there is none."""
    key = BuildKey(precision, kernels or DEFAULT_KERNELS.get(precision, "ort"))
    if key not in BUILDABLE:
        known = ", ".join(str(known) for known in BUILDABLE)
        raise InputError(f"there is no build {key}; there are {known}", loc=("kernels",))
    return key


def build_id(spec: ModelSpec, key: BuildKey) -> str:
    """Name weights and arithmetic: model, precision, kernels, builder, source, runtime version."""
    return f"{spec.name}-{key}-{BUILDER}-{spec.source_sha256[:8]}-ort{RUNTIME_VERSION}"


def for_this_machine(spec: ModelSpec, manifest: Manifest) -> Manifest:
    """Return the manifest of the same build as it computes here."""
    return replace(manifest, build_id=build_id(spec, manifest.key), machine=machine_id())


def open_build(folder: Path, manifest: Manifest, *, threads: int) -> TokenSession:
    """Open the build in *folder*; weights that are not laid out for this machine are copied."""
    is_laid_out = manifest.machine == machine_id()
    return SingleTextSession(folder / "model.onnx", threads=threads, laid_out=is_laid_out)
