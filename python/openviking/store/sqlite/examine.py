"""What is wrong with a storage folder, found without changing anything in it."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import apsw

from openviking.errors import StoreError
from openviking.store.sqlite import schema
from openviking.store.sqlite.failures import as_store_error
from openviking.store.sqlite.files import companions
from openviking.store.sqlite.integrity import count_records, find_damage

if TYPE_CHECKING:
    from pathlib import Path

FREE_BYTES_LOW = 500_000_000
"""Free space below which it is time to do something."""

_MAGIC = b"SQLite format 3\0"
_RESTORE = (
    "stop the server and put the newest backup in its place: `openviking restore FILE --replace`; "
    "without one, SQLite's own shell can save what is readable: "
    "`sqlite3 openviking.db .recover | sqlite3 saved.db`"
)
_MOVE = "move the file away, or choose another storage path"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found out; ``mend`` says what to do unless the status is ``ok``."""

    status: Literal["ok", "warning", "failed"]
    detail: str
    mend: str = ""


@dataclass(frozen=True, slots=True)
class _Files:
    """The files of a storage folder, as they are looked at."""

    folder: Path
    database: Path
    log: Path
    shared: Path
    owner: str | None
    """The process that uses the folder; None if none does."""

    @property
    def has_log(self) -> bool:
        """Whether there may be writes that stand in the log alone."""
        return self.log.exists() and self.log.stat().st_size > 0


def examine(folder: Path) -> list[Finding]:
    """Look at the storage in *folder*, also while a process uses it; the worst comes first.

    Every page, index and reference is read. Nothing is written: a database without a log is opened
    as unchangeable, one with a log for reading, for which SQLite may make its shared-memory file.
    Not for a process that has the storage open itself: it would drop its own locks.
    """
    try:
        if not folder.is_dir():
            return [_look_at_missing(folder)]
        database = folder / "openviking.db"
        log, shared, _ = companions(database)
        files = _Files(folder, database, log, shared, _owner(folder / "openviking.lock"))
        found = [*_look_at_folder(files), *_look_at_database(files)]
    except OSError as error:
        found = [Finding("failed", f"{error.filename}: {error.strerror}", "make it readable")]
    order = ("failed", "warning", "ok")
    return sorted(found, key=lambda finding: order.index(finding.status))


def _look_at_missing(folder: Path) -> Finding:
    if folder.exists() or folder.is_symlink():
        return Finding("failed", f"{folder}: is no folder", _MOVE)
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if not above.is_dir() or not _is_writable(above):
        mend = "make it, and let the user that runs the server write to it"
        return Finding("failed", f"{folder}: does not exist, and {above} cannot be written", mend)
    return Finding("ok", f"{folder}: does not exist yet; the first start makes it")


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=True)


def _owner(lock: Path) -> str | None:
    """Return the process that holds the lock; None if the file is a left-over, or missing."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 32, 0).decode("ascii", "replace").strip() or "unknown"
    else:
        return None
    finally:
        os.close(descriptor)


def _look_at_folder(files: _Files) -> list[Finding]:
    found = []
    if files.owner is not None:
        mend = "fine if that is your server"
        detail = f"{files.folder}: already in use by process {files.owner}"
        found.append(Finding("warning", detail, mend))
    paths = [path for path in (files.folder, files.database) if path.exists()]
    for path in paths:
        if not _is_writable(path):
            mend = "make it writable for the user that runs the server, or remount the disk"
            found.append(Finding("failed", f"{path}: cannot be written", mend))
    free_bytes = shutil.disk_usage(files.folder).free
    if free_bytes < FREE_BYTES_LOW:
        detail = f"{files.folder}: {free_bytes / 1e6:.0f} MB free"
        status: Literal["warning", "failed"] = "warning" if free_bytes > 2**20 else "failed"
        found.append(Finding(status, detail, "free some space; writes fail on a full disk"))
    return found


def _look_at_database(files: _Files) -> list[Finding]:
    if not files.database.exists():
        if files.has_log:
            detail = f"{files.log}: a log without its database"
            return [Finding("failed", detail, _RESTORE)]
        return [Finding("ok", f"{files.folder}: holds nothing yet")]
    if not files.database.stat().st_size and not files.has_log:
        return [Finding("ok", f"{files.database}: empty; a first start was interrupted")]
    found = _look_at_header(files)
    if any(finding.status == "failed" for finding in found):
        return found
    return found + _look_inside(files)


def _look_at_header(files: _Files) -> list[Finding]:
    """Compare the first page with the file; done before SQLite opens it, see the note below."""
    # Closing a file drops every POSIX lock that this process has on it, SQLite's included.
    with files.database.open("rb") as raw:
        header = raw.read(100)
    if len(header) < 100 or not header.startswith(_MAGIC):
        detail = f"{files.database}: not a database, or its first page is damaged"
        return [Finding("failed", detail, _RESTORE)]
    size = files.database.stat().st_size
    page_bytes = struct.unpack_from(">H", header, 16)[0]
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    changed, pages, valid_for = (struct.unpack_from(">I", header, at)[0] for at in (24, 28, 92))
    if changed == valid_for and size < pages * page_bytes and not files.has_log:
        detail = f"{files.database}: cut off: {size} bytes, expected {pages * page_bytes}"
        return [Finding("failed", detail, _RESTORE)]
    if files.owner is None and files.shared.exists() and not files.log.exists():
        detail = f"{files.log}: missing, and no orderly end removed it: the last writes are lost"
        return [Finding("warning", detail, "restore a backup if something is missing")]
    return []


def _look_inside(files: _Files) -> list[Finding]:
    try:
        with closing(_open(files)) as connection:
            schema.refuse_unknown(connection, files.database)
            problems = find_damage(connection)
            if problems:
                shown = "; ".join(problems)
                return [Finding("failed", f"{files.database}: damaged: {shown}", _RESTORE)]
            counts = [f"{count} {name}" for name, count in count_records(connection).items()]
    except StoreError as error:
        return [Finding("failed", str(error), _MOVE)]
    except (apsw.NotADBError, apsw.CorruptError, apsw.IOError) as error:
        return [Finding("failed", f"{files.database}: damaged ({error})", _RESTORE)]
    except apsw.Error as error:
        return [Finding("failed", str(as_store_error(error, files.database)), "see the message")]
    return [Finding("ok", f"{files.database}: {', '.join(counts)}; every page is sound")]


def _open(files: _Files) -> apsw.Connection:
    # Without a log, nothing can change while nobody uses it, and SQLite need not make files.
    is_still = files.owner is None and not files.has_log
    name = f"file:{quote(str(files.database))}?mode=ro" + ("&immutable=1" if is_still else "")
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    connection = apsw.Connection(name, flags=flags)
    connection.set_busy_timeout(5_000)
    return connection
