"""How skills look in answers: contract, section 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.skills import SkillHit
    from openviking.types import Skill
    from openviking_asgi.schemas.skills import SkillDetail, SkillFound, SkillSummary


def describe_hit(hit: SkillHit) -> SkillFound:
    """Return a found skill with its score and the reasons."""
    why, passage = hit.why, hit.why.passage
    return {
        **describe(hit.skill),
        "score": hit.score,
        "why": {
            "meaning": why.meaning,
            "words": why.words,
            "semantic_rank": why.semantic_rank,
            "lexical_rank": why.lexical_rank,
            "fields": list(why.fields),
            "terms": list(why.terms),
            "passage": None
            if passage is None
            else {"part": passage[0], "start": passage[1], "end": passage[2]},
            "relation": why.relation,
        },
    }


def describe(skill: Skill) -> SkillSummary:
    """Return a skill without its body."""
    return {
        "id": skill.id,
        "name": skill.name,
        "description": skill.description,
        "category": skill.category,
        "subcategory": skill.subcategory,
        "examples": list(skill.examples),
        "complexity": skill.complexity,
        "parent_skill": skill.parent_skill,
        "related_skills": list(skill.related_skills),
        "sub_skills": list(skill.sub_skills),
        "usage_count": skill.usage_count,
        "disabled": skill.is_disabled,
    }


def describe_whole(
    skill: Skill, files: Sequence[str], overrides: Sequence[str] = ()
) -> SkillDetail:
    """Return a whole skill with the files beside it and those left out for it."""
    return {
        **describe(skill),
        "body": skill.body,
        "files": list(files),
        "overrides": list(overrides),
        "origin": skill.origin,
        "license": skill.license,
        "compatibility": skill.compatibility,
        "metadata": dict(skill.metadata),
        "allowed_tools": list(skill.allowed_tools),
        "disable_model_invocation": skill.disable_model_invocation,
        "updated_at": None if skill.updated_at is None else skill.updated_at.isoformat(),
    }
