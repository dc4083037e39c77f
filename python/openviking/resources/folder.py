"""Import of a folder of text and Markdown: what changed is stored, what did not is passed over."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.errors import InputError, NotFoundError
from openviking.resources.resources import CONTENT_BYTES_MAX, PAGE_MAX, URI_CHARS_MAX
from openviking.store.resources import NewResource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from openviking.resources.resources import Resources
    from openviking.types import Progress

SUFFIXES = frozenset({".md", ".markdown", ".txt", ".text", ".rst"})
"""Files that are read; all others are passed over."""

BATCH_FILES = 64
BATCH_BYTES = 4 << 20
"""A transaction is as large as one of these says."""


@dataclass(frozen=True, slots=True)
class FileProblem:
    """A file that was not stored, and why."""

    path: str
    reason: str


@dataclass(slots=True)
class ImportReport:
    """What an import did; ``stored`` counts new versions, ``pruned`` deleted URIs."""

    stored: int = 0
    unchanged: int = 0
    pruned: int = 0
    problems: tuple[FileProblem, ...] = ()


@dataclass(frozen=True, slots=True)
class FolderImport:
    """Which folder goes where.

    Attributes:
        folder: read with all folders below it; hidden ones (with a leading dot) are passed over.
        prefix: a file's URI is this and its path below *folder*, with slashes.
        resource_type: what the contents are.
        prune: delete what an earlier import of this folder stored and whose file is gone.
    """

    folder: Path
    prefix: str
    resource_type: str = "document"
    prune: bool = False

    def run(self, resources: Resources, progress: Progress | None = None) -> ImportReport:
        """Store every file that differs from what its URI means now.

        Interrupted, it has stored whole files only; run again, it goes on where it was.

        Raises:
            InputError: *folder* is no folder.
            StoreError: the store failed; what was stored before stays.
        """
        if not self.folder.is_dir():
            raise InputError(f"{self.folder}: expected a folder", loc=("folder",))
        paths = sorted(_files(self.folder))
        report, problems = ImportReport(), list[FileProblem]()
        batch, size = list[NewResource](), 0
        for done, path in enumerate(paths, 1):
            try:
                new = self._read(path)
            except (InputError, OSError) as error:
                reason = str(error.strerror if isinstance(error, OSError) else error)
                problems.append(FileProblem(os.fsencode(path).decode("utf-8", "replace"), reason))
                new = None
            if new is not None and _is_known(resources, new):
                report.unchanged += 1
            elif new is not None:
                batch.append(new)
                size += len(new.content)
            if len(batch) == BATCH_FILES or size > BATCH_BYTES or done == len(paths):
                report.stored += len(resources.put_all(batch))
                batch, size = [], 0
            if progress is not None:
                progress(done, len(paths))
        report.problems = tuple(problems)
        if self.prune:
            report.pruned = self._prune(resources, {self._uri(path) for path in paths})
        return report

    def _uri(self, path: Path) -> str:
        return self.prefix + path.relative_to(self.folder).as_posix()

    def _read(self, path: Path) -> NewResource:
        """Read one file; raises InputError for what cannot be a resource."""
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InputError("not a regular file")
        if not path.resolve().is_relative_to(self.folder.resolve()):
            raise InputError("a link that leads out of the folder")
        if status.st_size > CONTENT_BYTES_MAX:
            raise InputError(f"{status.st_size} bytes; at most {CONTENT_BYTES_MAX} are kept")
        data = path.read_bytes()
        if b"\0" in data:
            raise InputError("binary: it holds zero bytes")
        try:
            content = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(
                f"not UTF-8: byte {data[error.start]:#04x} at {error.start}"
            ) from error
        uri = self._uri(path)
        if len(uri) > URI_CHARS_MAX or not uri.isprintable():
            raise InputError("its path makes no URI: too long, or not printable text")
        metadata = {"imported_from": str(self.folder.resolve())}
        return NewResource(content, uri, self.resource_type, metadata=metadata)

    def _prune(self, resources: Resources, uris: set[str]) -> int:
        """Delete what came from this folder and is there no more; files with problems are there."""
        origin = {"imported_from": str(self.folder.resolve())}
        pruned, after = 0, None
        while True:
            page = resources.list(prefix=self.prefix, metadata=origin, limit=PAGE_MAX, after=after)
            for resource in page.resources:
                if resource.target_uri not in uris:
                    resources.delete(resource.id)
                    pruned += 1
            after = page.next
            if after is None:
                return pruned


def _files(folder: Path) -> Iterator[Path]:
    for root, names, files in os.walk(folder):
        names[:] = [name for name in names if not name.startswith(".")]
        for name in files:
            path = Path(root, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield path


def _is_known(resources: Resources, new: NewResource) -> bool:
    try:
        held = resources.get_by_uri(new.target_uri)
    except NotFoundError:
        return False
    known = (held.content, held.resource_type, held.metadata)
    return known == (new.content, new.resource_type, new.metadata)
