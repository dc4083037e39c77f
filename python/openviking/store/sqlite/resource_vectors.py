"""Vectors of the pieces that resources are cut into, and where these pieces stand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import ShapeError, StoreError
from openviking.store.resources import PIECES_PER_RESOURCE
from openviking.store.sqlite.builds import build_number

if TYPE_CHECKING:
    import apsw
    from numpy.typing import NDArray

    from openviking.types import RowIds, Vectors

_FLOAT16, _INT32 = np.dtype("<f2"), np.dtype("<i4")
_BLOCK = 2048


def put(
    connection: apsw.Connection, build_id: str, number: int, spans: bytes, vectors: Vectors
) -> bool:
    """Store the vectors of a version if it is still the newest."""
    is_newest = connection.execute(
        "SELECT is_newest FROM resources WHERE number = ?", (number,)
    ).get
    if not is_newest:
        return False
    build = build_number(connection, build_id, vectors.shape[1])
    connection.execute(
        "INSERT OR REPLACE INTO resource_vectors (resource, build, spans, vectors) "
        "VALUES (?, ?, ?, ?)",
        (number, build, spans, vectors.astype(_FLOAT16).tobytes()),
    )
    return True


def spans_bytes(spans: NDArray[Any], vectors: Vectors) -> bytes:
    """Check places and vectors, and return the places' stored form; raises ShapeError."""
    count = len(vectors)
    if vectors.dtype != np.float32 or vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ShapeError(
            f"vectors: expected finite (n, dim) float32, got {vectors.shape} {vectors.dtype}",
            loc=("vectors",),
        )
    if spans.shape != (count, 2) or count >= PIECES_PER_RESOURCE:
        raise ShapeError(
            f"spans: expected ({count}, 2), fewer than {PIECES_PER_RESOURCE}, got {spans.shape}",
            loc=("spans",),
        )
    return spans.astype(_INT32).tobytes()


def spans_of(data: bytes | None) -> NDArray[Any]:
    """Read what spans_bytes wrote; none for None."""
    return np.frombuffer(data or b"", dtype=_INT32).reshape(-1, 2)


def read(connection: apsw.Connection, build_id: str, after: int) -> tuple[RowIds, RowIds, Vectors]:
    """Read the vectors of the next versions behind the number *after*; see ResourceStore."""
    build: Any = connection.execute(
        "SELECT number, dim FROM builds WHERE build_id = ?", (build_id,)
    ).fetchone()
    if build is None:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
    rows: list[Any] = connection.execute(
        "SELECT resource, vectors FROM resource_vectors WHERE build = ? AND resource > ? "
        "ORDER BY resource LIMIT ?",
        (build[0], after, _BLOCK),
    ).fetchall()
    owners = np.array([row[0] for row in rows], dtype=np.int64)
    bytes_each = build[1] * _FLOAT16.itemsize
    counts = [len(row[1]) // bytes_each for row in rows]
    if any(len(row[1]) % bytes_each for row in rows):
        raise StoreError("vectors of a resource do not have their build's width; it is damaged")
    places = [np.arange(count, dtype=np.int64) for count in counts]
    ids = np.repeat(owners * PIECES_PER_RESOURCE, counts) + np.concatenate(
        [np.zeros(0, np.int64), *places]
    )
    packed = np.frombuffer(b"".join(row[1] for row in rows), dtype=_FLOAT16)
    return owners, ids, packed.astype(np.float32).reshape(-1, build[1])
