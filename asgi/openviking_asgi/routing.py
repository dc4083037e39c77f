"""Routing by the path as it was sent, so that an id may hold a slash without becoming two segments.

``/conversation/stats%2Fx/messages`` lists the messages of the session ``stats/x``; decoded first,
it could not be told from the statistics of a session ``x/messages``. A slash that is not encoded
still reaches a parameter that takes paths, as far as no fixed part of a route claims it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from starlette.routing import Match, Route

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from starlette.types import ASGIApp, Receive, Scope, Send

# Stands for an encoded slash while a path is matched; no UTF-8 decodes to it.
_SLASH = "\ud800"


class PathRoute(Route):
    """All operations of one path.

    A method that none of them has is left to the next route; if no route has it, the first one that
    fits the path refuses it.

    Args:
        path: the template.
        endpoint: answers, and refuses methods that it does not offer.
        methods: those that it offers.
    """

    def __init__(self, path: str, endpoint: ASGIApp, methods: Iterable[str]) -> None:
        super().__init__(path, endpoint, name=path, methods=list(methods))
        # A parameter that may be any text may also hold line ends.
        self.path_regex = re.compile(self.path_regex.pattern, re.DOTALL)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match the path as it was sent."""
        if "raw_path" not in scope or scope.get("root_path"):
            return super().matches(scope)
        match, child = super().matches({**scope, "path": _with_marks(scope["raw_path"])})
        params: dict[str, Any] = child.get("path_params", {})
        for name, value in params.items():
            params[name] = value.replace(_SLASH, "/")
        return match, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse the method."""
        await self.app(scope, receive, send)


def direct_routes(routes: Sequence[PathRoute]) -> dict[tuple[str, bytes], ASGIApp]:
    """Return who answers a method at a path without parameters, as the request line has both.

    Most requests can so be answered without asking route after route. A path that is written in
    another way (``/%73kills``), and a method that is refused, are for the routes.
    """
    found: dict[tuple[str, bytes], ASGIApp] = {}
    for route in routes:
        if route.param_convertors:
            continue
        for method in route.methods or ():
            raw_path = route.path.encode("ascii")
            scope = {"type": "http", "method": method, "path": route.path, "raw_path": raw_path}
            first = next(one for one in routes if one.matches(scope)[0] is Match.FULL)
            if first is route:
                found[method, raw_path] = route.app
    return found


def _with_marks(raw_path: bytes) -> str:
    segments = (
        unquote_to_bytes(segment).decode("utf-8", "replace") for segment in raw_path.split(b"/")
    )
    return "/".join(segment.replace("/", _SLASH) for segment in segments)
