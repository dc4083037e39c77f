"""The table of the ``fast`` tier in the folder of models: how it is made, and how it is opened.

It lies beside the builds of the model as ``int8-static``, with a manifest like theirs, and is made
from one of them: every token of the vocabulary is embedded alone, in some minutes at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.encoder.builds import BUILDERS, build_id, machine_of
from openviking.encoder.distill import distill
from openviking.encoder.manifest import (
    STATIC,
    Manifest,
    check_files,
    mend,
    record_files,
    write_manifest,
)
from openviking.encoder.models import is_whole, locked, read_build, root_of
from openviking.encoder.reference import reference_texts, reference_vectors
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.encoder.static import CODES, SCALES, StaticEncoder
from openviking.errors import ConflictError, EncoderError

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.encoder.encoder import Encoder
    from openviking.encoder.spec import ModelSpec
    from openviking.encoder.tokenizer import TextTokenizer
    from openviking.types import Progress, StageProgress, Vectors

COSINE_MIN = 0.25
"""Mean cosine to the reference that a sound table exceeds; one of shuffled rows is near 0."""

_TOKENS_AT_ONCE = 1024


def build_fast(
    encoder: Encoder, model_dir: Path | None = None, report: StageProgress | None = None
) -> Manifest:
    """Distil the table from an open encoder; one that is there and whole is kept.

    Args:
        encoder: the teacher, any build of the model.
        model_dir: folder of models; None means the default one.
        report: is told about progress.

    Raises:
        EncoderError: the model failed, the disk is full, or the table came out wrong.
    """
    from openviking.encoder.build import replacing  # noqa: PLC0415 - brings in onnx: 10 MB

    report = report or (lambda _stage, _done, _total: None)
    root = root_of(model_dir, encoder.spec)
    folder = root / str(STATIC)
    with locked(root):
        if is_whole(encoder.spec, folder, report):
            return read_build(folder)
        rows = token_vectors(encoder, lambda done, total: report("distil tokens", done, total))
        with replacing(folder) as work:
            codes, scales = distill(rows, encoder.spec.reference)
            np.save(work / CODES, codes)
            np.save(work / SCALES, scales)
            manifest = _manifest(encoder, work)
            write_manifest(work, manifest)
    return manifest


def open_fast(
    tokenizer: TextTokenizer, model_dir: Path | None = None, *, spec: ModelSpec = ALL_MPNET_BASE_V2
) -> StaticEncoder:
    """Open the table; *tokenizer* is the model's own, which no second copy of is made.

    Raises:
        ConflictError: there is no table yet; the message names the command that makes it.
        EncoderError: it is damaged; the message names the command that mends it.
    """
    folder = root_of(model_dir, spec) / str(STATIC)
    if not folder.exists():
        raise ConflictError(f"the fast tier has no table yet; {mend(folder, 'make')}")
    manifest = read_build(folder)
    check_files(folder, manifest, full=False)
    return StaticEncoder(tokenizer, folder, manifest.build_id, tokens_max=spec.tokens_max)


def token_vectors(encoder: Encoder, advance: Progress) -> Vectors:
    """Return the model's vector of each token alone, (vocabulary, dim)."""
    count = encoder.tokenizer.vocabulary
    rows = np.empty((count, encoder.dim), dtype=np.float32)
    for start in range(0, count, _TOKENS_AT_ONCE):
        end = min(start + _TOKENS_AT_ONCE, count)
        rows[start:end] = encoder.encode_tokens([[token] for token in range(start, end)]).vectors
        advance(end, count)
    return rows


def _manifest(encoder: Encoder, work: Path) -> Manifest:
    """Judge the table in *work* by the reference, and describe it."""
    spec = encoder.spec
    key = build_id(spec, STATIC)
    table = StaticEncoder(encoder.tokenizer, work, key, tokens_max=spec.tokens_max)
    vectors = table.encode(reference_texts(spec.reference)).vectors
    cosines = (vectors * reference_vectors(spec.reference)).sum(axis=1)
    if not cosines.mean() >= COSINE_MIN:
        raise EncoderError(
            f"the table has a mean cosine of {cosines.mean():.3f} to the reference, expected at "
            f"least {COSINE_MIN}; check the model with `openviking model verify`"
        )
    return Manifest(
        build_id=key,
        builder=BUILDERS["static"],
        precision=STATIC.precision,
        kernels=STATIC.kernels,
        source_sha256=spec.source_sha256,
        machine=machine_of(STATIC),
        cosine_mean=float(cosines.mean()),
        cosine_min=float(cosines.min()),
        files=record_files(work, [CODES, SCALES]),
    )
