"""``openviking skills``: import, search, check and show skills."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from openviking.cli.options import State, common, model, pass_state, storage
from openviking.cli.output import plain, print_json, print_table, short, visible
from openviking.cli.progress import ProgressLine
from openviking.cli.records import finding_record, skill_record
from openviking.cli.search import search_command
from openviking.cli.skills_doctor import command as doctor_command
from openviking.cli.skills_switch import disable, enable

if TYPE_CHECKING:
    from openviking.skills import Finding, ImportReport
    from openviking.types import Skill

_PAGE = 500
_PATHS = click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)


@click.group()
def command() -> None:
    """Import, search, check, show, disable and enable skills.

    A skill is a folder with a SKILL.md file: front matter with name and description, then
    instructions. Files that break a rule are loaded as well as can be, and reported.

    \b
    Examples:
      openviking skills import ~/.agent/skills
      openviking skills search "make a release" -k 3
      openviking skills validate ~/.agent/skills
      openviking skills doctor ~/.agent/skills
      openviking skills disable regex-help
    """


command.add_command(search_command, "search")
command.add_command(doctor_command)
command.add_command(disable)
command.add_command(enable)


@command.command("import")
@_PATHS
@click.option("--prune", is_flag=True, help="Also delete skills whose file under PATH is gone.")
@click.option("--strict", is_flag=True, help="Exit with 1 if a file was refused.")
@storage
@model
@common
@click.pass_context
def import_skills(ctx: click.Context, paths: tuple[Path, ...], prune: bool, strict: bool) -> None:
    """Bring the SKILL.md files under each PATH into the storage.

    Unchanged files cost nothing; an import that was broken off goes on where it stopped. Files
    that hold no skill at all (empty, binary, too large) are refused and named. If two PATHs have a
    skill of the same name, the later one's is used: name your own folder first, a project's last.

    \b
    Examples:
      openviking skills import examples/skills
      openviking skills import ~/.agent/skills ./.agent/skills
      openviking skills import ~/.agent/skills --prune --json
    """
    state = ctx.find_object(State) or State()
    with state.open_engine() as engine, ProgressLine("import", unit="files") as line:
        report = engine.skills.import_paths(paths, line, prune=prune)
        disabled = engine.skills.stats()["disabled"]
    if state.is_json:
        print_json(_import_record(report))
    else:
        click.echo(
            f"{len(report.added)} added, {len(report.updated)} updated, "
            f"{len(report.unchanged)} unchanged, {len(report.removed)} removed, "
            f"{len(report.refused)} refused"
        )
        for finding in report.refused:
            click.echo(f"refused: {_finding_line(finding)}", err=True)
        for override in report.overridden:
            click.echo(f"overridden: {plain(override.path)} by {plain(override.by)}", err=True)
        odd = sum(finding.severity == "warning" for finding in report.findings)
        if disabled:
            hint = "`openviking skills list --all` shows them"
            click.echo(f"{disabled} disabled: {hint}", err=True)
        if odd:
            click.echo(f"{odd} warnings: `openviking skills validate` lists them", err=True)
    if strict and report.refused:
        ctx.exit(1)


@command.command("list")
@click.option("--category", help="Only this category, subcategory or category/subcategory.")
@click.option("--all", "is_all", is_flag=True, help="Also those that are disabled.")
@storage
@model
@common
@pass_state
def list_skills(state: State, category: str | None, is_all: bool) -> None:
    """List the skills by id, with category and description.

    The last column says what keeps a skill from being found, and how many files of the same name
    are left out for it.

    \b
    Examples:
      openviking skills list --category web
      openviking skills list --all --json
    """
    found: list[Skill] = []
    after: str | None = None
    with state.open_skills() as skills:
        while True:
            page = skills.list(category=category, limit=_PAGE, after=after, include_disabled=is_all)
            found += page.skills
            after = page.next
            if after is None:
                break
        overrides = skills.all_overrides()
        hidden = [overrides.get(skill.id, ()) for skill in found]
    if state.is_json:
        print_json(
            [
                skill_record(skill) | {"overrides": list(files)}
                for skill, files in zip(found, hidden, strict=True)
            ]
        )
        return
    print_table(
        ("id", "category", "description", "note"),
        [
            (skill.id, skill.category, short(skill.description, 80), _note(skill, len(files)))
            for skill, files in zip(found, hidden, strict=True)
        ],
    )


def _note(skill: Skill, hidden_files: int) -> str:
    notes = [
        "disabled" if skill.is_disabled else "",
        "not searched: its file says so" if skill.disable_model_invocation else "",
        f"{hidden_files} more of this name left out" if hidden_files else "",
    ]
    return "; ".join(filter(None, notes))


@command.command()
@click.argument("skill_id", metavar="ID")
@storage
@model
@common
@pass_state
def show(state: State, skill_id: str) -> None:
    """Print one skill, also a disabled one: its fields, bundled files and instructions."""
    with state.open_skills() as skills:
        skill = skills.get(skill_id, include_disabled=True)
        files = skills.files(skill_id, include_disabled=True)
        overrides = skills.overrides(skill_id)
    if state.is_json:
        record = skill_record(skill) | {"overrides": list(overrides)}
        print_json(record | {"body": skill.body, "files": list(files)})
        return
    lines = {
        "name": skill.name,
        "description": skill.description,
        "category": "/".join(filter(None, (skill.category, skill.subcategory))),
        "examples": "; ".join(skill.examples),
        "path": skill.path or "",
        "files": ", ".join(files),
        "related": ", ".join(skill.related_skills),
        "overrides": ", ".join(overrides),
        "note": _note(skill, 0),
    }
    click.secho(plain(skill.id), bold=True)
    for name, text in lines.items():
        if text:
            click.echo(f"{name:<12} {plain(text)}")
    click.echo(f"\n{visible(skill.body)}")


@command.command()
@click.argument("skill_ids", nargs=-1, required=True, metavar="ID...")
@storage
@model
@common
@pass_state
def rm(state: State, skill_ids: tuple[str, ...]) -> None:
    """Delete skills from the storage; their files on disk stay."""
    with state.open_skills() as skills:
        for skill_id in skill_ids:
            skills.delete(skill_id)
            if not state.is_json:
                click.echo(f"deleted {plain(skill_id)}")
    if state.is_json:
        print_json({"deleted": list(skill_ids)})


@command.command()
@storage
@model
@common
@pass_state
def tree(state: State) -> None:
    """Print all skills by category and subcategory."""
    with state.open_skills() as skills:
        found = skills.tree()
    if state.is_json:
        updated = found.last_updated.isoformat() if found.last_updated else None
        categories = {area: dict(below) for area, below in found.categories.items()}
        print_json(
            {
                "categories": categories,
                "total_skills": found.total_skills,
                "last_updated": updated,
            }
        )
        return
    for area, sub_areas in found.categories.items():
        click.secho(plain(area), bold=True)
        for sub_area, names in sub_areas.items():
            click.echo(f"  {plain(sub_area)}")
            for name in names:
                click.echo(f"    {plain(name)}")
    click.echo(f"{found.total_skills} skills")


@command.command()
@_PATHS
@click.option("--strict", is_flag=True, help="Exit with 1 for warnings too, not for errors only.")
@common
@click.pass_context
def validate(ctx: click.Context, paths: tuple[Path, ...], strict: bool) -> None:
    """Check SKILL.md files; needs neither model nor storage.

    Prints one line per finding: severity, code, file, line, what was found. Exit 1 if a file would
    be refused.

    \b
    Examples:
      openviking skills validate examples/skills
      openviking skills validate ~/.agent/skills --strict --json
    """
    from openviking.skills import validate_paths

    state = ctx.find_object(State) or State()
    reports = validate_paths(paths)
    findings = [finding for report in reports for finding in report.findings]
    counts = {
        severity: sum(finding.severity == severity for finding in findings)
        for severity in ("error", "warning", "info")
    }
    if state.is_json:
        print_json(
            [
                {
                    "path": report.path,
                    "skill_id": report.skill_id,
                    "is_valid": report.is_valid,
                    "findings": [finding_record(finding) for finding in report.findings],
                }
                for report in reports
            ]
        )
    else:
        for finding in findings:
            click.echo(_finding_line(finding))
        click.echo(
            f"{len(reports)} files: {counts['error']} errors, {counts['warning']} warnings, "
            f"{counts['info']} notes"
        )
    if counts["error"] or (strict and counts["warning"]):
        ctx.exit(1)


def _finding_line(finding: Finding) -> str:
    place = finding.path if finding.line is None else f"{finding.path}:{finding.line}"
    return f"{finding.severity:<7} {finding.code:<20} {plain(place)}: {plain(finding.message)}"


def _import_record(report: ImportReport) -> dict[str, Any]:
    return {
        "added": list(report.added),
        "updated": list(report.updated),
        "unchanged": list(report.unchanged),
        "removed": list(report.removed),
        "refused": [finding_record(finding) for finding in report.refused],
        "findings": [finding_record(finding) for finding in report.findings],
        "overridden": [asdict(override) for override in report.overridden],
        "passages_encoded": report.passages_encoded,
    }
