"""Records as JSON, with the field names of the HTTP contract."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openviking.resources import ResourceHit
    from openviking.skills import Finding, SkillHit, Switched
    from openviking.types import Resource, Session, Skill


def skill_record(skill: Skill) -> dict[str, Any]:
    """Return a skill without its body."""
    record = asdict(skill)
    del record["body"]
    record["disabled"] = record.pop("is_disabled")
    record["updated_at"] = skill.updated_at.isoformat() if skill.updated_at else None
    return record


def switched_record(switched: Switched) -> dict[str, Any]:
    """Return what holds for a skill that was switched off or on."""
    record = asdict(switched)
    return record | {"disabled": record.pop("is_disabled"), "searched": record.pop("is_searched")}


def hit_record(hit: SkillHit) -> dict[str, Any]:
    """Return a found skill with its score and why it was found."""
    return skill_record(hit.skill) | {"score": hit.score, "why": hit.why._asdict()}


def finding_record(finding: Finding) -> dict[str, Any]:
    """Return what is odd about a file."""
    return asdict(finding)


def resource_record(resource: Resource) -> dict[str, Any]:
    """Return one version of a resource."""
    record = asdict(resource)
    record["timestamp"] = record.pop("created_at").isoformat()
    record["expires_at"] = resource.expires_at.isoformat() if resource.expires_at else None
    return record


def found_resource_record(hit: ResourceHit) -> dict[str, Any]:
    """Return a found resource without its content, with the passage that fits, and why."""
    record = resource_record(hit.resource)
    del record["content"]
    return record | {
        "score": hit.score,
        "passage": asdict(hit.passage),
        "why": asdict(hit.why),
    }


def session_record(session: Session) -> dict[str, Any]:
    """Return what is known of a session without its messages."""
    return {
        "id": session.id,
        "message_count": session.message_count,
        "created_at": session.created_at.isoformat(),
        "last_activity": session.last_activity.isoformat(),
    }
