"""The documentation page: one file that reads ``/openapi.json``; nothing comes from a CDN."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from pathlib import Path

from openviking_asgi.operation import Reply

_INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def docs_reply() -> Reply:
    """Return the page of the documentation."""
    # importlib.resources would bring 0.5 MB for this.
    return page_reply(Path(__file__).with_name("docs.html").read_text("utf-8"))


def page_reply(page: str) -> Reply:
    """Return *page* with a policy that lets nothing but its own script and style run.

    It must have exactly one ``<style>`` and one ``<script>``, both without attributes.
    """
    hashes = {kind: _source_hash(content) for kind, content in _INLINE.findall(page)}
    policy = (
        "default-src 'none'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'; "
        f"script-src {hashes['script']}; style-src {hashes['style']}"
    )
    return Reply(
        page.encode("utf-8"),
        "text/html; charset=utf-8",
        headers=(
            ("content-security-policy", policy),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ),
    )


def _source_hash(content: str) -> str:
    digest = b64encode(sha256(content.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
