"""Which files make up an index: the one small file that every change of state replaces."""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING

import msgspec

from openviking.errors import StoreError
from openviking.index.disk.files import damaged, replace_file, translated

if TYPE_CHECKING:
    from pathlib import Path

_FORMAT = 1
NAME = "manifest"
"""The manifest's file name."""


class FileRecord(msgspec.Struct, frozen=True):
    """Bytes and CRC-32 of a file."""

    bytes: int
    crc: int


class SegmentRecord(msgspec.Struct, frozen=True):
    """A segment: its folder's name, its size, its files, and which of its rows are gone.

    ``dead`` names the file that says so; it belongs to one manifest and is written with it.
    """

    name: str
    rows: int
    lists: int
    files: dict[str, FileRecord]
    dead: str | None = None


class Manifest(msgspec.Struct, frozen=True):
    """The state of an index, apart from what its journal holds."""

    format: int
    dim: int
    journal: str
    segments: tuple[SegmentRecord, ...] = ()
    next_number: int = 1

    @classmethod
    def first(cls, dim: int) -> Manifest:
        """Return the manifest of an empty index."""
        return cls(_FORMAT, dim, "journal-000000")


def read(folder: Path) -> Manifest | None:
    """Return the folder's manifest, None if it has none.

    Raises:
        StoreError: it is damaged, or of another version.
    """
    path = folder / NAME
    with translated(path, "read"):
        if not path.exists():
            return None
        content = path.read_bytes()
    crc, _, body = content.partition(b"\n")
    if not re.fullmatch(rb"[0-9a-f]{8}", crc) or int(crc, 16) != zlib.crc32(body):
        raise damaged(path, "its checksum does not match")
    try:
        version = msgspec.json.decode(body, type=dict[str, object]).get("format")
        if version != _FORMAT:
            raise StoreError(
                f"index: {path} has format {version}, this version reads {_FORMAT}; build the "
                "index again from the store"
            )
        return msgspec.json.decode(body, type=Manifest)
    except msgspec.MsgspecError as error:
        raise damaged(path, str(error)) from error


def write(folder: Path, manifest: Manifest) -> None:
    """Make *manifest* the folder's state, atomically.

    Raises:
        StoreError: the old state still holds.
    """
    body = msgspec.json.encode(manifest)
    path = folder / NAME
    with translated(path, "write"):
        replace_file(path, b"%08x\n%s" % (zlib.crc32(body), body))
