"""Whose a memory is: a part of its URI and a value of its metadata, so that owners never meet."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from urllib.parse import quote

from openviking.types import Namespace

if TYPE_CHECKING:
    from openviking.memory.rules import Category

PREFIX = "viking://user/memories/"
"""Where all memories stand."""

EVERYONE = "everyone"
"""The owner of what nobody in particular said, if such memories are shared."""

_NAME_CHARS_MAX = 120


def owner_of(namespace: Namespace, session_id: str, *, is_shared: bool) -> str:
    """Return the owner of what is said in a session.

    Who names neither user nor agent may be anybody: then each session is an owner of its own,
    unless *is_shared*.
    """
    if namespace != Namespace():
        parts = (("user", namespace.user), ("agent", namespace.agent))
        return ",".join(f"{kind}:{_name(name)}" for kind, name in parts if name)
    return EVERYONE if is_shared else f"session:{_name(session_id)}"


def uri_of(category: Category, owner: str, slot: str) -> str:
    """Return where a memory stands: ``viking://user/memories/<category>/<owner>/<slot>``."""
    return f"{PREFIX}{category}/{owner}/{quote(slot, safe='')}"


def _name(text: str) -> str:
    """Return *text* as a part of a URI, a long one as its digest."""
    name = quote(text, safe="")
    if len(name) <= _NAME_CHARS_MAX:
        return name
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
