"""Export and import as JSON Lines: one version a line, whole, so nothing is lost on the way."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from openviking.errors import InputError, NotFoundError
from openviking.resources.folder import BATCH_FILES, FileProblem, ImportReport
from openviking.resources.resources import PAGE_MAX
from openviking.store.resources import NewResource

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from openviking.resources.resources import Resources
    from openviking.types import Resource

_TEXTS = ("content", "target_uri", "resource_type")


def export_lines(
    resources: Resources,
    *,
    prefix: str | None = None,
    resource_type: str | None = None,
    with_versions: bool = False,
) -> Iterator[str]:
    """Yield a line for the newest version of each URI in URI order, or for each version.

    Of one URI, older versions come first. What is written meanwhile may or may not come.
    """
    after = None
    while True:
        page = resources.list(
            prefix=prefix, resource_type=resource_type, limit=PAGE_MAX // 10, after=after
        )
        for resource in page.resources:
            if with_versions:
                yield from _older(resources, resource)
            yield _line(resource, with_version=with_versions)
        after = page.next
        if after is None:
            return


def _older(resources: Resources, newest: Resource) -> Iterator[str]:
    """Yield the earlier versions, oldest first: they are read newest first, page by page."""
    ids: list[str] = []
    before: int | None = newest.version
    try:
        while found := resources.versions(newest.target_uri, limit=PAGE_MAX, before=before):
            ids += [one.id for one in found]
            before = found[-1].version
        for resource_id in reversed(ids):
            yield _line(resources.get(resource_id), with_version=True)
    except NotFoundError:
        # Deleted since the page was read.
        return


def _line(resource: Resource, *, with_version: bool) -> str:
    # Without the earlier ones, the number would mean nothing where it is read.
    version = {"version": resource.version} if with_version else {}
    return json.dumps(
        {
            "target_uri": resource.target_uri,
            **version,
            "resource_type": resource.resource_type,
            "session_id": resource.session_id,
            "metadata": dict(resource.metadata),
            "timestamp": resource.created_at.isoformat(),
            "expires_at": resource.expires_at.isoformat() if resource.expires_at else None,
            "content": resource.content,
        },
        ensure_ascii=False,
    )


def import_lines(resources: Resources, lines: Iterable[str]) -> ImportReport:
    """Store what :func:`export_lines` wrote; what is there already is passed over.

    A line that cannot be read is reported, with its number, and passed over. Interrupted, or cut
    in the middle, the same import goes on where it was. No session is told.

    Raises:
        StoreError: the store failed; what was stored before stays.
    """
    report, problems = ImportReport(), list[FileProblem]()
    batch: list[NewResource] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            new, version = _parse(line)
        except InputError as error:
            problems.append(FileProblem(f"line {number}", str(error)))
            continue
        # A version of the same URI must be on disk before the next one is compared.
        if len(batch) == BATCH_FILES or any(one.target_uri == new.target_uri for one in batch):
            report.stored += _store(resources, batch, problems)
            batch = []
        if _is_known(resources, new, version):
            report.unchanged += 1
        else:
            batch.append(new)
    report.stored += _store(resources, batch, problems)
    report.problems = tuple(problems)
    return report


def _store(resources: Resources, batch: list[NewResource], problems: list[FileProblem]) -> int:
    try:
        return len(resources.put_all(batch))
    except InputError:
        stored = 0
        for one in batch:
            try:
                stored += len(resources.put_all([one]))
            except InputError as error:
                problems.append(FileProblem(one.target_uri, str(error)))
        return stored


def _parse(line: str) -> tuple[NewResource, int | None]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise InputError("expected a JSON object")
    for name in _TEXTS:
        if not isinstance(value.get(name), str):
            raise InputError(f"{name}: expected text")
    version = value.get("version")
    new = NewResource(
        value["content"],
        value["target_uri"],
        value["resource_type"],
        value.get("session_id"),
        value.get("metadata") or {},
        expires_at=_moment(value, "expires_at"),
        created_at=_moment(value, "timestamp"),
    )
    return new, version if isinstance(version, int) else None


def _moment(value: Mapping[str, Any], name: str) -> datetime | None:
    text = value.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name}: expected an ISO time, got {text!r}") from error
    if moment.tzinfo is None:
        raise InputError(f"{name}: expected a time with a zone, got {text!r}")
    return moment


def _is_known(resources: Resources, new: NewResource, version: int | None) -> bool:
    try:
        before = None if version is None else version + 1
        held = resources.versions(new.target_uri, limit=1, before=before)
    except (NotFoundError, InputError):
        return False
    return (
        bool(held)
        and (version is None or held[0].version == version)
        and (
            held[0].content,
            held[0].resource_type,
            held[0].metadata,
        )
        == (new.content, new.resource_type, new.metadata)
    )
