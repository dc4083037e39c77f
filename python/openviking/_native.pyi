from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from openviking.types import RowIds, Scores, Vectors

__all__ = [
    "MappedRows",
    "Matches",
    "Postings",
    "RowSet",
    "Signs",
    "Word",
    "cpu_level",
    "encode",
    "normalize",
    "plan_batches",
    "search",
]

@final
class MappedRows:
    def __new__(
        cls,
        path: Path,
        dim: int,
        ids: RowIds,
        codes: NDArray[np.uint8],
        steps: NDArray[np.float32],
        residuals: NDArray[np.float32],
    ) -> MappedRows: ...
    def rows(self, rows: RowIds, /) -> Vectors: ...
    def search(
        self, queries: Vectors, k: int, /, *, ranges: RowIds, alive: NDArray[np.uint64]
    ) -> tuple[RowIds, Scores]: ...

@final
class Matches:
    def __new__(
        cls,
        parts: Sequence[Postings],
        texts: Sequence[Sequence[Word]],
        is_dead: NDArray[np.bool_],
        dead: int,
        *,
        common: float,
        scale: float,
    ) -> Matches: ...
    @property
    def word_count(self) -> int: ...
    def looked_up(self) -> dict[str, int]: ...
    def pooled(self, rows: Sequence[int], /, *, part_share: float) -> list[float]: ...
    def prior(
        self,
        rows: NDArray[np.int64],
        base: NDArray[np.float64],
        /,
        *,
        part_share: float,
        weight: float,
    ) -> NDArray[np.float64]: ...
    def reasons(
        self,
        groups: Sequence[int],
        rows: NDArray[np.int64],
        keys: NDArray[np.int64],
        /,
        *,
        part_share: float,
    ) -> list[tuple[float, int | None, int, tuple[str, ...]]]: ...
    def standing(self, rows: Sequence[int], /) -> list[tuple[int, tuple[str, ...]]]: ...
    def sums(self) -> NDArray[np.float64]: ...

@final
class Postings:
    def __new__(
        cls,
        hashes: NDArray[np.int64],
        starts: NDArray[np.int64],
        rows: NDArray[np.int32],
        shares: NDArray[np.float32],
        bits: NDArray[np.uint8],
    ) -> Postings: ...
    def __len__(self) -> int: ...
    def bits(self) -> NDArray[np.uint8]: ...
    def hashes(self) -> NDArray[np.int64]: ...
    def rows(self) -> NDArray[np.int32]: ...
    def shares(self) -> NDArray[np.float32]: ...

@final
class Signs:
    def __new__(
        cls, words: NDArray[np.uint64], factors: NDArray[np.float32], rotation: Vectors
    ) -> Signs: ...
    def nearest(
        self,
        query: Vectors,
        count: int,
        /,
        *,
        ranges: RowIds,
        bases: Scores,
        alive: NDArray[np.uint64],
    ) -> RowIds: ...

@final
class RowSet:
    def __new__(cls, dim: int) -> RowSet: ...
    @property
    def dim(self) -> int: ...
    @property
    def scanned_bytes(self) -> int: ...
    def add(self, ids: RowIds, vectors: Vectors, /) -> None: ...
    def replace(self, ids: RowIds, vectors: Vectors, /) -> None: ...
    def remove(self, ids: RowIds, /) -> int: ...
    def rows(self, ids: RowIds, /) -> Vectors: ...
    def prepare_groups(self) -> None: ...
    def search(
        self, queries: Vectors, k: int, /, *, allow: RowIds | None = None
    ) -> tuple[RowIds, Scores]: ...
    def search_groups(
        self,
        queries: Vectors,
        prior: NDArray[np.float64],
        keys: NDArray[np.int64],
        k: int,
        near: int,
        /,
        *,
        passage_share: float,
        part_share: float,
    ) -> tuple[list[int], list[float], list[float], list[int], list[int], list[int], list[int]]: ...
    def ids(self) -> RowIds: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...

@final
class Word:
    def __new__(cls, text: str, stem: str, hash: int, *, is_content: bool) -> Word: ...  # noqa: A002 - the stub repeats the extension's names
    @property
    def stem(self) -> str: ...
    @property
    def text(self) -> str: ...

def cpu_level() -> str: ...
def encode(
    rows: Vectors, /
) -> tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.float32]]: ...
def normalize(rows: Vectors, /) -> Vectors: ...
def plan_batches(
    lengths: NDArray[np.int64], /, *, tokens_max: int, rows_max: int
) -> list[RowIds]: ...
def search(
    queries: Vectors, rows: Vectors, k: int, /, *, allow: NDArray[np.bool_] | None = None
) -> tuple[RowIds, Scores]: ...
