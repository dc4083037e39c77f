"""The files that lie beside a SKILL.md: scripts, references, templates."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from openviking.errors import LimitError, NotFoundError

BUNDLED_FILES_MAX = 1000
"""Files of one skill that are listed."""

FOLDERS_MAX = 1000
"""Folders of one skill that are entered."""


def bundled_files(path: Path) -> tuple[str, ...]:
    """List the files beside the SKILL.md at *path*, relative to its folder, sorted by folder.

    Hidden folders, folders that hold a skill of their own, and what is no file are left out: a link
    may point anywhere, and a pipe has nothing to read.
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
            if file != str(path) and _is_file(file):
                found.append(os.path.relpath(file, home))
        if len(found) >= BUNDLED_FILES_MAX or count >= FOLDERS_MAX:
            break
    return tuple(found[:BUNDLED_FILES_MAX])


def _is_file(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        # Gone since the folder was read.
        return False


FILE_BYTES_MAX = 16 << 20
"""Larger bundled files are listed but not given out."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a named pipe would wait for its writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_bundled(path: Path, name: str) -> bytes:
    """Return the content of a file beside the SKILL.md at *path*.

    Only a name that :func:`bundled_files` lists is read, folder by folder without following a link:
    what is exchanged between the look and the reading leads nowhere else either.

    Raises:
        NotFoundError: no such file in the skill's folder.
        LimitError: it is larger than ``FILE_BYTES_MAX``.
    """
    missing = NotFoundError(f"the skill has no file {name!r}")
    if name not in bundled_files(path):
        raise missing
    *folders, last = Path(name).parts
    opened: list[int] = []
    try:
        opened.append(os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        for folder in folders:
            opened.append(os.open(folder, _FOLDER, dir_fd=opened[-1]))
        opened.append(os.open(last, _FILE, dir_fd=opened[-1]))
        if not stat.S_ISREG(os.fstat(opened[-1]).st_mode):
            raise missing
        with os.fdopen(os.dup(opened[-1]), "rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except (OSError, ValueError) as error:
        raise missing from error
    finally:
        for number in opened:
            os.close(number)
    if len(content) > FILE_BYTES_MAX:
        raise LimitError(f"{name}: larger than {FILE_BYTES_MAX} bytes", loc=("path",))
    return content
