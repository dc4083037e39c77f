"""Check SKILL.md files without a store or an encoder, as ``openviking skills validate`` does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openviking.skills.findings import Findings
from openviking.skills.load import read_skill
from openviking.skills.overrides import Order
from openviking.skills.placing import place
from openviking.skills.scan import check_paths, scan_paths
from openviking.skills.snapshot import empty_snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from openviking.findings import Finding


@dataclass(frozen=True, slots=True)
class ValidationReport:
    """What was found about one file (or about a folder that could not be read).

    Attributes:
        path: the file or folder.
        skill_id: the id that the skill would have; None if the file is refused.
        findings: empty if all is well.
    """

    path: str
    skill_id: str | None
    findings: tuple[Finding, ...]

    @property
    def is_valid(self) -> bool:
        """Whether there is nothing to mend: no error and no warning."""
        return all(finding.severity == "info" for finding in self.findings)


def validate_paths(paths: Iterable[str | Path]) -> list[ValidationReport]:
    """Read every skill under *paths* and report on each; raises InputError for a missing path."""
    roots = check_paths(paths)
    scan, order = scan_paths(roots), Order(roots)
    reports = [
        ValidationReport(finding.path, None, (finding,))
        for finding in scan.findings
        if finding.severity != "info"
    ]
    taken: dict[str, Path] = {}
    nothing_stored = empty_snapshot()
    # As an import does: what counts comes first.
    for file in sorted(scan.files, key=lambda file: -order.rank(file.path)):
        skill, found = read_skill(file.path, root=file.root)
        findings = Findings(str(file.path))
        if skill is None:
            reports.append(ValidationReport(str(file.path), None, tuple(found)))
            continue
        base = skill.id
        placed = place(file, base, order=order, snapshot=nothing_stored, taken=taken)
        if placed.winner is not None:
            message = f"{placed.winner} has a skill of the same name and is used instead"
            findings.add("overridden", message)
        elif placed.id != base:
            message = f"id {base!r} is taken by {taken[base]}; this one becomes {placed.id!r}"
            findings.add("id-collision", message)
        if placed.winner is None:
            taken[placed.id] = file.path
        reports.append(ValidationReport(str(file.path), placed.id, (*found, *findings.found)))
    return reports
