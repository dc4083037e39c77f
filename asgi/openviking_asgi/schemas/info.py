"""Answers about the server itself."""

from __future__ import annotations

from typing import Any, Literal, TypedDict


class Root(TypedDict):
    """What this server is and what it offers."""

    name: str
    version: str
    description: str
    endpoints: dict[str, str]
    features: list[str]


class HealthReport(TypedDict):
    """Whether model and store can serve, component by component."""

    status: Literal["healthy", "unhealthy"]
    timestamp: str
    version: str
    features: list[str]
    components: dict[str, dict[str, Any]]


class ProbeReport(TypedDict):
    """The answer to an orchestrator's probe."""

    status: Literal["alive", "loading", "ready", "draining", "closed", "failed"]
