"""From the published weights to a build: graph, layout, check of fidelity, manifest, rename.

A build is made in a temporary folder beside its final place and renamed when it is complete, so it
is there whole or not at all. The caller holds the lock of the model's folder.
"""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from openviking.encoder.graph import write_graph
from openviking.encoder.layout import RUNTIME_VERSION, lay_out, lay_out_again, machine_id
from openviking.encoder.machine import processor_count
from openviking.encoder.manifest import (
    MODEL,
    BuildKey,
    Manifest,
    record_files,
    write_manifest,
)
from openviking.encoder.reference import check_cosines, measure_cosines
from openviking.encoder.session import SingleTextSession
from openviking.encoder.tokenizer import TextTokenizer
from openviking.encoder.weights import read_weights
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openviking.encoder.session import TokenSession
    from openviking.encoder.source import SourceFiles

TOKENS_MAX = 384
"""The window that the model was trained for; two files of the model name other limits wrongly."""

BUILDER = 1
"""Version of the arithmetic written by this package: raise it when vectors change."""

BUILDABLE = (BuildKey("int8", "ort"), BuildKey("fp32", "ort"))
"""The combinations of precision and kernels that exist."""

TOKENIZER = "tokenizer.json"


def build(source: SourceFiles, key: BuildKey, folder: Path) -> Manifest:
    """Build *key* from *source* into *folder*, replacing what may be there.

    Raises:
        EncoderError: the source is no MPNet, or the result computes wrong vectors here.
        InputError: there is no such build.
    """
    with _temporary(folder) as work:
        weights = read_weights(source.weights)
        plain = work / "plain"
        plain.mkdir()
        graph = write_graph(
            weights, plain, quantized=key.precision == "int8", tokens_max=TOKENS_MAX
        )
        files = lay_out(graph, work)
        shutil.rmtree(plain)
        shutil.copyfile(source.tokenizer, work / TOKENIZER)
        manifest = Manifest(
            build_id=build_id(key, source.weights_sha256),
            builder=BUILDER,
            precision=key.precision,
            kernels=key.kernels,
            source_sha256=source.weights_sha256,
            machine=machine_id(),
            cosine_mean=0.0,
            cosine_min=0.0,
            files=record_files(work, [*files, TOKENIZER]),
        )
        return _finish(work, manifest)


def lay_out_for_this_machine(folder: Path, old: Manifest) -> Manifest:
    """Rearrange the weights of a build that came from another machine or another runtime."""
    with _temporary(folder) as work:
        files = lay_out_again(folder, work)
        shutil.copyfile(folder / TOKENIZER, work / TOKENIZER)
        manifest = replace(for_this_machine(old), files=record_files(work, [*files, TOKENIZER]))
        return _finish(work, manifest)


def for_this_machine(manifest: Manifest) -> Manifest:
    """Return the manifest of the same build as it computes here."""
    return replace(
        manifest,
        build_id=build_id(manifest.key, manifest.source_sha256),
        machine=machine_id(),
    )


def build_id(key: BuildKey, source_sha256: str) -> str:
    """Name weights and arithmetic: source, builder, precision, kernels and runtime version."""
    return f"{MODEL}-{key}-{BUILDER}-{source_sha256[:8]}-ort{RUNTIME_VERSION}"


def open_build(folder: Path, manifest: Manifest, *, threads: int) -> TokenSession:
    """Open the build in *folder*; weights that are not laid out for this machine are copied."""
    is_laid_out = manifest.machine == machine_id()
    return SingleTextSession(folder / "model.onnx", threads=threads, laid_out=is_laid_out)


def _finish(work: Path, manifest: Manifest) -> Manifest:
    tokenizer = TextTokenizer(work / TOKENIZER, tokens_max=TOKENS_MAX)
    session = open_build(work, manifest, threads=processor_count())
    mean, least = measure_cosines(tokenizer, session)
    check_cosines(manifest.precision, mean, least)
    manifest = replace(manifest, cosine_mean=mean, cosine_min=least)
    write_manifest(work, manifest)
    return manifest


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that replaces *folder* if the block succeeds and goes away if not."""
    work = folder.with_name(f".{folder.name}.new")
    old = folder.with_name(f".{folder.name}.old")
    try:
        # Left by a killed process: the lock is ours, so nobody is using them.
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)
        work.mkdir(parents=True)
        yield work
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
        _flush_folder(folder.parent)
    except OSError as error:
        raise EncoderError(f"cannot write {folder}: {error}") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
