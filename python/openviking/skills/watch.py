"""Follow edits of skill folders: the only module that uses watchfiles.

An event is only the reason to look: the folder is scanned again and compared with the store, so
that a lost, doubled or late event does no harm. Nothing that happens to a file ends the thread.
"""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import watchfiles

from openviking.errors import ConflictError, OpenVikingError
from openviking.skills.scan import is_skill_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from openviking.types import Progress

QUIET_MS = 50
"""Events are collected until none came for so long: an editor writes a file in several steps."""

COLLECT_MS_MAX = 400
"""Events are acted upon after so long at the latest, however many follow."""

WAKE_MS = 1000
"""How often the thread looks for a stop and for folders that were missing."""

RESCAN_S = 60.0
"""Folders are scanned this often without any event: links and network disks send none."""


class Watch:
    """The folders that are followed, none until :meth:`start`; safe from any thread.

    Args:
        sync: brings some of the folders in step with the store, and tells how far it is.
        stopping: ends the following when set.
    """

    def __init__(
        self, sync: Callable[[Sequence[Path], Progress], None], stopping: threading.Event
    ) -> None:
        self._sync = sync
        self._stopping = stopping
        self._watcher: Watcher | None = None

    @property
    def paths(self) -> tuple[Path, ...]:
        """The watched folders in order, as absolute paths."""
        return () if self._watcher is None else self._watcher.paths

    def start(self, folders: Iterable[str | Path]) -> None:
        """Begin with a full import of every folder; raises ConflictError the second time."""
        if self._watcher is not None:
            raise ConflictError("skill folders are already being watched")
        self._watcher = Watcher(folders, self._sync, self._stopping)
        self._watcher.start()

    def covers(self, path: str) -> bool:
        """Whether the file lies in a watched folder."""
        return any(Path(path).is_relative_to(folder) for folder in self.paths)

    @property
    def to_import(self) -> int:
        """Files that the first import has yet to take; 1 for a folder that it has not listed yet.

        What is edited later is not counted: it is a moment's work.
        """
        return 0 if self._watcher is None else self._watcher.to_import

    def stats(self) -> dict[str, Any]:
        """Return what is yet to be imported, which folders are watched, what went wrong last."""
        return {
            "to_import": self.to_import,
            "watching": [str(folder) for folder in self.paths],
            "watch_error": None if self._watcher is None else self._watcher.last_error,
        }

    def join(self) -> None:
        """Wait for the end; the stop has been asked for elsewhere."""
        if self._watcher is not None:
            self._watcher.join()


class Watcher:
    """Keeps folders in step with the store in a thread of its own.

    Args:
        folders: what to watch; one that does not exist yet is taken up when it appears.
        sync: brings the given folders and the store in step, and tells how far it is.
        stopping: ends the thread when set.
    """

    def __init__(
        self,
        folders: Iterable[str | Path],
        sync: Callable[[Sequence[Path], Progress], None],
        stopping: threading.Event,
    ) -> None:
        self._folders = tuple(
            Path(os.path.abspath(Path(folder).expanduser()))  # noqa: PTH100 - keeps links
            for folder in folders
        )
        self._sync = sync
        self._stopping = stopping
        self._is_polling = False
        self._failed: set[Path] = set()
        # From the start on, so that nobody takes a folder without skills yet for an empty one.
        self._to_import = {folder: 1 for folder in self._folders if folder.is_dir()}
        self._thread = threading.Thread(target=self._run, name="skills-watch", daemon=True)
        self.last_error: str | None = None
        """What went wrong last; None again after the next success."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """The watched folders in order, as absolute paths."""
        return self._folders

    @property
    def to_import(self) -> int:
        """See :attr:`Watch.to_import`."""
        return sum(self._to_import.copy().values())

    def start(self) -> None:
        """Begin with a full import of every folder."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end of the thread; the stop has been asked for elsewhere."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            present = [folder for folder in self._folders if folder.is_dir()]
            for folder in self._to_import.keys() - set(present):
                del self._to_import[folder]
            self._bring_in_step(present)
            if not present:
                self._stopping.wait(WAKE_MS / 1000)
                continue
            try:
                self._follow(present)
            except (OSError, RuntimeError) as error:
                # Out of inotify watches, a folder that vanished, a file system without events:
                # looking again and again still works.
                self.last_error = f"{type(error).__name__}: {error}; polling instead"
                self._is_polling = True
                self._stopping.wait(WAKE_MS / 1000)

    def _follow(self, present: Sequence[Path]) -> None:
        """React to events until a folder appears or vanishes, or the stop is asked for."""
        # The first look, once events are being collected, finds what changed since the import.
        scanned_at = -RESCAN_S
        for changes in watchfiles.watch(
            *present,
            watch_filter=None,
            debounce=COLLECT_MS_MAX,
            step=QUIET_MS,
            stop_event=self._stopping,
            rust_timeout=WAKE_MS,
            yield_on_timeout=True,
            force_polling=self._is_polling,
            raise_interrupt=False,
            ignore_permission_denied=True,
        ):
            paths = [Path(path) for _, path in changes if _matters(path)]
            touched = [f for f in present if any(path.is_relative_to(f) for path in paths)]
            if [folder for folder in self._folders if folder.is_dir()] != list(present):
                self._bring_in_step([folder for folder in present if not folder.is_dir()])
                return
            if time.monotonic() - scanned_at > RESCAN_S:
                touched, scanned_at = list(present), time.monotonic()
            self._bring_in_step([f for f in present if f in touched or f in self._failed])

    def _bring_in_step(self, folders: Sequence[Path]) -> None:
        # The last folder counts most, see overrides.py; what gives way to it need not be encoded.
        for folder in reversed(folders):
            self._failed.discard(folder)
            try:
                self._sync([folder], partial(self._tell, folder))
                self._to_import.pop(folder, None)
                self.last_error = None
            except (OpenVikingError, OSError) as error:
                # Tried again at the next wake-up: a full disk or queue may have recovered.
                self._failed.add(folder)
                self.last_error = f"{folder}: {error}"

    def _tell(self, folder: Path, done: int, total: int) -> None:
        if folder in self._to_import:
            self._to_import[folder] = max(total - done, 1)


def _matters(path: str) -> bool:
    """Whether an event can concern a skill: its file, or a folder that came, went or moved."""
    name = os.path.basename(path)  # noqa: PTH119 - called for every event of a busy folder
    return is_skill_file(name) or "." not in name or os.path.isdir(path)  # noqa: PTH112 - same
