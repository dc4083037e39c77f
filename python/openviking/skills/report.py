"""What an import of skills does, and what it did."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from openviking.findings import Finding
    from openviking.skills.overrides import Order, Override
    from openviking.skills.scan import Scan
    from openviking.types import Skill


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
        overridden: files whose skill is not used, for a later folder has one of the same name.
        is_complete: false if the import was stopped before its end.
    """

    added: tuple[str, ...]
    updated: tuple[str, ...]
    unchanged: tuple[str, ...]
    removed: tuple[str, ...]
    refused: tuple[Finding, ...]
    findings: tuple[Finding, ...]
    passages_encoded: int
    overridden: tuple[Override, ...] = ()
    is_complete: bool = True

    def then(self, later: ImportReport) -> ImportReport:
        """Return what two passes over the same files did together."""
        fresh = {*self.added, *self.updated}
        return replace(
            later,
            added=self.added + later.added,
            updated=self.updated + later.updated,
            unchanged=tuple(i for i in later.unchanged if i not in fresh),
            removed=self.removed + later.removed,
            passages_encoded=self.passages_encoded + later.passages_encoded,
        )


@dataclass(slots=True)
class ImportRun:
    """The state of one import; the attributes of the report are collected here."""

    scan: Scan
    owner_levels: dict[Path, frozenset[tuple[str, ...]]]
    order: Order
    overridden: dict[Override, None] = field(default_factory=dict)
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

    def report(self, *, is_complete: bool) -> ImportReport:
        """Return what was done so far."""
        return ImportReport(
            added=tuple(self.added),
            updated=tuple(self.updated),
            unchanged=tuple(self.unchanged),
            removed=tuple(self.removed),
            refused=tuple(finding for finding in self.findings if finding.severity == "error"),
            findings=tuple(self.findings),
            passages_encoded=self.passages_encoded,
            overridden=tuple(self.overridden),
            is_complete=is_complete,
        )
