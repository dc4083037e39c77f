"""Markdown files with YAML front matter, read leniently and safely; the only user of PyYAML.

Bytes become text, text becomes fields and a body; what is odd is reported, nothing is raised.
Scalars stay text, as the author wrote them: ``version: 1.10`` is not the number 1.1, and a name
such as ``on`` is not a boolean. Before anything is built, the event stream is checked for size,
depth and aliases, so that no small text grows into a large structure. YAML that does not parse is
read again line by line, because most broken front matter is one unquoted colon in a description.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import yaml

if TYPE_CHECKING:
    from pathlib import Path

FRONTMATTER_CHARS_MAX = 65_536
"""Longer front matter is cut here; the longest of 2,874 real ones has about 6,000 characters."""

DEPTH_MAX = 16
"""Nesting of collections in front matter."""

EVENTS_MAX = 10_000
"""Scalars and brackets in front matter."""

_BINARY_PROBE_BYTES = 8192
_KEY_LINE = re.compile(r"^([A-Za-z][A-Za-z0-9_.-]{0,63})[ \t]*:(?:[ \t]+(.*)|[ \t]*)$")
_BLOCK_MARK = re.compile(r"^[|>][+-]?\d?[+-]?\s*(#.*)?$")
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class Report(Protocol):
    """Takes what is odd about a file, under a stable code."""

    def add(self, code: str, message: str, *, line: int | None = None) -> None:
        """Record one oddity; *line* counts from 1."""


@dataclass(frozen=True, slots=True)
class Document:
    """A file split at its front matter.

    Attributes:
        fields: top-level keys with text, list or mapping values.
        lines: top-level key -> its line in the file, from 1.
        body: the text after the front matter.
        has_front_matter: whether there was any.
    """

    fields: dict[str, Any]
    lines: dict[str, int]
    body: str
    has_front_matter: bool


class _RefusedError(Exception):
    """The event stream breaks a limit; carries the finding's code."""

    def __init__(self, code: str, message: str, line: int) -> None:
        super().__init__(message)
        self.code = code
        self.line = line


def read_bytes(path: Path, bytes_max: int, findings: Report) -> bytes | None:
    """Read the bytes of *path*, never more than *bytes_max*; None, with a finding, if refused."""
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                findings.add("file-unreadable", "is a folder, pipe or device; expected a file")
                return None
            if status.st_size > bytes_max:
                found = f"{status.st_size} bytes; at most {bytes_max} are read"
                findings.add("file-too-large", found)
                return None
            probe = file.read(_BINARY_PROBE_BYTES)
            return probe if b"\0" in probe else probe + file.read(bytes_max)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        findings.add("file-unreadable", f"cannot be read: {reason}")
        return None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting; a named pipe would otherwise wait for its writer, for ever."""
    return os.open(path, flags | os.O_NONBLOCK)


def decode_text(source: str | bytes, bytes_max: int, findings: Report) -> str | None:
    """Return the text with LF line ends; None, with a finding, if it is refused."""
    if isinstance(source, bytes):
        if len(source) > bytes_max:
            findings.add("file-too-large", f"{len(source)} bytes; at most {bytes_max}")
            return None
        if b"\0" in source:
            line = source[: source.index(b"\0")].count(b"\n") + 1
            findings.add("file-binary", "holds NUL bytes; expected Markdown text", line=line)
            return None
        text = _decode_bytes(source, findings)
    else:
        text = source.encode("utf-8", "replace").decode("utf-8")
        if len(text) > bytes_max or "\0" in text:
            code = "file-binary" if "\0" in text else "file-too-large"
            findings.add(code, f"{len(text)} characters; expected Markdown of {bytes_max}")
            return None
    if text.startswith("\ufeff"):
        findings.add("encoding-bom", "a byte order mark was removed", line=1)
        text = text.lstrip("\ufeff")
    if "\r" in text:
        line = text[: text.index("\r")].count("\n") + 1
        findings.add("line-ends-crlf", "CR line ends were read as LF", line=line)
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        findings.add("file-empty", "holds no text")
        return None
    return text


def _decode_bytes(source: bytes, findings: Report) -> str:
    try:
        return source.decode("utf-8")
    except UnicodeDecodeError as error:
        findings.add(
            "encoding-not-utf8",
            "not UTF-8; the bytes that do not decode were replaced by U+FFFD",
            line=source[: error.start].count(b"\n") + 1,
        )
        return source.decode("utf-8", "replace")


def read_document(text: str, findings: Report) -> Document:
    """Split *text* (LF line ends) at its front matter and read that; never raises."""
    lines = text.split("\n")
    start = next((row for row, line in enumerate(lines) if line.strip()), 0)
    if lines[start].rstrip() != "---":
        findings.add("frontmatter-missing", "no front matter; name and description were derived")
        return Document({}, {}, text, has_front_matter=False)
    end = _closing_row(lines, start, findings)
    if end is None:
        return Document({}, {}, text, has_front_matter=False)
    source = "\n".join(lines[start + 1 : end])
    body_row = end + 1 if end < len(lines) and _is_fence(lines[end]) else end
    if len(source) > FRONTMATTER_CHARS_MAX:
        findings.add(
            "frontmatter-limit",
            f"front matter of {len(source)} characters was cut at {FRONTMATTER_CHARS_MAX}",
            line=start + 1,
        )
        source = source[:FRONTMATTER_CHARS_MAX]
    fields, key_rows = _read_fields(source, start + 2, findings)
    return Document(fields, key_rows, "\n".join(lines[body_row:]), has_front_matter=True)


def _is_fence(line: str) -> bool:
    return line.rstrip() in {"---", "..."}


def _closing_row(lines: list[str], start: int, findings: Report) -> int | None:
    """Return the row that ends the front matter opened at *start*, None if it is none."""
    for row in range(start + 1, len(lines)):
        if _is_fence(lines[row]):
            return row
    # Without a closing fence the keys end where the first line is no key, list item or indent.
    end = start + 1
    while end < len(lines) and (_KEY_LINE.match(lines[end]) or lines[end][:1] in {" ", "\t", "-"}):
        end += 1
    if end == start + 1:
        findings.add("frontmatter-missing", "'---' is followed by no 'key: value' lines")
        return None
    findings.add("frontmatter-unclosed", "front matter has no closing '---'", line=start + 1)
    return end


def _read_fields(
    source: str, first_line: int, findings: Report
) -> tuple[dict[str, Any], dict[str, int]]:
    key_rows = _key_lines(source, first_line)
    try:
        for key, line in _check_events(source, first_line):
            findings.add(
                "frontmatter-duplicate-key", f"{key!r} appears twice; the last counts", line=line
            )
        # CBaseLoader builds text, lists and dicts only: no tags, no objects.
        loaded = yaml.load(source, Loader=_LOADER)  # noqa: S506 - the base loader is safe
    except _RefusedError as error:
        findings.add(error.code, f"{error}; its plain lines were read instead", line=error.line)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or "cannot be parsed"
        findings.add(
            "frontmatter-yaml",
            f"not valid YAML ({reason}); its plain 'key: value' lines were read instead",
            line=first_line + mark.line if mark is not None else first_line,
        )
    else:
        if isinstance(loaded, dict):
            return {str(key): value for key, value in loaded.items()}, key_rows
        if loaded:
            findings.add(
                "frontmatter-yaml",
                f"expected 'key: value' lines, found a {_yaml_kind(loaded)}",
                line=first_line,
            )
    return _recover(source), key_rows


def _yaml_kind(value: object) -> str:
    return "list" if isinstance(value, list) else "text"


def _check_events(source: str, first_line: int) -> list[tuple[str, int]]:
    """Return duplicate top-level keys with their lines; raises _RefusedError on abuse."""
    depth = 0
    children = 0
    seen: set[str] = set()
    duplicates: list[tuple[str, int]] = []
    for count, event in enumerate(yaml.parse(source, Loader=_LOADER)):
        line = first_line + (event.start_mark.line if event.start_mark else 0)
        if isinstance(event, yaml.AliasEvent):
            raise _RefusedError("frontmatter-alias", "YAML aliases are not accepted", line)
        if count > EVENTS_MAX:
            raise _RefusedError("frontmatter-limit", f"more than {EVENTS_MAX} YAML items", line)
        if depth == 1 and isinstance(event, yaml.NodeEvent):
            if children % 2 == 0 and isinstance(event, yaml.ScalarEvent):
                if event.value in seen:
                    duplicates.append((event.value, line))
                seen.add(event.value)
            children += 1
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > DEPTH_MAX:
                raise _RefusedError("frontmatter-limit", f"deeper than {DEPTH_MAX} levels", line)
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
    return duplicates


def _key_lines(source: str, first_line: int) -> dict[str, int]:
    rows: dict[str, int] = {}
    for row, line in enumerate(source.split("\n")):
        match = _KEY_LINE.match(line)
        if match:
            rows.setdefault(match[1], first_line + row)
    return rows


def _recover(source: str) -> dict[str, Any]:
    """Read unindented ``key: value`` lines with their continuations; nested keys stay text."""
    fields: dict[str, Any] = {}
    key, parts = "", list[str]()
    for line in [*source.split("\n"), "end:"]:
        match = _KEY_LINE.match(line)
        if match is None:
            parts.append(line)
            continue
        if key:
            fields[key] = _recovered_value(parts)
        key, parts = match[1], [match[2] or ""]
    return fields


def _recovered_value(parts: list[str]) -> str | list[str]:
    head = parts[0].strip()
    rest = [part.strip() for part in parts[1:] if part.strip()]
    if _BLOCK_MARK.match(head):
        head = ""
    if not head and rest and all(part.startswith("- ") for part in rest):
        return [_unquote(part[2:].strip()) for part in rest]
    return _unquote(" ".join([head, *rest]).strip())


def _unquote(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text
