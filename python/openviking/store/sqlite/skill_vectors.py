"""Vectors of the passages of skills: one value for each skill, read at once for an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from openviking.errors import ShapeError, StoreError
from openviking.types import PassageVectors

if TYPE_CHECKING:
    import apsw

    from openviking.types import SkillEntry

_FLOAT32 = np.dtype("<f4")


def checked(entry: SkillEntry, *loc: str | int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Return the vectors of an entry as they are stored; raises ShapeError."""
    vectors, count = entry.vectors, len(entry.passages)
    if vectors.dtype != np.float32 or vectors.ndim != 2 or len(vectors) != count:
        raise ShapeError(
            f"vectors: expected ({count}, dim) float32, one row per passage, got "
            f"{vectors.shape} {vectors.dtype}",
            loc=loc,
        )
    if not np.isfinite(vectors).all():
        raise ShapeError("vectors: expected finite numbers, got NaN or infinity", loc=loc)
    return vectors.astype(_FLOAT32, copy=False)


def read(connection: apsw.Connection, build_id: str, skill_id: str | None = None) -> PassageVectors:
    """Read every passage vector of a build, or of one skill, into one array, in passage order.

    Raises:
        StoreError: passages and vectors do not belong together, so the file is damaged.
    """
    build = connection.execute(
        "SELECT number, dim FROM builds WHERE build_id = ?", (build_id,)
    ).fetchone()
    number, dim = build or (0, 0)
    only = "" if skill_id is None else "AND skills.id = ?"
    wanted = (number,) if skill_id is None else (number, skill_id)
    passages_of = (
        "FROM passages JOIN skills ON skills.number = skill "
        f"WHERE build = ? {only} ORDER BY passages.number"
    )
    vectors_of = f"FROM skill_vectors JOIN skills ON number = skill WHERE build = ? {only}"
    rows: list[tuple[Any, ...]] = connection.execute(
        f"SELECT passages.number, skills.number, skills.id, part, start, stop {passages_of}",
        wanted,
    ).fetchall()
    vectors = np.empty((len(rows), dim), dtype=_FLOAT32)
    starts: dict[int, int] = {}
    for at, row in enumerate(rows):
        starts.setdefault(row[1], at)
    filled = 0
    for skill, blob in connection.execute(
        f"SELECT skill, vectors {vectors_of}",
        wanted,
    ):
        some = np.frombuffer(blob, dtype=_FLOAT32)
        count, rest = divmod(len(some), max(dim, 1))
        start = starts.get(skill, 0)
        if rest or start + count > len(rows):
            raise StoreError(f"vectors of skill number {skill} do not fit its passages")
        vectors[start : start + count] = some.reshape(count, dim)
        filled += count
    if filled != len(rows):
        raise StoreError(f"{len(rows)} passages have {filled} vectors; the store is damaged")
    return PassageVectors(
        passage_ids=np.array([row[0] for row in rows], dtype=np.int64),
        skill_ids=tuple(row[2] for row in rows),
        parts=tuple(row[3] for row in rows),
        vectors=vectors.astype(np.float32, copy=False),
        spans=np.array([row[4:] for row in rows], dtype=np.int64).reshape(len(rows), 2),
    )
