"""Import of SKILL.md folders: unchanged files cost a read, the others are written in batches.

Each batch is on disk before the next one is encoded. A killed import therefore resumes where it
stopped when it is run again: what was stored counts as unchanged.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.errors import OverloadedError
from openviking.skills.bundle import bundled_files
from openviking.skills.findings import Finding, Findings
from openviking.skills.ids import choose_id
from openviking.skills.load import parse_skill, read_source, source_digest
from openviking.skills.scan import Scan, SkillFile, scan_paths
from openviking.skills.structure import folder_category, without_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.skills.catalog import Catalog
    from openviking.skills.writer import SkillWriter
    from openviking.types import Progress, Skill

BATCH_SKILLS = 8
"""Skills encoded and stored at a time: about a second of work, so little is lost by a kill."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import did.

    Attributes:
        added: ids that are new.
        updated: ids whose file had changed.
        unchanged: ids whose file had not.
        removed: ids whose file is gone (only when folders are kept in step).
        refused: one ``error`` finding for each file that was not loaded.
        findings: everything odd, refusals included, in the order of the files.
        passages_encoded: passages that were given to the encoder.
        is_complete: false if the import was stopped before its end.
    """

    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    passages_encoded: int
    is_complete: bool = True


@dataclass(slots=True)
class _Run:
    """The state of one import."""

    scan: Scan
    owner_levels: dict[Path, frozenset[tuple[str, ...]]]
    taken: dict[str, Path] = field(default_factory=dict)
    id_by_folder: dict[Path, str] = field(default_factory=dict)
    pending: list[Skill] = field(default_factory=list)
    renamed: list[str] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    passages_encoded: int = 0


class Importer:
    """Brings files into the store; one import at a time.

    Args:
        writer: encodes and stores.
        catalog: the skills that are known.
        is_stopping: asked between batches; true ends the import early.
    """

    def __init__(
        self, writer: SkillWriter, catalog: Catalog, is_stopping: Callable[[], bool]
    ) -> None:
        self._writer = writer
        self._catalog = catalog
        self._is_stopping = is_stopping
        self._lock = threading.Lock()

    def run(
        self, roots: Sequence[Path], progress: Progress | None = None, *, prune: bool = False
    ) -> ImportReport:
        """Import everything under absolute *roots*.

        Args:
            roots: folders, or files that are skills.
            progress: called with (files done, files in all).
            prune: also delete skills that came from a file under *roots* which is gone.
        """
        with self._lock:
            scan = scan_paths(roots)
            run = _Run(scan, scan.owner_levels(), findings=list(scan.findings))
            try:
                self._take_all(run, progress)
            except OverloadedError:
                if not self._is_stopping():
                    raise
                return _report(run, is_complete=False)
            if prune:
                self._prune(roots, run)
            return _report(run, is_complete=True)

    def _take_all(self, run: _Run, progress: Progress | None) -> None:
        """Take every file, batch by batch; OverloadedError if the skills are being closed."""
        total = len(run.scan.files)
        for done, file in enumerate(run.scan.files):
            if self._is_stopping():
                raise OverloadedError("the skills are being closed")
            if progress is not None:
                progress(done, total)
            self._take(file, run)
            if len(run.pending) >= BATCH_SKILLS:
                self._flush(run)
        self._flush(run)
        if progress is not None:
            progress(total, total)

    def _take(self, file: SkillFile, run: _Run) -> None:
        """Read one file; put its skill among the pending ones if anything changed."""
        path = str(file.path)
        if not _is_text(path):
            findings = Findings(path.encode("utf-8", "replace").decode("utf-8"))
            findings.add("file-unreadable", "the path is not valid UTF-8; rename the file")
            run.findings.extend(findings.found)
            return
        source, found = read_source(file.path)
        if source is None:
            run.findings.extend(found)
            self._keep(file, run)
            return
        known = self._known(path)
        if known is not None and known.digest == source_digest(source):
            folders = without_owner(file.folders, run.owner_levels[file.root])
            if (known.category, known.subcategory) == folder_category(folders):
                self._keep(file, run)
                run.unchanged.append(known.id)
                return
        skill, found = parse_skill(
            source,
            path=path,
            root=str(file.root),
            bundled_files=len(bundled_files(file.path)),
            owner_levels=run.owner_levels[file.root],
        )
        run.findings.extend(found)
        if skill is None:
            self._keep(file, run)
            return
        self._place(file, skill, known, run)

    def _known(self, path: str) -> Skill | None:
        """Return the record of a file if its vectors are of this build."""
        snapshot = self._catalog.snapshot
        skill_id = snapshot.by_path.get(path)
        entry = None if skill_id is None else snapshot.entries[skill_id]
        return None if entry is None or entry.summary is None else entry.skill

    def _keep(self, file: SkillFile, run: _Run) -> None:
        """Let the record of a file, if there is one, keep its id and its place as a parent."""
        skill_id = self._catalog.snapshot.by_path.get(str(file.path))
        if skill_id is not None:
            run.taken[skill_id] = file.path
            run.id_by_folder[file.path.parent] = skill_id

    def _place(self, file: SkillFile, skill: Skill, known: Skill | None, run: _Run) -> None:
        """Give a parsed skill its id and its parent."""
        snapshot = self._catalog.snapshot
        previous = snapshot.by_path.get(str(file.path))
        base = skill.id
        if previous is not None and (previous == base or previous.startswith(f"{base}-")):
            skill_id = previous
        else:
            skill_id = choose_id(base, file, snapshot.entries, run.taken)
            if previous is not None:
                run.renamed.append(previous)
        if skill_id != base:
            findings = Findings(str(file.path))
            findings.add("id-collision", f"id {base!r} is taken; this one became {skill_id!r}")
            run.findings.extend(findings.found)
        run.taken[skill_id] = file.path
        run.id_by_folder[file.path.parent] = skill_id
        parent = skill.parent_skill or _nesting_parent(file, run)
        skill = replace(skill, id=skill_id, parent_skill=parent)
        if known is not None and _is_same(known, skill):
            run.unchanged.append(skill_id)
            return
        (run.updated if previous or skill_id in snapshot.entries else run.added).append(skill_id)
        run.pending.append(skill)

    def _flush(self, run: _Run) -> None:
        if not run.pending:
            return
        prepared = self._writer.prepare(run.pending)
        # An id that another file of this import has taken over is not removed.
        gone = [skill_id for skill_id in run.renamed if skill_id not in run.taken]
        self._writer.commit(prepared.entries, gone)
        run.passages_encoded += prepared.encoded_count
        run.pending, run.renamed = [], []

    def _prune(self, roots: Sequence[Path], run: _Run) -> None:
        files = {str(file.path) for file in run.scan.files}
        snapshot = self._catalog.snapshot
        for skill_id in snapshot.ids:
            skill = snapshot.entries[skill_id].skill
            if skill.origin != "folder" or skill.path is None:
                continue
            is_held = skill.path in files and snapshot.by_path[skill.path] == skill_id
            path = Path(skill.path)
            is_unknown = any(path.is_relative_to(folder) for folder in run.scan.unread)
            if not is_held and not is_unknown and any(path.is_relative_to(r) for r in roots):
                run.removed.append(skill_id)
        if run.removed:
            self._writer.commit([], run.removed)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _nesting_parent(file: SkillFile, run: _Run) -> str | None:
    """Return the id of the nearest skill in a folder above, at most up to the imported one."""
    for folder in file.path.parent.parents:
        if folder in run.id_by_folder:
            return run.id_by_folder[folder]
        if folder == file.root:
            break
    return None


def _is_same(known: Skill, skill: Skill) -> bool:
    """Whether the same text gave the same record; an id that moved is a change."""
    return (known.digest, known.id, known.category, known.subcategory, known.parent_skill) == (
        skill.digest,
        skill.id,
        skill.category,
        skill.subcategory,
        skill.parent_skill,
    )


def _report(run: _Run, *, is_complete: bool) -> ImportReport:
    return ImportReport(
        added=tuple(run.added),
        updated=tuple(run.updated),
        unchanged=tuple(run.unchanged),
        removed=tuple(run.removed),
        refused=tuple(finding for finding in run.findings if finding.severity == "error"),
        findings=tuple(run.findings),
        passages_encoded=run.passages_encoded,
        is_complete=is_complete,
    )
