"""The builds that can be made of the model: their names, and how each is opened."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.encoder.layout import RUNTIME_VERSION, machine_id
from openviking.encoder.manifest import DEFAULT_KERNELS, BuildKey, Manifest
from openviking.encoder.session import PackedSession, SingleTextSession
from openviking.errors import EncoderError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openviking.encoder.manifest import Kernels, Precision
    from openviking.encoder.session import TokenSession
    from openviking.encoder.spec import ModelSpec

BUILDABLE = (BuildKey("int8", "native"), BuildKey("int8", "ort"), BuildKey("fp32", "ort"))
"""The combinations of precision and kernels that exist."""

BUILDERS: Mapping[Kernels, int] = {"native": 1, "ort": 1, "static": 1}
"""Version of each kind's graph, rounding and arithmetic: raise it when its vectors change."""

_ANY_MACHINE = "any"


def build_key(precision: Precision = "int8", kernels: Kernels | None = None) -> BuildKey:
    """Return the build of these two choices; raises InputError if there is none."""
    key = BuildKey(precision, kernels or DEFAULT_KERNELS.get(precision, "ort"))
    if key not in BUILDABLE:
        known = ", ".join(str(known) for known in BUILDABLE)
        raise InputError(f"there is no build {key}; there are {known}", loc=("kernels",))
    return key


def build_id(spec: ModelSpec, key: BuildKey) -> str:
    """Name weights and arithmetic: model, precision, kernels, builder and source.

    The stock operators' arithmetic is the runtime's and changes with its version.
    """
    name = f"{spec.name}-{key}-{BUILDERS[key.kernels]}-{spec.source_sha256[:8]}"
    return f"{name}-ort{RUNTIME_VERSION}" if key.kernels == "ort" else name


def machine_of(key: BuildKey) -> str:
    """Name the machine that a build's weights must be laid out for; ``any`` for native kernels."""
    return machine_id() if key.kernels == "ort" else _ANY_MACHINE


def for_this_machine(spec: ModelSpec, manifest: Manifest) -> Manifest:
    """Return the manifest of the same build as it computes here."""
    return replace(
        manifest, build_id=build_id(spec, manifest.key), machine=machine_of(manifest.key)
    )


def open_build(folder: Path, manifest: Manifest, *, threads: int) -> TokenSession:
    """Open the build in *folder*; weights that are not laid out for this machine are copied."""
    if manifest.kernels == "native":
        return PackedSession(folder / "model.onnx", threads=threads, operators=_operators())
    is_laid_out = manifest.machine == machine_id()
    return SingleTextSession(folder / "model.onnx", threads=threads, laid_out=is_laid_out)


def _operators() -> Path:
    """Return the extension module's file: ONNX Runtime loads the operators from it by itself."""
    found = find_spec("openviking._native")
    if found is None or not found.origin:
        raise EncoderError("openviking._native is missing; install the package again")
    return Path(found.origin)
