"""What SQLite and the file system report, said as StoreError: which file, why, and what to do."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import apsw

from openviking.errors import InputError, StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_DAMAGED = (
    "the database file is damaged or is not a database; restore it from a backup, or move the file "
    "(with its -wal and -shm companions) away to start empty"
)
_ADVICE: tuple[tuple[type[apsw.Error], str], ...] = (
    (apsw.NotADBError, _DAMAGED),
    (apsw.CorruptError, _DAMAGED),
    (apsw.FullError, "the disk or the allowed size is full; free some space, then try again"),
    (apsw.ReadOnlyError, "the file or its folder is read-only; make both writable"),
    (apsw.CantOpenError, "the file cannot be opened; its folder must exist and be writable"),
    (apsw.BusyError, "another program holds the database locked; close it, then try again"),
    (apsw.LockedError, "another program holds the database locked; close it, then try again"),
    (apsw.IOError, "the disk reported an error or is full; nothing of this write was kept"),
)


def as_store_error(error: apsw.Error, path: Path) -> StoreError:
    """Say *error* with the path, SQLite's own words, and what a person can do about it."""
    advice = next((text for kind, text in _ADVICE if isinstance(error, kind)), "unexpected failure")
    return StoreError(f"store {path}: {advice} (SQLite: {type(error).__name__}: {error})")


def for_caller(error: BaseException, path: Path) -> BaseException:
    """Return *error* as the error of ours that it means; any other as it is."""
    ours: BaseException
    if isinstance(error, apsw.Error):
        ours = as_store_error(error, path)
    elif isinstance(error, OverflowError):
        ours = InputError(f"a number does not fit into 64 bits: {error}")
    else:
        return error
    ours.__cause__ = error
    return ours


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn what apsw raises inside the block into errors of ours."""
    try:
        yield
    except (apsw.Error, OverflowError) as error:
        raise for_caller(error, path) from error
