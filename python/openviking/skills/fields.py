"""Typed access to front matter: a value of the wrong type is converted if its meaning is plain."""

from __future__ import annotations

import contextlib
import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openviking.frontmatter import Document
    from openviking.skills.findings import Findings

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0", ""})
_NULL = frozenset({"null", "~", "none"})


class Fields:
    """Reads fields of one document; a dotted name is looked up inside ``metadata``.

    Every reader takes several names and returns the first that holds something. What cannot be
    used is reported as ``field-type`` and read as if it were missing.
    """

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._findings = findings
        self._metadata = self._read_metadata()

    def text(self, *names: str) -> str:
        """Return a text value, '' if there is none."""
        for name in names:
            value = self._value(name)
            if isinstance(value, str) and value.strip().lower() not in _NULL:
                if value.strip():
                    return value.strip()
            elif isinstance(value, list) and value and all(isinstance(v, str) for v in value):
                self._report(name, "text", value)
                return ", ".join(value)
            elif isinstance(value, (list, dict)) and value:
                self._report(name, "text", value)
        return ""

    def texts(self, *names: str, splits: bool = False) -> tuple[str, ...]:
        """Return a list of texts; with *splits*, one text is divided at commas and spaces."""
        for name in names:
            value = self._value(name)
            if isinstance(value, str):
                value = _split_tools(value) if splits else [value]
            if not isinstance(value, list):
                if value:
                    self._report(name, "a list of texts", value)
                continue
            kept = [_line(item) for item in value if isinstance(item, str) and item.strip()]
            if len(kept) < len(value):
                self._report(name, "a list of texts", value)
            if kept:
                return tuple(dict.fromkeys(kept))
        return ()

    def flag(self, *names: str) -> bool:
        """Return a boolean; false if missing or unclear."""
        for name in names:
            value = self._value(name)
            if value is None:
                continue
            word = value.strip().lower() if isinstance(value, str) else "?"
            if word not in _TRUE | _FALSE | _NULL:
                self._report(name, "true or false", value)
            return word in _TRUE
        return False

    def number(self, *names: str, low: int, high: int) -> int | None:
        """Return a whole number in [low, high]; None if missing or outside."""
        for name in names:
            value = self._value(name)
            if value in (None, ""):
                continue
            if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
                number = int(value.strip()[:9])
                if low <= number <= high:
                    return number
            self._report(name, f"a whole number from {low} to {high}", value)
        return None

    def mapping(self, name: str) -> dict[str, Any]:
        """Return ``metadata`` as a mapping; it is the only field that is one."""
        return self._metadata if name == "metadata" else {}

    def _read_metadata(self) -> dict[str, Any]:
        value = self._document.fields.get("metadata")
        if isinstance(value, str) and value.strip().startswith("{"):
            # Recovered lines leave inline JSON as text; that is common in the field.
            with contextlib.suppress(ValueError, RecursionError):
                value = json.loads(value)
        if isinstance(value, dict):
            return {str(key): item for key, item in value.items()}
        if isinstance(value, (str, list)) and value and value not in _NULL:
            self._report("metadata", "a mapping", value)
            return {"metadata": value}
        return {}

    def _value(self, name: str) -> Any:
        if name.startswith("metadata."):
            return self._metadata.get(name.removeprefix("metadata."))
        return self._document.fields.get(name)

    def _report(self, name: str, expected: str, value: Any) -> None:
        # Front matter holds texts, lists and mappings only.
        came = f"the text {value[:40]!r}" if isinstance(value, str) else "a list"
        came = "a mapping" if isinstance(value, dict) else came
        self._findings.add(
            "field-type",
            f"{name}: expected {expected}, found {came}",
            line=self._document.lines.get(name.removeprefix("metadata.")),
        )


def _line(text: str) -> str:
    return " ".join(text.split())


def _split_tools(text: str) -> list[str]:
    """Split at commas and spaces outside parentheses: ``Bash(git add:*), Read`` is two tools."""
    return [part for part in re.findall(r"(?:[^\s,()]|\([^()]*\))+", text) if part]
