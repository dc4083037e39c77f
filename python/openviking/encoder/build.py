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

from openviking.encoder.builds import (
    BUILDERS,
    build_id,
    for_this_machine,
    machine_of,
    open_build,
)
from openviking.encoder.graph import write_graph
from openviking.encoder.graph_native import WEIGHTS_NAME, write_native_graph
from openviking.encoder.layout import lay_out, lay_out_again
from openviking.encoder.machine import processor_count
from openviking.encoder.manifest import BuildKey, Manifest, record_files, write_manifest
from openviking.encoder.reference import check_cosines, measure_cosines
from openviking.encoder.spec import TOKENIZER, WEIGHTS
from openviking.encoder.tokenizer import TextTokenizer
from openviking.encoder.weights import read_weights
from openviking.errors import EncoderError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from openviking.encoder.spec import ModelSpec
    from openviking.encoder.weights import Weights
    from openviking.types import StageProgress


def build(
    spec: ModelSpec, source: Path, key: BuildKey, folder: Path, report: StageProgress
) -> Manifest:
    """Build *key* from the verified files in *source* into *folder*, replacing what may be there.

    Raises:
        EncoderError: the source is no MPNet, the disk is full, or the result computes wrong
            vectors on this machine.
    """
    with replacing(folder) as work:
        weights = read_weights(source / WEIGHTS)
        report(f"build {key}", 0, weights.layers)
        if key.kernels == "native":
            graph = write_native_graph(weights, work, tokens_max=spec.tokens_max)
            files = [graph.name, WEIGHTS_NAME]
        else:
            files = _write_ort(spec, weights, key, work, report)
        report(f"build {key}", weights.layers, weights.layers)
        shutil.copyfile(source / TOKENIZER, work / TOKENIZER)
        manifest = Manifest(
            build_id=build_id(spec, key),
            builder=BUILDERS[key.kernels],
            precision=key.precision,
            kernels=key.kernels,
            source_sha256=spec.source_sha256,
            machine=machine_of(key),
            cosine_mean=0.0,
            cosine_min=0.0,
            files=record_files(work, [*files, TOKENIZER]),
        )
        return _finish(spec, work, manifest, report)


def _write_ort(
    spec: ModelSpec, weights: Weights, key: BuildKey, work: Path, report: StageProgress
) -> list[str]:
    plain = work / "plain"
    plain.mkdir()
    graph = write_graph(
        weights,
        plain,
        quantized=key.precision == "int8",
        tokens_max=spec.tokens_max,
        advance=lambda done, total: report(f"build {key}", done, total),
    )
    files = lay_out(graph, work)
    shutil.rmtree(plain)
    return files


def lay_out_for_this_machine(spec: ModelSpec, folder: Path, old: Manifest) -> Manifest:
    """Rearrange the weights of a build that came from another machine or another runtime."""
    with replacing(folder) as work:
        files = lay_out_again(folder, work)
        shutil.copyfile(folder / TOKENIZER, work / TOKENIZER)
        manifest = replace(
            for_this_machine(spec, old), files=record_files(work, [*files, TOKENIZER])
        )
        return _finish(spec, work, manifest, lambda _stage, _done, _total: None)


def _finish(spec: ModelSpec, work: Path, manifest: Manifest, report: StageProgress) -> Manifest:
    """Measure the new build against the reference and write its manifest, the last file."""
    tokenizer = TextTokenizer(work / TOKENIZER, tokens_max=spec.tokens_max)
    session = open_build(work, manifest, threads=processor_count())
    mean, least = measure_cosines(
        spec.reference,
        tokenizer,
        session,
        lambda done, total: report(f"check {manifest.key}", done, total),
    )
    check_cosines(manifest.precision, mean, least)
    manifest = replace(manifest, cosine_mean=mean, cosine_min=least)
    write_manifest(work, manifest)
    return manifest


@contextmanager
def replacing(folder: Path) -> Iterator[Path]:
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
