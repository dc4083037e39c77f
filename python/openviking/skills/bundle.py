"""The files that lie beside a SKILL.md: scripts, references, templates."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BUNDLED_FILES_MAX = 1000
"""Files of one skill that are listed."""

FOLDERS_MAX = 1000
"""Folders of one skill that are entered."""


def bundled_files(path: Path) -> tuple[str, ...]:
    """List the files beside the SKILL.md at *path*, relative to its folder, sorted by folder.

    Hidden folders, links and folders that hold a skill of their own are left out: what a link
    points to may lie anywhere.
    """
    home = path.parent
    found: list[str] = []
    for count, (folder, below, names) in enumerate(os.walk(home), 1):
        if folder != str(home) and any(name.lower() == "skill.md" for name in names):
            below.clear()
            continue
        below[:] = sorted(name for name in below if not name.startswith("."))
        for name in sorted(names):
            file = os.path.join(folder, name)  # noqa: PTH118 - thousands of names per import
            if file != str(path) and not os.path.islink(file):  # noqa: PTH114 - same
                found.append(os.path.relpath(file, home))
        if len(found) >= BUNDLED_FILES_MAX or count >= FOLDERS_MAX:
            break
    return tuple(found[:BUNDLED_FILES_MAX])
