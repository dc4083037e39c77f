"""The model builds that stored vectors were made by, each with a number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openviking.errors import ShapeError

if TYPE_CHECKING:
    import apsw


def build_number(connection: apsw.Connection, build_id: str, dim: int) -> int:
    """Return the number of a model build, which is noted if new; raises ShapeError for *dim*."""
    row: Any = connection.execute(
        "INSERT INTO builds (build_id, dim) VALUES (?, ?) ON CONFLICT (build_id) DO UPDATE "
        "SET build_id = build_id RETURNING number, dim",
        (build_id, dim),
    ).fetchone()
    if row[1] != dim:
        raise ShapeError(
            f"vectors: build {build_id!r} has {row[1]} dimensions, got {dim}", loc=("vectors",)
        )
    return int(row[0])
