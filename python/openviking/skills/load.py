"""SKILL.md text to a skill record, leniently: what can be read is read, what is odd is reported."""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openviking.frontmatter import decode_text, read_bytes, read_document
from openviking.skills.bundle import bundled_files
from openviking.skills.fields import Fields
from openviking.skills.findings import Findings
from openviking.skills.structure import (
    EXAMPLE_CHARS_MAX,
    GENERAL,
    complexity,
    find_examples,
    first_paragraph,
    folder_category,
    headings,
    slug,
    without_owner,
)
from openviking.types import Skill

if TYPE_CHECKING:
    from openviking.findings import Finding
    from openviking.frontmatter import Document

FILE_BYTES_MAX = 1 << 20
"""A larger SKILL.md is refused unread; the largest of 2,874 real ones has 95 kB."""

NAME_CHARS_MAX = 64
"""Longest name in the Agent Skills format."""

DESCRIPTION_CHARS_MAX = 1024
"""Longest description in the Agent Skills format; a longer one is kept and reported."""

EXAMPLES_KEPT_MAX = 100
"""Examples that front matter may list."""

_KNOWN_FIELDS = frozenset(
    {
        "name",
        "description",
        "license",
        "compatibility",
        "metadata",
        "allowed-tools",
        "disable-model-invocation",
        "category",
        "subcategory",
        "examples",
        "complexity",
        "parent_skill",
        "sub_skills",
    }
)


def parse_skill(
    source: str | bytes,
    *,
    path: str | None = None,
    root: str | None = None,
    bundled_files: int = 0,
    owner_levels: frozenset[tuple[str, ...]] = frozenset(),
) -> tuple[Skill | None, list[Finding]]:
    """Read one SKILL.md; never raises for what the text holds.

    Args:
        source: the file's bytes, or its text.
        path: where it lies; the folder's name is the skill's name if the text gives none.
        root: the folder that was imported; folders between it and the skill name its category.
        bundled_files: other files of the skill, which count for its complexity.
        owner_levels: folders below *root* whose sub-folders name owners, not categories.

    Returns:
        The skill, its id not yet made unique, or None if the file is refused; and all findings.
    """
    findings = Findings(path or "")
    text = decode_text(source, FILE_BYTES_MAX, findings)
    if text is None:
        return None, findings.found
    document = read_document(text, findings)
    fields = Fields(document, findings)
    _report_typos(document, findings)
    folder = _folder_name(path)
    name = _name(fields, document, folder, findings)
    skill_id = slug(name) or slug(folder) or _digest(name.encode())[:12]
    description = _description(fields, document, name, findings)
    _report_body(document, findings)
    by_folder = _category_of_folder(path, root, owner_levels)
    category, subcategory = _category(fields, document, findings, by_folder)
    examples = tuple(
        item[:EXAMPLE_CHARS_MAX] for item in fields.texts("examples", "metadata.examples")
    )
    parent = fields.text("parent_skill", "parent", "metadata.parent_skill", "metadata.parent")
    tools = fields.texts("allowed-tools", "allowed_tools", splits=True)
    return (
        Skill(
            id=skill_id,
            name=name,
            description=description,
            body=document.body.strip("\n"),
            category=category,
            subcategory=subcategory,
            examples=examples[:EXAMPLES_KEPT_MAX] or find_examples(document.body),
            complexity=fields.number("complexity", "metadata.complexity", low=1, high=5)
            or complexity(document.body, bundled_files),
            parent_skill=slug(parent) or None,
            sub_skills=fields.texts("sub_skills", "metadata.sub_skills"),
            origin="folder" if path else "api",
            path=path,
            digest=_digest(
                source if isinstance(source, bytes) else source.encode("utf-8", "replace")
            ),
            license=fields.text("license") or None,
            compatibility=fields.text("compatibility") or None,
            metadata=_metadata(document, fields),
            allowed_tools=tools,
            disable_model_invocation=fields.flag(
                "disable-model-invocation", "disable_model_invocation"
            ),
        ),
        findings.found,
    )


def read_skill(path: Path, *, root: Path | None = None) -> tuple[Skill | None, list[Finding]]:
    """Read the SKILL.md at *path*; a file that is too large, binary or unreadable is refused."""
    source, findings = read_source(path)
    if source is None:
        return None, findings
    return parse_skill(
        source,
        path=str(path),
        root=None if root is None else str(root),
        bundled_files=len(bundled_files(path)),
    )


def read_source(path: Path) -> tuple[bytes | None, list[Finding]]:
    """Read the bytes of *path*, or say why not; never reads more than ``FILE_BYTES_MAX``."""
    findings = Findings(str(path))
    return read_bytes(path, FILE_BYTES_MAX, findings), findings.found


def _digest(source: bytes) -> str:
    return blake2b(source, digest_size=16).hexdigest()


def source_digest(source: bytes) -> str:
    """Return the digest that a skill read from *source* carries."""
    return _digest(source)


def _folder_name(path: str | None) -> str:
    if path is None:
        return ""
    file = Path(path)
    # notes.md given by name stands for itself; SKILL.md stands for its folder.
    return file.parent.name if file.stem.lower() == "skill" else file.stem


def _name(fields: Fields, document: Document, folder: str, findings: Findings) -> str:
    name = " ".join(fields.text("name", "title").split())
    line = document.lines.get("name")
    if not name:
        titles = headings(document.body)
        name = folder or (titles[0][1] if titles else "") or first_paragraph(document.body)[:40]
        name = " ".join(name.split()) or "unnamed"
        findings.add("name-missing", f"no name; {name[:NAME_CHARS_MAX]!r} was derived", line=line)
        return name[:NAME_CHARS_MAX]
    if len(name) > NAME_CHARS_MAX:
        findings.add("name-long", f"{len(name)} characters; at most {NAME_CHARS_MAX}", line=line)
    if name != slug(name):
        findings.add("name-format", f"{name!r} is not lower-case-with-hyphens", line=line)
    if folder and slug(folder) != slug(name):
        findings.add("name-unlike-folder", f"name {name!r}, but folder {folder!r}", line=line)
    return name


def _description(fields: Fields, document: Document, name: str, findings: Findings) -> str:
    description = " ".join(fields.text("description", "summary").split())
    line = document.lines.get("description")
    if not description:
        description = first_paragraph(document.body) or name
        findings.add("description-missing", "derived from the first paragraph", line=line)
    elif len(description) > DESCRIPTION_CHARS_MAX:
        findings.add(
            "description-long",
            f"{len(description)} characters; the format allows {DESCRIPTION_CHARS_MAX}",
            line=line,
        )
    return description


def _report_body(document: Document, findings: Findings) -> None:
    if not document.body.strip():
        findings.add("body-empty", "nothing after the front matter")
    elif not headings(document.body):
        findings.add("heading-missing", "the body has no heading")


def _report_typos(document: Document, findings: Findings) -> None:
    unknown = [key for key in document.fields if key not in _KNOWN_FIELDS]
    if not unknown:
        return
    import difflib  # noqa: PLC0415 - 0.15 MB that most files need nothing of

    for key in unknown:
        near = difflib.get_close_matches(key, _KNOWN_FIELDS, n=1, cutoff=0.85)
        if near and key.replace("_", "-") != near[0]:
            message = f"unknown field {key!r}; did you mean {near[0]!r}?"
            findings.add("field-typo", message, line=document.lines.get(key))


def _category(
    fields: Fields,
    document: Document,
    findings: Findings,
    by_folder: tuple[str, str],
) -> tuple[str, str]:
    """Take what the file states, else what the folders say."""
    stated = slug(fields.text("category", "metadata.category"))
    stated_sub = slug(fields.text("subcategory", "metadata.subcategory"))
    for name, used in (("category", stated), ("subcategory", stated_sub)):
        text = fields.text(name, f"metadata.{name}")
        if text and not used:
            message = f"{name} {text!r} has no letter a to z and no digit; it is not used"
            findings.add("category-unused", message, line=document.lines.get(name))
    if stated:
        return stated, stated_sub
    return by_folder[0], stated_sub or by_folder[1]


def _category_of_folder(
    path: str | None, root: str | None, levels: frozenset[tuple[str, ...]]
) -> tuple[str, str]:
    if path is not None and root is not None:
        folder = Path(path).parent
        if folder.is_relative_to(root):
            return folder_category(without_owner(folder.relative_to(root).parts, levels))
    return GENERAL, ""


def _metadata(document: Document, fields: Fields) -> dict[str, Any]:
    """Return ``metadata`` with every unknown top-level field added, so that nothing is lost."""
    unknown = {key: value for key, value in document.fields.items() if key not in _KNOWN_FIELDS}
    return {**unknown, **fields.mapping("metadata")}
