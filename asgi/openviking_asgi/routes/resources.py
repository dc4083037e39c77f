"""Resources: contract, section 4."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from openviking.errors import InputError, NotFoundError
from openviking_asgi.operation import Operation
from openviking_asgi.schemas import Done
from openviking_asgi.schemas.resources import (
    PutResourceAnswer,
    PutResourceRequest,
    ResourceAnswer,
    ResourceFound,
    ResourceList,
    ResourceQuery,
    ResourceSearchAnswer,
    ResourceSearchRequest,
    VersionList,
    VersionsQuery,
)

if TYPE_CHECKING:
    from openviking.resources import ResourceHit
    from openviking.types import Resource
    from openviking_asgi.operation import Call

_BY_URI = "uri:"


def _put(call: Call) -> PutResourceAnswer:
    body: PutResourceRequest = call.body
    with call.engine.performance.timing("resource_storage_time"):
        stored = call.engine.resources.put(
            body.content,
            body.target_uri,
            resource_type=body.resource_type,
            session_id=body.session_id,
            metadata=body.metadata,
            ttl_s=body.ttl_s,
        )
    return {
        "success": True,
        "resource_id": stored.id,
        "message": f"saved as version {stored.version} of {stored.target_uri}",
        "session_id": stored.session_id,
        "target_uri": stored.target_uri,
        "version": stored.version,
    }


def _get(call: Call) -> ResourceAnswer:
    return _describe(_find(call))


def _find(call: Call) -> Resource:
    resources = call.engine.resources
    key = call.params["resource_id"]
    if not key.startswith(_BY_URI):
        return resources.get(key)
    first, *others = _uris(call, key) or [""]
    try:
        return resources.get_by_uri(first)
    except NotFoundError:
        for other in others:
            try:
                return resources.get_by_uri(other)
            except NotFoundError:
                continue
        raise


def _uris(call: Call, key: str) -> list[str]:
    """Return what the client may have meant by the path, the likeliest first.

    A URI is sent percent-encoded, or simply pasted behind ``uri:``. Pasted, its ``?`` begins what
    HTTP calls the query string, and its own escapes are taken for the path's.
    """
    query = call.scope["query_string"].decode("latin-1")
    decoded = key.removeprefix(_BY_URI)
    raw_path = call.scope.get("raw_path", b"").partition(b"?")[0].decode("latin-1")
    raw = raw_path.partition(_BY_URI)[2]
    meant = [decoded, unquote(raw), raw]
    if query:
        meant = [f"{decoded}?{unquote(query)}", f"{raw}?{query}", decoded]
    return list(dict.fromkeys(uri for uri in meant if uri))


def _list(call: Call) -> ResourceList:
    query: ResourceQuery = call.query
    page = call.engine.resources.list(
        resource_type=query.resource_type,
        prefix=query.prefix,
        limit=query.limit,
        after=query.after,
        metadata=_metadata(query.metadata),
    )
    found = [_describe(resource) for resource in page.resources]
    return {"resources": found, "count": len(found), "next": page.next}


def _metadata(text: str | None) -> dict[str, Any] | None:
    """Read the filter of a query string."""
    if text is None:
        return None
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"metadata: expected a JSON object, {error}", loc=("metadata",)) from error
    if not isinstance(value, dict):
        raise InputError("metadata: expected a JSON object", loc=("metadata",))
    return value


def _versions(call: Call) -> VersionList:
    query: VersionsQuery = call.query
    found = call.engine.resources.versions(query.target_uri, limit=query.limit, before=query.before)
    has_more = len(found) == query.limit and found[-1].version > 1
    return {
        "target_uri": query.target_uri,
        "versions": [_describe(resource) for resource in found],
        "count": len(found),
        "next": found[-1].version if has_more else None,
    }


def _search(call: Call) -> ResourceSearchAnswer:
    body: ResourceSearchRequest = call.body
    started = time.perf_counter()
    found = call.engine.resources.search(
        body.query,
        k=body.max_results,
        resource_type=body.resource_type,
        prefix=body.prefix,
        metadata=body.metadata,
        session_id=body.session_id,
    )
    return {
        "resources": [_describe_hit(hit) for hit in found.hits],
        "query": body.query,
        "found_count": len(found.hits),
        "search_time_ms": round((time.perf_counter() - started) * 1e3, 3),
        "truncated": found.truncated,
        "degraded": found.degraded,
    }


def _describe_hit(hit: ResourceHit) -> ResourceFound:
    resource, why = hit.resource, hit.why
    return {
        "id": resource.id,
        "target_uri": resource.target_uri,
        "resource_type": resource.resource_type,
        "session_id": resource.session_id,
        "metadata": dict(resource.metadata),
        "version": resource.version,
        "timestamp": resource.created_at.isoformat(),
        "expires_at": resource.expires_at.isoformat() if resource.expires_at else None,
        "score": hit.score,
        "passage": {
            "text": hit.passage.text,
            "start": hit.passage.start,
            "end": hit.passage.end,
        },
        "why": {
            "meaning": why.meaning,
            "words": why.words,
            "semantic_rank": why.semantic_rank,
            "lexical_rank": why.lexical_rank,
            "fields": list(why.fields),
            "terms": list(why.terms),
        },
    }


def _delete(call: Call) -> Done:
    resource = _find(call)
    call.engine.resources.delete(resource.id)
    return {"success": True, "message": f"deleted every version of {resource.target_uri}"}


def _describe(resource: Resource) -> ResourceAnswer:
    return {
        "id": resource.id,
        "content": resource.content,
        "target_uri": resource.target_uri,
        "resource_type": resource.resource_type,
        "session_id": resource.session_id,
        "metadata": dict(resource.metadata),
        "version": resource.version,
        "timestamp": resource.created_at.isoformat(),
        "expires_at": resource.expires_at.isoformat() if resource.expires_at else None,
    }


_PARAMS = (
    ("resource_id", "The resource's id, or `uri:` followed by its target URI, slashes included."),
)

OPERATIONS = (
    Operation(
        "POST", "/resources", "put_resource", "Store a resource, durably", "Resources", _put,
        body=PutResourceRequest, answer=PutResourceAnswer,
    ),
    Operation(
        "GET", "/resources", "list_resources", "List the newest versions", "Resources", _list,
        query=ResourceQuery, answer=ResourceList,
    ),
    Operation(
        "POST", "/resources/search", "search_resources",
        "Find resources by meaning and words, with the passage that fits", "Resources", _search,
        body=ResourceSearchRequest, answer=ResourceSearchAnswer,
    ),
    Operation(
        "GET", "/resources/versions", "list_versions", "List the versions of a URI",
        "Resources", _versions, query=VersionsQuery, answer=VersionList, errors=(404,),
    ),
    Operation(
        "GET", "/resources/{resource_id:path}", "get_resource",
        "Get one version by id, or the newest of a URI", "Resources", _get,
        answer=ResourceAnswer, errors=(404,), params=_PARAMS,
    ),
    Operation(
        "DELETE", "/resources/{resource_id:path}", "delete_resource",
        "Delete a resource with every version of its URI", "Resources", _delete,
        answer=Done, errors=(404,), params=_PARAMS,
    ),
)  # fmt: skip
