"""Files that appear whole or not at all: written beside their place, synced, then renamed."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from openviking.errors import ConflictError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def appearing(target: Path, *, replace: bool) -> Iterator[Path]:
    """Lend the name of a file to write; when the block ends, it stands as *target*, on disk.

    If the block raises, or the process dies, *target* is as it was; what a dead process leaves
    behind has a name that begins with a dot and ends in ``.partial``.

    Raises:
        ConflictError: *target* exists and *replace* is false.
        StoreError: the folder cannot be written.
    """
    if not replace and target.exists():
        raise ConflictError(f"{target}: exists; choose another name, or replace it with --replace")
    draft = target.with_name(f".{target.name}.{os.getpid()}.partial")
    try:
        yield draft
        sync(draft)
        if replace:
            draft.replace(target)
        else:
            # Unlike a rename, a link does not overwrite what has appeared meanwhile.
            os.link(draft, target)
        sync(target.parent)
    except FileExistsError as error:
        raise ConflictError(f"{target}: appeared while it was written") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written: {error.strerror or error}") from error
    finally:
        for name in (draft, *companions(draft)):
            name.unlink(missing_ok=True)


def companions(database: Path) -> tuple[Path, Path, Path]:
    """Return the files that SQLite may keep beside a database."""
    return (
        database.with_name(f"{database.name}-wal"),
        database.with_name(f"{database.name}-shm"),
        database.with_name(f"{database.name}-journal"),
    )


def sync(path: Path) -> None:
    """Have the system write a file, or the names in a folder, to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
