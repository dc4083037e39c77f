"""Find SKILL.md files under folders: links are followed once, loops end, nothing is read."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.checks import check_several
from openviking.errors import InputError
from openviking.skills.findings import Findings
from openviking.skills.structure import owner_levels

if TYPE_CHECKING:
    from collections.abc import Iterable

    from openviking.findings import Finding

DEPTH_MAX = 64
"""Folders below a given one that are entered; deeper trees are reported and left out."""

SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})
"""Folders that hold no skills of their own and can be very large."""


@dataclass(frozen=True, slots=True)
class SkillFile:
    """A file to load, and the given folder that it was found under."""

    path: Path
    root: Path

    @property
    def folders(self) -> tuple[str, ...]:
        """The folders from the root to the skill's own."""
        return self.path.parent.relative_to(self.root).parts


@dataclass(slots=True)
class Scan:
    """What was found.

    Attributes:
        files: in order of their paths, a folder's own file before those of its sub-folders.
        findings: folders that could not be read, loops, and depth.
        unread: folders whose content is unknown; nothing may be concluded from their silence.
    """

    files: list[SkillFile] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unread: list[Path] = field(default_factory=list)

    def owner_levels(self) -> dict[Path, frozenset[tuple[str, ...]]]:
        """Return by root which folders below it hold folders of owners; see structure.py."""
        places: dict[Path, list[tuple[str, ...]]] = {}
        for file in self.files:
            places.setdefault(file.root, []).append(file.folders)
        return {root: owner_levels(found) for root, found in places.items()}


def is_skill_file(name: str) -> bool:
    """Whether a file of that name is a skill; case does not matter."""
    return name.lower() == "skill.md"


def check_paths(paths: Iterable[str | Path]) -> list[Path]:
    """Return the paths made absolute; raises InputError if one does not exist."""
    check_several(paths, "paths")
    checked: list[Path] = []
    for position, given in enumerate(paths):
        path = Path(given).expanduser()
        try:
            exists = path.exists()
        except (OSError, ValueError) as error:
            raise InputError(f"{given!r}: not a usable path", loc=("paths", position)) from error
        if not exists:
            raise InputError(f"{given}: no such file or folder", loc=("paths", position))
        checked.append(Path(os.path.abspath(path)))  # noqa: PTH100 - resolve() follows links
    return checked


def scan_paths(roots: Iterable[Path]) -> Scan:
    """Walk absolute *roots*; a root that is a file is taken as a skill whatever its name."""
    scan = Scan()
    seen_files: set[Path] = set()
    seen_folders: set[tuple[int, int]] = set()
    for root in roots:
        if root.is_dir():
            found = _walk(root, scan, seen_folders)
        else:
            found = [SkillFile(root, root.parent.parent)]
        for file in found:
            if file.path not in seen_files:
                seen_files.add(file.path)
                scan.files.append(file)
    return scan


def _walk(root: Path, scan: Scan, seen: set[tuple[int, int]]) -> list[SkillFile]:
    found: list[SkillFile] = []
    # A stack instead of recursion: the depth of a tree is not ours to choose.
    stack = [(str(root), 0)]
    while stack:
        folder, depth = stack.pop()
        findings = Findings(folder)
        try:
            status = os.stat(folder)  # noqa: PTH116 - a path may be too long for Path's checks
            if (status.st_dev, status.st_ino) in seen:
                findings.add("folder-loop", "already visited under another path; left out")
            else:
                seen.add((status.st_dev, status.st_ino))
                stack.extend(_enter(folder, depth, root, found, findings))
        except OSError as error:
            findings.add("file-unreadable", f"folder cannot be read: {error.strerror}")
            scan.unread.append(Path(folder))
        scan.findings.extend(findings.found)
    return found


def _enter(
    folder: str, depth: int, root: Path, found: list[SkillFile], findings: Findings
) -> list[tuple[str, int]]:
    """Record the skill files of one folder; return its sub-folders, last first."""
    with os.scandir(folder) as entries:
        ordered = sorted(entries, key=lambda entry: entry.name)
    found.extend(
        SkillFile(Path(entry.path), root)
        for entry in ordered
        if is_skill_file(entry.name) and not _is_folder(entry)
    )
    below = [
        (entry.path, depth + 1)
        for entry in reversed(ordered)
        if entry.name not in SKIPPED_FOLDERS and _is_folder(entry)
    ]
    if below and depth >= DEPTH_MAX:
        findings.add("file-unreadable", f"deeper than {DEPTH_MAX} folders; left out")
        return []
    return below


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        # A link that turns in a circle is no folder.
        return False
