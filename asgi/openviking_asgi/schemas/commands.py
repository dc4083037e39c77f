"""Answers about slash commands."""

from __future__ import annotations

from typing import TypedDict

import msgspec


class CommandRequest(msgspec.Struct, frozen=True):
    """A command's name, with or without its slash."""

    name: str


class CommandSummary(TypedDict):
    """A command without its instructions; ``name`` begins with the slash."""

    name: str
    description: str
    agent: str | None
    model: str | None


class CommandFinding(TypedDict):
    """What is odd about a file; ``error`` means that it is left out."""

    code: str
    severity: str
    message: str
    path: str
    line: int | None


class CommandList(TypedDict):
    """All commands by name; ``source`` are the folders, separated by a colon."""

    commands: list[CommandSummary]
    source: str
    count: int
    findings: list[CommandFinding]


class CommandAnswer(TypedDict):
    """A command by name, without the slash; if it is not ``found`` the texts are empty."""

    name: str
    description: str
    instructions: str
    found: bool
    agent: str | None
    model: str | None


class CommandDetail(CommandAnswer):
    """A command and its file."""

    path: str


class CommandHit(CommandSummary):
    """A command that a search found; a larger ``score`` is better."""

    score: float


class CommandSearchAnswer(TypedDict):
    """Commands in which words of the query stand, best first."""

    query: str
    results: list[CommandHit]
    count: int
