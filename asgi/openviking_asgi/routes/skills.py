"""Skills: contract, section 3."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, cast

import msgspec
from msgspec import UNSET

from openviking.errors import LimitError, StoreError
from openviking.skills import parse_skill
from openviking_asgi.errors import RequestError
from openviking_asgi.operation import Operation, Reply
from openviking_asgi.routes.skill_documents import describe, describe_hit, describe_whole
from openviking_asgi.schemas import Done
from openviking_asgi.schemas.skills import (
    SkillBody,
    SkillDetail,
    SkillList,
    SkillOptions,
    SkillQuery,
    SkillSearchAnswer,
    SkillSearchOptions,
    SkillSearchRequest,
    SkillSwitch,
    SkillSwitched,
    SkillTree,
    ValidateAnswer,
    ValidateRequest,
)

if TYPE_CHECKING:
    from openviking_asgi.operation import Call
    from openviking_asgi.schemas.skills import SkillExplanation

_log = logging.getLogger("openviking_asgi")


def _search(call: Call) -> SkillSearchAnswer:
    body: SkillSearchRequest = call.body
    started = time.perf_counter()
    found = call.engine.search_skills(
        body.query,
        k=body.max_results,
        category=body.category,
        hierarchical=body.hierarchical,
        explain=body.explain or call.query.explain or _is_flagged(call, b"explain"),
        tier=body.tier,
    )
    seconds = time.perf_counter() - started
    call.services.metrics.skill_search_seconds.observe(seconds)
    skills = [describe_hit(hit) for hit in found.hits]
    answer: SkillSearchAnswer = {
        "skills": skills,
        "query": body.query,
        "found_count": len(skills),
        "search_time_ms": round(seconds * 1e3, 3),
        "category": body.category,
        "truncated": found.truncated,
        "tier": found.tier,
    }
    if found.explanation is not None:
        answer["explanation"] = cast("SkillExplanation", asdict(found.explanation))
    if to_import := call.engine.skills.to_import:
        answer["note"] = (
            f"{to_import} SKILL.md files of the watched folders are not imported yet; ask again "
            "later, GET /health counts them under skills.to_import"
        )
    return answer


def _is_flagged(call: Call, name: bytes) -> bool:
    """Whether the query string holds *name* without a value, as in ``?explain``."""
    return name in call.scope["query_string"].split(b"&")


def _list(call: Call) -> SkillList:
    query: SkillQuery = call.query
    skills = call.engine.skills
    page = skills.list(
        category=query.category,
        limit=query.limit,
        after=query.after,
        include_disabled=_includes_disabled(call),
    )
    found = [describe(skill) for skill in page.skills]
    return {"skills": found, "count": len(found), "next": page.next}


def _includes_disabled(call: Call) -> bool:
    return call.query.include_disabled or _is_flagged(call, b"include_disabled")


def _get(call: Call) -> SkillDetail:
    skill_id = call.params["skill_id"]
    skills, everything = call.engine.skills, _includes_disabled(call)
    skill = skills.get(skill_id, include_disabled=everything)
    files = skills.files(skill_id, include_disabled=everything)
    answer = describe_whole(skill, files, skills.overrides(skill_id))
    # Whoever looks at a skill that is switched off does not use it.
    if call.scope["method"] == "GET" and not skill.is_disabled:
        try:
            answer["usage_count"] = skills.count_use(skill_id)
        except StoreError as error:
            # A full disk must not keep an agent from reading; the count alone is lost.
            _log.warning("the use of a skill could not be counted", exc_info=error)
    return answer


def _get_file(call: Call) -> Reply:
    skill_id, path = call.params["skill_id"], call.params["path"]
    try:
        content = call.engine.skills.file(skill_id, path, include_disabled=_includes_disabled(call))
    except LimitError as error:
        raise RequestError(413, str(error), loc=("path",)) from error
    # Never as the type that its name suggests: a page written by a stranger must not run as ours.
    headers = (("content-disposition", "attachment"), ("x-content-type-options", "nosniff"))
    return Reply(content, media_type=_FILE_TYPE, headers=headers)


def _create(call: Call) -> SkillDetail:
    content, fields = _given(call.body)
    return describe_whole(call.engine.skills.create(content=content, fields=fields), ())


def _replace(call: Call) -> SkillDetail:
    content, fields = _given(call.body)
    skill_id = call.params["skill_id"]
    replaced = call.engine.skills.replace(skill_id, content=content, fields=fields)
    return describe_whole(replaced, call.engine.skills.files(skill_id, include_disabled=True))


def _switch(call: Call) -> SkillSwitched:
    body: SkillSwitch = call.body
    skills, ids = call.engine.skills, [call.params["skill_id"]]
    (switched,) = skills.disable(ids) if body.disabled else skills.enable(ids)
    return {
        "id": switched.id,
        "disabled": switched.is_disabled,
        "searched": switched.is_searched,
        "message": switched.message,
    }


def _given(body: SkillBody) -> tuple[str | None, dict[str, Any] | None]:
    """Return what the client sent: a SKILL.md text, or the fields that it named."""
    sent = {
        name: value for name, value in msgspec.structs.asdict(body).items() if value is not UNSET
    }
    content = sent.pop("content", None)
    if content is not None and not sent:
        return content, None
    if content is not None:
        raise RequestError(
            422,
            f"content: expected either `content` or fields, got both ({', '.join(sorted(sent))})",
            loc=("body", "content"),
        )
    return None, sent


def _delete(call: Call) -> Done:
    skill_id = call.params["skill_id"]
    call.engine.skills.delete(skill_id)
    return {"success": True, "message": f"deleted skill {skill_id}"}


def _validate(call: Call) -> ValidateAnswer:
    body: ValidateRequest = call.body
    skill, findings = parse_skill(body.content)
    return {
        "valid": all(finding.severity == "info" for finding in findings),
        "id": None if skill is None else skill.id,
        "name": None if skill is None else skill.name,
        "description": None if skill is None else skill.description,
        "findings": [
            {
                "code": finding.code,
                "severity": finding.severity,
                "message": finding.message,
                "line": finding.line,
            }
            for finding in findings
        ],
    }


def _hierarchical(call: Call) -> SkillTree:
    tree = call.engine.skills.tree()
    return {
        "categories": {
            area: {name: list(skills) for name, skills in sub_areas.items()}
            for area, sub_areas in tree.categories.items()
        },
        "total_skills": tree.total_skills,
        "last_updated": None if tree.last_updated is None else tree.last_updated.isoformat(),
    }


_PARAMS = (("skill_id", "The skill's id, in kebab case."),)
_FILE_TYPE = "application/octet-stream"

OPERATIONS = (
    Operation(
        "POST", "/skills/search", "search_skills", "Find the skills that fit a task", "Skills",
        _search, body=SkillSearchRequest, query=SkillSearchOptions, answer=SkillSearchAnswer,
        errors=(409,),
    ),
    Operation(
        "POST", "/skills/validate", "validate_skill", "Check a SKILL.md text", "Skills",
        _validate, body=ValidateRequest, answer=ValidateAnswer,
    ),
    Operation(
        "GET", "/skills/hierarchical", "skill_tree", "All skills by area and sub-area", "Skills",
        _hierarchical, answer=SkillTree,
    ),
    Operation(
        "GET", "/skills", "list_skills", "List skills by id", "Skills",
        _list, query=SkillQuery, answer=SkillList,
    ),
    Operation(
        "POST", "/skills", "create_skill", "Store a new skill", "Skills",
        _create, body=SkillBody, answer=SkillDetail, status=201, errors=(409,),
    ),
    Operation(
        "GET", "/skills/{skill_id}", "get_skill", "Load a whole skill, and count its use",
        "Skills", _get, query=SkillOptions, answer=SkillDetail, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "GET", "/skills/{skill_id}/files/{path:path}", "get_skill_file",
        "Read a file that lies beside a SKILL.md", "Skills", _get_file,
        query=SkillOptions, media_type=_FILE_TYPE, errors=(404, 413),
        params=(*_PARAMS, ("path", "One of the paths that the skill's `files` lists.")),
    ),
    Operation(
        "PUT", "/skills/{skill_id}", "replace_skill", "Store a new version of a skill", "Skills",
        _replace, body=SkillBody, answer=SkillDetail, errors=(404, 409), params=_PARAMS,
    ),
    Operation(
        "PATCH", "/skills/{skill_id}", "switch_skill", "Disable or enable a skill", "Skills",
        _switch, body=SkillSwitch, answer=SkillSwitched, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "DELETE", "/skills/{skill_id}", "delete_skill", "Delete a skill", "Skills",
        _delete, answer=Done, errors=(404, 409), params=_PARAMS,
    ),
)  # fmt: skip
