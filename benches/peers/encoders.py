"""One class per encoder, each written as that project's documentation tells its users to.

Runs inside a worker process, in the virtual environment of its project; libraries are imported when
the encoder is loaded, by name, because no environment has all of them. Nothing of this project is
imported here except by ``Ours``.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import numpy as np

HIDDEN = 768
TOKENS_MAX = 384


class AbsentError(Exception):
    """The encoder cannot run here; the message says why."""


class PeerEncoder(Protocol):
    """Text to unit vectors, as one call of the project's API."""

    version: str

    def encode(self, texts: list[str]) -> Any:
        """Return (len(texts), 768) float32, or rows of it."""


class Ours:
    """``openviking.Encoder``. Options: ``precision``, ``kernels``, ``model_dir`` (or None)."""

    def __init__(self, threads: int, options: dict[str, Any]) -> None:
        openviking = import_module("openviking")
        arguments = {key: value for key, value in options.items() if value is not None}
        if "model_dir" in arguments:
            arguments["model_dir"] = Path(arguments["model_dir"])
        try:
            self._encoder = openviking.Encoder.open(threads=threads, **arguments)
        except openviking.OpenVikingError as error:
            raise AbsentError(str(error)) from error
        self.version = openviking.__version__

    def encode(self, texts: list[str]) -> Any:
        return self._encoder.encode(texts).vectors


class Fastembed:
    """fastembed with a custom model from a local folder. Options: ``model_dir``."""

    def __init__(self, threads: int, options: dict[str, Any]) -> None:
        fastembed = import_module("fastembed")
        description = import_module("fastembed.common.model_description")
        name = "peers/all-mpnet-base-v2"
        fastembed.TextEmbedding.add_custom_model(
            model=name,
            pooling=description.PoolingType.MEAN,
            normalization=True,
            sources=description.ModelSource(hf=name),  # required, and unused: the files are local
            dim=HIDDEN,
            model_file="model.onnx",
        )
        self._model = fastembed.TextEmbedding(
            name,
            threads=threads,
            providers=["CPUExecutionProvider"],
            specific_model_path=options["model_dir"],
        )
        self.version = version("fastembed")

    def encode(self, texts: list[str]) -> Any:
        return list(self._model.embed(texts))


class OpenVino:
    """OpenVINO has no text API of its own; this is the best loop that was found for it.

    Texts are never padded together, which costs several times more than it gains. One stream uses
    all threads for one text: the fastest answer. As many streams as threads encode that many texts
    at once, the longest first: the highest rate. Options: ``model_dir``, ``precision`` (``f32`` or
    ``bf16``), ``streams``.
    """

    def __init__(self, threads: int, options: dict[str, Any]) -> None:
        openvino = import_module("openvino")
        tokenizers = import_module("tokenizers")
        folder = Path(options["model_dir"])
        core = openvino.Core()
        converted = folder / "openvino.xml"
        if not converted.exists():
            _convert(openvino, core, folder, converted)
        compiled = core.compile_model(
            str(converted),
            "CPU",
            {
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": options["streams"],
                "INFERENCE_NUM_THREADS": threads,
                "INFERENCE_PRECISION_HINT": options["precision"],
            },
        )
        chosen = compiled.get_property("INFERENCE_PRECISION_HINT")
        if chosen != getattr(openvino.Type, options["precision"]):
            raise AbsentError(f"this CPU has no {options['precision']} arithmetic")
        self._queue = openvino.AsyncInferQueue(compiled, options["streams"])
        self._queue.set_callback(_pool)
        self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(TOKENS_MAX)
        self.version = version("openvino")

    def encode(self, texts: list[str]) -> Any:
        ids = [np.array([self._tokenizer.encode(text).ids], np.int64) for text in texts]
        rows = np.empty((len(texts), HIDDEN), np.float32)
        for row in sorted(range(len(texts)), key=lambda row: -ids[row].size):
            inputs = {"input_ids": ids[row], "attention_mask": np.ones_like(ids[row])}
            self._queue.start_async(inputs, rows[row])
        self._queue.wait_all()
        return rows


def _pool(request: Any, row: Any) -> None:
    """Write the unit mean of the token vectors into *row*."""
    mean = request.get_output_tensor(0).data[0].mean(axis=0)
    row[:] = mean / np.linalg.norm(mean)


def _convert(openvino: Any, core: Any, folder: Path, target: Path) -> None:
    """Write OpenVINO's own format once; the .xml comes last, since it says that both are whole."""
    partial = folder / "openvino-partial.xml"
    openvino.save_model(core.read_model(folder / "model.onnx"), partial, compress_to_fp16=False)
    partial.with_suffix(".bin").rename(target.with_suffix(".bin"))
    partial.rename(target)


class SentenceTransformers:
    """sentence-transformers on torch, float32. Options: ``model_dir``."""

    def __init__(self, threads: int, options: dict[str, Any]) -> None:
        torch = import_module("torch")
        sentence_transformers = import_module("sentence_transformers")
        torch.set_num_threads(threads)
        self._model = sentence_transformers.SentenceTransformer(options["model_dir"], device="cpu")
        self.version = f"{version('sentence-transformers')} (torch {version('torch')})"

    def encode(self, texts: list[str]) -> Any:
        return self._model.encode(texts, show_progress_bar=False)


ENCODERS: dict[str, type[Ours | Fastembed | OpenVino | SentenceTransformers]] = {
    "ours": Ours,
    "fastembed": Fastembed,
    "openvino": OpenVino,
    "sentence-transformers": SentenceTransformers,
}
