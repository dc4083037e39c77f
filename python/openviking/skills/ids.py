"""Ids: unique, stable for a file, and the same whatever the order of imports on a fresh store."""

from __future__ import annotations

import os
from hashlib import blake2b
from typing import TYPE_CHECKING

from openviking.skills.structure import CONTAINER_FOLDERS, slug

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from openviking.skills.scan import SkillFile
    from openviking.skills.snapshot import Entry


def choose_id(
    base: str, file: SkillFile, entries: Mapping[str, Entry], taken: Collection[str]
) -> str:
    """Return a free id for the skill in *file* whose name gives the slug *base*.

    The first holder keeps the bare slug. A later one adds the name of the folder above its own
    (``pdf`` by two authors becomes ``pdf`` and ``pdf-alice``; folders called ``skills`` say nothing
    and are passed over), and if that is taken too, six hex digits of its path below the root. A
    record whose file is gone gives its id up, so that a moved file keeps it.

    Args:
        base: slug of the name.
        file: where the skill lies.
        entries: the skills that are known.
        taken: ids that this import has given to other files.
    """
    relative = os.path.relpath(file.path, file.root)
    digest = blake2b(relative.encode("utf-8", "surrogateescape"), digest_size=3).hexdigest()
    above = _folder_above(file)
    for candidate in (base, f"{base}-{above}" if above else base, f"{base}-{digest}"):
        if candidate not in taken and _is_free(candidate, file, entries):
            return candidate
    # Three names taken: the path itself decides, and a path is held by one file only.
    whole = blake2b(str(file.path).encode("utf-8", "surrogateescape"), digest_size=16)
    return f"{base}-{whole.hexdigest()}"


def _is_free(candidate: str, file: SkillFile, entries: Mapping[str, Entry]) -> bool:
    holder = entries.get(candidate)
    if holder is None:
        return True
    path = holder.skill.path
    if holder.skill.origin != "folder" or path is None:
        return False
    return path == str(file.path) or not os.path.lexists(path)


def _folder_above(file: SkillFile) -> str:
    names = [slug(folder.name) for folder in file.path.parent.parents]
    return next((name for name in names if name and name not in CONTAINER_FOLDERS), "")
