"""Import of SKILL.md folders: unchanged files cost a read, the others are written in batches.

Each batch is on disk before the next one is encoded. A killed import therefore resumes where it
stopped when it is run again: what was stored counts as unchanged.
"""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openviking.errors import OverloadedError
from openviking.skills.bundle import bundled_files
from openviking.skills.findings import Findings
from openviking.skills.load import parse_skill, read_source, source_digest
from openviking.skills.overrides import Order, Override
from openviking.skills.placing import holder_of, place
from openviking.skills.report import ImportReport, ImportRun
from openviking.skills.scan import SkillFile, scan_paths
from openviking.skills.structure import folder_category, slug, without_owner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.skills.catalog import Catalog
    from openviking.skills.overrides import Overrides
    from openviking.skills.writer import SkillWriter
    from openviking.types import Progress, Skill

BATCH_SKILLS = 8
"""Skills encoded and stored at a time: about a second of work, so little is lost by a kill."""


class Importer:
    """Brings files into the store; one import at a time.

    Args:
        writer: encodes and stores.
        catalog: the skills that are known.
        overrides: files that gave way to skills of later folders; kept up to date here.
        is_stopping: asked between batches; true ends the import early.
    """

    def __init__(
        self,
        writer: SkillWriter,
        catalog: Catalog,
        overrides: Overrides,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._writer = writer
        self._catalog = catalog
        self._is_stopping = is_stopping
        self._lock = threading.Lock()
        self._overrides = overrides

    def run(
        self,
        roots: Sequence[Path],
        progress: Progress | None = None,
        *,
        prune: bool = False,
        among: Sequence[Path] = (),
    ) -> ImportReport:
        """Import everything under absolute *roots*; of equal names in two, the later one's counts.

        Args:
            roots: folders, or files that are skills.
            progress: called with (files done, files in all).
            prune: also delete skills that came from a file under *roots* which is gone.
            among: all folders that are ordered with *roots*, if these are only some of them.
        """
        folders = among or roots
        with self._lock:
            order = Order(folders)
            try:
                report = self._pass(roots, order, progress, prune=prune)
                by_path = self._catalog.snapshot.by_path
                if report.is_complete and self._overrides.take_back(by_path, folders):
                    present = [root for root in folders if root.exists()]
                    report = report.then(self._pass(present, order, progress, prune=prune))
            finally:
                self._overrides.save()
            return report

    def _pass(
        self, roots: Sequence[Path], order: Order, progress: Progress | None, *, prune: bool
    ) -> ImportReport:
        scan = scan_paths(roots)
        # What counts comes first, so that nothing is encoded in vain.
        scan.files.sort(key=lambda file: -order.rank(file.path))
        run = ImportRun(scan, scan.owner_levels(), order, findings=list(scan.findings))
        try:
            self._take_all(run, progress)
        except OverloadedError:
            if not self._is_stopping():
                raise
            return run.report(is_complete=False)
        if prune:
            self._prune(roots, run)
        return run.report(is_complete=True)

    def _take_all(self, run: ImportRun, progress: Progress | None) -> None:
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

    def _take(self, file: SkillFile, run: ImportRun) -> None:
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
            is_placed = (known.category, known.subcategory) == folder_category(folders)
            if is_placed and not self._is_contested(slug(known.name) or known.id, file, run):
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

    def _keep(self, file: SkillFile, run: ImportRun) -> None:
        """Let the record of a file, if there is one, keep its id and its place as a parent."""
        skill_id = self._catalog.snapshot.by_path.get(str(file.path))
        if skill_id is not None:
            run.taken[skill_id] = file.path
            run.id_by_folder[file.path.parent] = skill_id

    def _place(self, file: SkillFile, skill: Skill, known: Skill | None, run: ImportRun) -> None:
        """Give a parsed skill its id and its parent."""
        snapshot = self._catalog.snapshot
        previous = snapshot.by_path.get(str(file.path))
        base = skill.id
        placed = place(file, base, order=run.order, snapshot=snapshot, taken=run.taken)
        if placed.winner is not None:
            self._give_way(file, base, placed.winner, run)
            return
        self._overrides.forget(file.path)
        if placed.loser is not None:
            self._note(base, placed.loser, file.path, run)
        skill_id = placed.id
        if previous not in {None, skill_id}:
            run.renamed.append(str(previous))
        if skill_id != base:
            findings = Findings(str(file.path))
            findings.add("id-collision", f"id {base!r} is taken; this one became {skill_id!r}")
            run.findings.extend(findings.found)
        run.taken[skill_id] = file.path
        run.id_by_folder[file.path.parent] = skill_id
        parent = skill.parent_skill or _nesting_parent(file, run)
        # A name that is edited does not switch a skill on. Under its old id the writer knows, also
        # of a switch that is turned before this skill is written.
        is_moved = previous not in {None, skill_id}
        is_off = is_moved and snapshot.entries[str(previous)].skill.is_disabled
        skill = replace(skill, id=skill_id, parent_skill=parent, is_disabled=is_off)
        if known is not None and _is_same(known, skill):
            run.unchanged.append(skill_id)
            return
        (run.updated if previous or skill_id in snapshot.entries else run.added).append(skill_id)
        run.pending.append(skill)

    def _is_contested(self, base: str, file: SkillFile, run: ImportRun) -> bool:
        holder = holder_of(base, self._catalog.snapshot, run.taken)
        return holder is not None and (
            run.order.gives_way(file.path, holder) or run.order.gives_way(holder, file.path)
        )

    def _give_way(self, file: SkillFile, base: str, holder: Path, run: ImportRun) -> None:
        """Leave a file out; what it had before goes, unless the other one has taken it."""
        previous = self._catalog.snapshot.by_path.get(str(file.path))
        if previous is not None:
            run.renamed.append(previous)
        run.id_by_folder[file.path.parent] = base
        self._note(base, file.path, holder, run)
        findings = Findings(str(file.path))
        findings.add("overridden", f"{holder} has a skill of the same name and is used instead")
        run.findings.extend(findings.found)

    def _note(self, skill_id: str, path: Path, by: Path, run: ImportRun) -> None:
        self._overrides.note(skill_id, path)
        run.overridden[Override(skill_id, str(path), str(by))] = None

    def _flush(self, run: ImportRun) -> None:
        if not run.pending and not run.renamed:
            return
        prepared = self._writer.prepare(run.pending)
        # An id that another file of this import has taken over is not removed.
        gone = [skill_id for skill_id in run.renamed if skill_id not in run.taken]
        self._writer.commit(prepared.entries, gone)
        run.passages_encoded += prepared.encoded_count
        run.pending, run.renamed = [], []

    def _prune(self, roots: Sequence[Path], run: ImportRun) -> None:
        files = {str(file.path) for file in run.scan.files}
        snapshot = self._catalog.snapshot
        for skill_id in snapshot.ids:
            skill = snapshot.entries[skill_id].skill
            if skill.origin != "folder" or skill.path is None:
                continue
            is_held = skill.path in files and snapshot.by_path[skill.path] == skill_id
            is_awaited = self._overrides.is_awaited(skill_id, run.order.roots)
            if is_awaited and not os.path.lexists(skill.path):
                # The file that waits for this id takes it over at once, without a gap.
                continue
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


def _nesting_parent(file: SkillFile, run: ImportRun) -> str | None:
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
