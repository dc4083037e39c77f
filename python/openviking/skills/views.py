"""What a snapshot looks like from outside: pages in id order and the tree of categories."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError, LimitError
from openviking.skills.snapshot import category_filter, in_category, is_hidden
from openviking.skills.structure import GENERAL

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from openviking.skills.snapshot import Snapshot
    from openviking.types import Skill

PAGE_MAX = 1000
"""Skills that one page of a listing holds at most."""


@dataclass(frozen=True, slots=True)
class SkillPage:
    """One page of skills in id order, bodies left out; ``next`` is the cursor of the following."""

    skills: tuple[Skill, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class SkillTree:
    """All skills by area and sub-area; the names within one are sorted."""

    categories: Mapping[str, Mapping[str, tuple[str, ...]]]
    total_skills: int
    last_updated: datetime | None


def page_of(
    snapshot: Snapshot,
    category: str | None,
    limit: int,
    after: str | None,
    *,
    include_disabled: bool = False,
) -> tuple[list[Skill], bool]:
    """Return up to *limit* skills behind the id *after*, and whether more follow."""
    if not 1 <= limit <= PAGE_MAX:
        kind = InputError if limit < 1 else LimitError
        raise kind(f"limit: expected 1 to {PAGE_MAX}, got {limit}", loc=("limit",))
    wanted = category_filter(category)
    found: list[Skill] = []
    for skill_id in snapshot.page(after):
        skill = snapshot.entries[skill_id].skill
        is_shown = include_disabled or not skill.is_disabled
        if is_shown and (wanted is None or in_category(skill, wanted)):
            found.append(skill)
        if len(found) > limit:
            break
    return found[:limit], len(found) > limit


def tree_of(snapshot: Snapshot) -> SkillTree:
    """Return the names by category and subcategory, and when anything last changed.

    Skills that are switched off are neither named nor counted.
    """
    areas: dict[str, dict[str, list[str]]] = {}
    newest: datetime | None = None
    shown = [s for i in snapshot.ids if not (s := snapshot.entries[i].skill).is_disabled]
    for skill in shown:
        sub_areas = areas.setdefault(skill.category, {})
        sub_areas.setdefault(skill.subcategory or GENERAL, []).append(skill.name)
        if skill.updated_at is not None and (newest is None or skill.updated_at > newest):
            newest = skill.updated_at
    categories = {
        area: {name: tuple(sorted(names)) for name, names in sorted(sub_areas.items())}
        for area, sub_areas in sorted(areas.items())
    }
    return SkillTree(categories, len(shown), newest)


def counts_of(snapshot: Snapshot) -> dict[str, Any]:
    """Count skills, the hidden, of these the disabled; passages, and skills to be encoded anew."""
    entries = snapshot.entries.values()
    return {
        "skills": len(entries),
        "hidden": sum(is_hidden(entry.skill) for entry in entries),
        "disabled": sum(entry.skill.is_disabled for entry in entries),
        "passages": sum(entry.row_count for entry in entries),
        "to_encode": sum(entry.summary is None for entry in entries),
    }
