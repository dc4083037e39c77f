"""Which command files there are: folders walked within limits, links followed once."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING, NamedTuple

from openviking.commands.command import FILE_BYTES_MAX, Findings

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from openviking.findings import Finding

DEPTH_MAX = 8
"""Folders below a given one that are entered."""

FILES_MAX = 2000
"""Command files of all folders together; what comes after is left out, and reported."""

ENTRIES_MAX = 20_000
"""Directory entries that are looked at: somebody may name a home folder by mistake."""

BYTES_MAX = 32 << 20
"""Bytes of all command files together, for they are kept in memory."""

_SUFFIXES = (".md", ".markdown")


class Stamp(NamedTuple):
    """What tells one state of a file from another without reading it."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int


class Scan:
    """One look at all folders.

    Attributes:
        files: path -> stamp, in order of the given folders, then of paths.
        findings: folders that cannot be read or turn in a circle, and limits that were reached.
    """

    def __init__(self) -> None:
        self.files: dict[str, Stamp] = {}
        self.findings: list[Finding] = []
        self._seen: set[tuple[int, int]] = set()
        self._entries = 0
        self._bytes = 0

    def walk(self, root: Path) -> None:
        """Add the files below *root*; a folder that is gone is reported, not raised."""
        # A stack instead of recursion: the depth of a tree is not ours to choose.
        stack = [(str(root), 0)]
        while stack:
            folder, depth = stack.pop()
            findings = Findings(folder)
            try:
                stack.extend(self._enter(folder, depth, findings))
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                findings.add("file-unreadable", f"folder cannot be read: {reason}")
            self.findings.extend(findings.found)

    def _enter(self, folder: str, depth: int, findings: Findings) -> list[tuple[str, int]]:
        status = os.stat(folder)  # noqa: PTH116 - a path may be too long for Path's checks
        identity = (status.st_dev, status.st_ino)
        if identity in self._seen:
            findings.add("folder-loop", "already visited under another path; left out")
            return []
        self._seen.add(identity)
        below: list[tuple[str, int]] = []
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                self._entries += 1
                if self._is_full():
                    findings.add(
                        "folder-full",
                        f"more than {FILES_MAX} command files, {BYTES_MAX} bytes or {ENTRIES_MAX} "
                        "entries; the rest is left out",
                    )
                    return []
                if not entry.name.startswith("."):
                    self._take(entry, depth, below, findings)
        return below[::-1]

    def _is_full(self) -> bool:
        return (
            self._entries > ENTRIES_MAX or len(self.files) >= FILES_MAX or self._bytes > BYTES_MAX
        )

    def _take(
        self,
        entry: os.DirEntry[str],
        depth: int,
        below: list[tuple[str, int]],
        findings: Findings,
    ) -> None:
        try:
            if entry.is_dir():
                if depth >= DEPTH_MAX:
                    findings.add("folder-full", f"{entry.name}: deeper than {DEPTH_MAX} folders")
                else:
                    below.append((entry.path, depth + 1))
            elif entry.name.lower().endswith(_SUFFIXES):
                status = entry.stat()
                # Opening a pipe would wait for a writer, for ever.
                if stat.S_ISREG(status.st_mode):
                    self._bytes += min(status.st_size, FILE_BYTES_MAX)
                    self.files[entry.path] = Stamp(
                        status.st_dev,
                        status.st_ino,
                        status.st_size,
                        status.st_mtime_ns,
                        status.st_ctime_ns,
                    )
        except OSError as error:
            # A link that leads nowhere or turns in a circle.
            findings.add("file-unreadable", f"{entry.name}: {error.strerror}")


def scan(folders: Iterable[Path]) -> Scan:
    """Look at *folders* in order."""
    found = Scan()
    for folder in folders:
        found.walk(folder)
    return found
