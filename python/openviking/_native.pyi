from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from openviking.types import RowIds, Scores, Vectors

__all__ = [
    "MappedRows",
    "RowSet",
    "Signs",
    "cpu_level",
    "encode",
    "normalize",
    "plan_batches",
    "pool_words",
    "posting_ranges",
    "posting_sums",
    "posting_words",
    "rank_places",
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
    ) -> tuple[
        RowIds,
        NDArray[np.float64],
        NDArray[np.float64],
        RowIds,
        NDArray[np.int64],
        NDArray[np.int64],
    ]: ...
    def ids(self) -> RowIds: ...
    def __len__(self) -> int: ...
    def __contains__(self, key: object, /) -> bool: ...

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
def posting_ranges(
    hashes: NDArray[np.int64],
    starts: NDArray[np.int64],
    rows: NDArray[np.int32],
    is_dead: NDArray[np.bool_],
    wanted: Sequence[int],
    /,
) -> tuple[NDArray[np.int64], list[int]]: ...
def posting_sums(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.int64]]],
    gains: Sequence[Sequence[float]],
    count: int,
    /,
) -> NDArray[np.float64]: ...
def posting_words(
    parts: Sequence[tuple[NDArray[np.int32], NDArray[np.uint8], NDArray[np.int64]]],
    words: Sequence[int],
    wanted: Sequence[int],
    /,
) -> list[tuple[int, list[int]]]: ...
def pool_words(
    sums: NDArray[np.float64],
    rows: NDArray[np.int64],
    base: NDArray[np.float64],
    /,
    *,
    part_share: float,
    weight: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]: ...
def rank_places(
    scores: NDArray[np.float64], keys: NDArray[np.int64], wanted: Sequence[int], /
) -> list[int | None]: ...
