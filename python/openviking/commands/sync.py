"""Copy command files into an agent's folder: whole files only, and nobody's own work is lost.

A small list beside the copies says what was put there and with which content. Only a copy that
still has that content is replaced or removed; what a person wrote or changed is kept and named.
"""

from __future__ import annotations

import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.commands.command import FILE_BYTES_MAX, Findings
from openviking.errors import InputError, StoreError
from openviking.frontmatter import read_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from openviking.commands.command import Command

LIST_NAME = ".openviking-commands.json"
"""The list of what was copied: file name -> BLAKE2b-128 hex digest of its content."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, by file name, sorted.

    Attributes:
        target: the folder.
        added: copied for the first time.
        updated: replaced by a newer content.
        unchanged: already as they should be.
        removed: copies of commands that no longer exist.
        kept: not touched, since they were written or changed there, or their source is unreadable.
    """

    target: str
    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    kept: tuple[str, ...]


def sync_files(
    commands: Sequence[Command],
    sources: Iterable[Path],
    target: Path,
    *,
    is_forced: bool,
    may_remove: bool,
) -> SyncReport:
    """Bring *target* in step with *commands*; it is made if missing.

    Each file is replaced in one step, so a reader sees the old or the new one. A sync that was
    broken off is completed by the next.

    Args:
        commands: what to copy; the file's bytes are copied, front matter included.
        sources: the folders of the commands.
        target: the folder to copy into.
        is_forced: replace also what was written or changed there.
        may_remove: remove untouched copies of commands that are not among *commands*.

    Raises:
        InputError: *target* is a source or lies in one: copies would become commands themselves.
        StoreError: it cannot be written; what was copied before stays whole.
    """
    target = Path(os.path.abspath(target.expanduser()))  # noqa: PTH100 - keeps links
    try:
        for source in sources:
            if target.resolve().is_relative_to(source.resolve()):
                raise InputError(
                    f"{target}: expected a folder outside of {source}, whose commands it is to get",
                    loc=("target",),
                )
        target.mkdir(parents=True, exist_ok=True)
        copies = _Copies(target, is_forced=is_forced)
        for command in commands:
            copies.put(command)
        return copies.finish(may_remove=may_remove)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or str(error)
        raise StoreError(
            f"{target}: commands cannot be copied there: {reason}; choose a folder that can be "
            "written, or make room"
        ) from error


class _Copies:
    """One sync under way."""

    def __init__(self, target: Path, *, is_forced: bool) -> None:
        self._target = target
        self._is_forced = is_forced
        self._before = _read_list(target)
        self._now: dict[str, str] = {}
        self._done: dict[str, list[str]] = {
            key: [] for key in ("added", "updated", "unchanged", "removed", "kept")
        }

    def put(self, command: Command) -> None:
        """Copy one command's file, unless somebody else's work stands in its place."""
        name = f"{command.name}.md"
        path = self._target / name
        content = read_bytes(Path(command.path), FILE_BYTES_MAX, Findings(command.path))
        there = _content(path)
        listed = self._before.get(name)
        if content is None:
            # It vanished or became unreadable since the scan: the copy may be all that is left.
            self._keep(name)
        elif there == content:
            self._done["unchanged"].append(name)
            self._now[name] = _digest(content)
        elif not self._is_forced and path.exists() and (not there or _digest(there) != listed):
            self._keep(name)
        else:
            _write(path, content)
            self._done["added" if there is None else "updated"].append(name)
            self._now[name] = _digest(content)

    def finish(self, *, may_remove: bool) -> SyncReport:
        """Remove what is out of date, and write the list."""
        for name in sorted(set(self._before) - set(self._now) - set(self._done["kept"])):
            there = _content(self._target / name)
            if there is None:
                continue
            if may_remove and _digest(there) == self._before[name]:
                (self._target / name).unlink()
                self._done["removed"].append(name)
            else:
                self._keep(name)
        if self._now != self._before:
            _write(self._target / LIST_NAME, _list_content(self._now))
        report = {key: tuple(sorted(names)) for key, names in self._done.items()}
        return SyncReport(str(self._target), **report)

    def _keep(self, name: str) -> None:
        self._done["kept"].append(name)
        if name in self._before:
            self._now[name] = self._before[name]


def _list_content(listed: dict[str, str]) -> bytes:
    return json.dumps(listed, indent=1, sort_keys=True).encode() + b"\n"


def _digest(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()


def _content(path: Path) -> bytes | None:
    """Return what the file holds, None if there is none or it is none of ours by its size."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return file.read(FILE_BYTES_MAX + 1)


def _read_list(target: Path) -> dict[str, str]:
    """Return what was copied before; a damaged list counts as none, and then nothing is replaced.

    Names that are no plain file names are dropped: the list lies where others can write.
    """
    try:
        with (target / LIST_NAME).open("rb") as file:
            listed = json.loads(file.read(1 << 20))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError):
        return {}
    if not isinstance(listed, dict):
        return {}
    return {
        name: digest
        for name, digest in listed.items()
        if isinstance(digest, str) and name.endswith(".md") and Path(name).name == name
    }


def _write(path: Path, content: bytes) -> None:
    """Put *content* at *path* in one step; a link there is replaced, what it leads to is not."""
    number, temporary = tempfile.mkstemp(prefix=".openviking-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets only the owner read; an agent may run as another user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
