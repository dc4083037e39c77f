"""The routes table: what is routed, what is documented, what is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking_asgi.routes import (
    admin,
    commands,
    conversation,
    embeddings,
    info,
    openai,
    performance,
    resources,
    skills,
)

if TYPE_CHECKING:
    from openviking_asgi.operation import Operation

OPERATIONS: tuple[Operation, ...] = (
    # The router goes from top to bottom: what is called most, and fixed paths, come first.
    *skills.OPERATIONS,
    *embeddings.OPERATIONS,
    *openai.OPERATIONS,
    *resources.OPERATIONS,
    *conversation.OPERATIONS,
    *commands.OPERATIONS,
    *performance.OPERATIONS,
    *admin.OPERATIONS,
    *info.OPERATIONS,
)
"""Every operation that the server offers."""
