"""Backup of a storage while it is in use, and restoring one: whole and verified, or not at all."""

from __future__ import annotations

import shutil
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import apsw

from openviking.errors import ConflictError, StoreError
from openviking.store.sqlite import schema
from openviking.store.sqlite.failures import translated
from openviking.store.sqlite.files import appearing, companions, sync
from openviking.store.sqlite.integrity import count_records, find_damage
from openviking.store.sqlite.lock import FolderLock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from openviking.types import Progress

PAGES_AT_ONCE = 2048
"""Pages copied between two reports: 8 MB."""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup holds: rows of each kind, bytes, and the file."""

    path: Path
    counts: Mapping[str, int]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class RestoreReport:
    """What was restored; ``aside`` is where the database stands that was there before, if any."""

    path: Path
    counts: Mapping[str, int]
    aside: Path | None


def back_up(
    folder: Path,
    target: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    pages_at_once: int = PAGES_AT_ONCE,
) -> BackupReport:
    """Copy the storage in *folder* to the file *target*, also while another process writes to it.

    The copy is one moment of the storage: it holds every write that was answered before this call.
    It is verified before it gets its name. Writers are not held up, but their log cannot shrink
    until the copy is done.

    Args:
        folder: the storage folder.
        target: the file to make; its folder must exist.
        replace: overwrite *target* if it exists.
        progress: called with (pages done, pages).
        pages_at_once: pages copied between two calls of it.

    Raises:
        ConflictError: *target* exists and *replace* is false.
        StoreError: there is no storage, it is damaged, or the copy cannot be written.
    """
    source_path = folder / "openviking.db"
    if not source_path.is_file():
        raise StoreError(f"store {folder}: holds no openviking.db; there is nothing to back up")
    with appearing(target, replace=replace) as draft:
        with translated(source_path), closing(_open(source_path, is_read_only=True)) as source:
            source.execute("BEGIN")
            # The first read fixes the moment; the copy then sees no later change.
            counts = _counts(source, source_path)
            with translated(target), closing(_open(draft)) as copy:
                _copy(source, copy, pages_at_once, progress)
                # One file that needs no companions.
                copy.execute("PRAGMA journal_mode = DELETE").fetchall()
                if _verified(copy, draft) != counts:
                    raise StoreError(f"{target}: the copy differs from the store; try again")
        size = draft.stat().st_size
    return BackupReport(target, counts, size)


def restore(backup: Path, folder: Path, *, replace: bool = False) -> RestoreReport:
    """Make the storage in *folder* what *backup* holds; no process may be using the folder.

    The file is copied, verified, and takes its place in one step. A database that was there is
    kept beside it.

    Raises:
        ConflictError: the folder holds a database and *replace* is false.
        StoreInUseError: a process uses the folder.
        StoreError: *backup* is missing, damaged, foreign or newer than this program.
    """
    if not backup.is_file():
        raise StoreError(f"{backup}: no such file")
    log, _, journal = companions(backup)
    if any(path.exists() and path.stat().st_size for path in (log, journal)):
        raise StoreError(
            f"{backup}: has a write-ahead log beside it, so it is a database in use or a raw copy "
            "of one; make a backup with `openviking backup`"
        )
    target = folder / "openviking.db"
    lock = FolderLock(folder)
    try:
        is_there = target.exists() and target.stat().st_size > 0
        if is_there and not replace:
            raise ConflictError(
                f"store {folder}: holds a database; --replace keeps it aside and restores over it"
            )
        with appearing(target, replace=True) as draft:
            shutil.copyfile(backup, draft)
            with translated(backup), closing(_open(draft)) as copy:
                counts = _verified(copy, backup)
            aside = _set_aside(target) if is_there else None
    finally:
        lock.release()
    return RestoreReport(target, counts, aside)


def _set_aside(database: Path) -> Path:
    """Give the database a second name, and its log with it; the first name is then taken over."""
    with suppress(apsw.Error), closing(_open(database)) as old:
        # Folded in, the log cannot be parted from its database by a crash between two renames.
        # A database that is too damaged for that is kept as it is.
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    aside = database.with_name(f"openviking.db.before-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}")
    aside.hardlink_to(database)
    # Left in place, the log of the old database would be played into the new one.
    for log, kept in zip(companions(database), companions(aside), strict=True):
        if log.exists():
            log.rename(kept)
    sync(database.parent)
    return aside


def _open(path: Path, *, is_read_only: bool = False) -> apsw.Connection:
    flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    connection = apsw.Connection(
        str(path), flags=apsw.SQLITE_OPEN_READONLY if is_read_only else flags
    )
    connection.set_busy_timeout(5_000)
    return connection


def _copy(
    source: apsw.Connection, copy: apsw.Connection, pages_at_once: int, progress: Progress | None
) -> None:
    with copy.backup("main", source, "main") as work:
        while not work.done:
            work.step(pages_at_once)
            if progress is not None:
                progress(work.page_count - work.remaining, work.page_count)


def _counts(connection: apsw.Connection, path: Path) -> dict[str, int]:
    """Count the rows; raises StoreError if the file is not ours or newer than this program."""
    schema.refuse_unknown(connection, path)
    return count_records(connection)


def _verified(connection: apsw.Connection, path: Path) -> dict[str, int]:
    """Read every page and index of a copy, then count; raises StoreError for any damage."""
    counts = _counts(connection, path)
    found = find_damage(connection)
    if found:
        raise StoreError(f"{path}: is damaged: {'; '.join(found)}")
    return counts
