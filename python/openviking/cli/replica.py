"""A storage folder for each of several servers that share a volume, as replicas in Compose do."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from openviking.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path

REPLICAS_MAX = 64
"""Servers on one volume; more is taken for a mistake."""


def claim_storage(path: Path) -> tuple[Path, int]:
    """Take the first free one of *path*, ``path/replica-2``, ``path/replica-3``, ...

    A server alone always gets *path* itself, so that what it stored is there after a restart. The
    claim is an flock on ``replica.lock`` in that folder, so it ends with the process however that
    ends. A server without ``--replica`` makes no claim; its hold on the database is seen as well.

    Returns:
        The folder, and the descriptor that holds the claim as long as it is open.

    Raises:
        StoreError: a folder cannot be written, or all are taken.
    """
    for number in range(1, REPLICAS_MAX + 1):
        folder = path if number == 1 else path / f"replica-{number}"
        descriptor = _try_claim(folder)
        if descriptor is not None:
            return folder, descriptor
    raise StoreError(f"store {path}: all {REPLICAS_MAX} replica folders are in use")


def _try_claim(folder: Path) -> int | None:
    from openviking.store.sqlite.lock import FolderLock

    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / "replica.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise StoreError(
            f"store {folder}: expected a folder that can be written; {error.strerror}"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Taken and given back: only a server that makes no claim can hold it now.
        FolderLock(folder).release()
    except (BlockingIOError, StoreError):
        os.close(descriptor)
        return None
    return descriptor
