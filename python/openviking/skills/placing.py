"""Which id a file gets beside other files and the stored skills, and which file gives way.

The import, the check and the doctor all ask here, so that all three tell the same.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.skills.ids import choose_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from openviking.skills.overrides import Order
    from openviking.skills.scan import SkillFile
    from openviking.skills.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a file stands.

    Attributes:
        id: that its skill gets, or would get if it did not give way.
        winner: the file whose skill is used instead; None if this one is used.
        loser: the file that gives way to this one, if one does.
    """

    id: str
    winner: Path | None = None
    loser: Path | None = None


def place(
    file: SkillFile, base: str, *, order: Order, snapshot: Snapshot, taken: Mapping[str, Path]
) -> Placed:
    """Decide where *file* stands, whose name gives the id *base*.

    Args:
        file: the files that win are to be asked about first.
        base: slug of the name.
        order: precedence of folders.
        snapshot: the stored skills.
        taken: ids that files got before this one.
    """
    holder = holder_of(base, snapshot, taken)
    if holder is not None and order.gives_way(file.path, holder):
        return Placed(base, winner=holder)
    if holder is not None and order.gives_way(holder, file.path):
        return Placed(base, loser=holder)
    previous = snapshot.by_path.get(str(file.path))
    if previous is not None and (previous == base or previous.startswith(f"{base}-")):
        return Placed(previous)
    return Placed(choose_id(base, file, snapshot.entries, taken))


def holder_of(base: str, snapshot: Snapshot, taken: Mapping[str, Path]) -> Path | None:
    """Return the file that has the id *base* now, None if no file has."""
    if base in taken:
        return taken[base]
    entry = snapshot.entries.get(base)
    path = None if entry is None or entry.skill.origin != "folder" else entry.skill.path
    return None if path is None or not os.path.lexists(path) else Path(path)
