"""Laying weights out for this machine, in files that ONNX Runtime maps and uses as they lie.

ONNX Runtime rearranges weights for the instruction set it finds. Doing that at every start costs
time and a copy on the heap, so it is done once and saved. The saved file holds both the plain
weights, which are then never read, and the rearranged ones, which are right for one version of the
runtime on one kind of processor only; using them elsewhere would give wrong vectors without notice.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

import onnxruntime

from openviking.encoder.machine import instruction_set_id
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from pathlib import Path

RUNTIME_VERSION: str = onnxruntime.__version__
_GRAPH, _DATA = "model.onnx", "model.bin"
_ERRORS_ONLY = 3


def machine_id() -> str:
    """Name what a layout depends on: the runtime's version and the instruction set."""
    return f"ort{RUNTIME_VERSION}-{instruction_set_id()}"


def lay_out(graph: Path, folder: Path) -> list[str]:
    """Optimise the ONNX file *graph* and write it to *folder*, laid out for this machine.

    Returns:
        The names of the files written, the ONNX file first.
    """
    options = quiet_options()
    # Higher levels fuse Add and LayerNormalization into an operator that is five times slower.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(folder / _GRAPH)
    for entry, value in (
        ("session.save_external_prepacked_constant_initializers", "1"),
        ("session.optimized_model_external_initializers_file_name", _DATA),
        ("session.optimized_model_external_initializers_min_size_in_bytes", "1024"),
    ):
        options.add_session_config_entry(entry, value)
    open_session(graph, options)
    return [_GRAPH, _DATA]


def lay_out_again(old: Path, folder: Path) -> list[str]:
    """Write the build in *old*, laid out for another machine, to *folder* for this one."""
    plain = folder / "plain"
    plain.mkdir()
    try:
        (plain / _GRAPH).write_bytes(without_layout(old / _GRAPH))
        try:
            os.link(old / _DATA, plain / _DATA)
        except OSError:
            shutil.copyfile(old / _DATA, plain / _DATA)  # a file system without hard links
        return lay_out(plain / _GRAPH, folder)
    finally:
        shutil.rmtree(plain)


def without_layout(path: Path) -> bytes:
    """Return the ONNX file *path* without its references to rearranged weights."""
    import onnx  # noqa: PLC0415 - 10 MB that a process which only encodes does not need

    try:
        model = onnx.load(str(path), load_external_data=False)
    except Exception as error:  # protobuf's DecodeError is not a public name
        raise EncoderError(f"cannot read {path}: {error}") from error
    for tensor in model.graph.initializer:
        plain = [entry for entry in tensor.external_data if not entry.key.startswith("prepacked")]
        del tensor.external_data[:]
        tensor.external_data.extend(plain)
    content: bytes = model.SerializeToString()
    return content


def open_session(model: Path | bytes, options: Any) -> Any:
    """Open an ONNX file, or its content, on the CPU; raises EncoderError."""
    try:
        return onnxruntime.InferenceSession(
            model if isinstance(model, bytes) else str(model),
            options,
            providers=["CPUExecutionProvider"],
        )
    except Exception as error:  # the runtime's exceptions share no public base
        name = "the model" if isinstance(model, bytes) else model
        raise EncoderError(f"ONNX Runtime cannot open {name}: {error}") from error


def quiet_options() -> Any:
    """Return session options that print errors only."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    return options
