"""The address of a Redis: checked when settings are read, and never shown with its password."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlsplit

EXPECTED = (
    "redis://[user:password@]host[:port][/db], the same with rediss:// for TLS, or "
    "unix://[user:password@]/path[?db=0]; write special characters of a password as %XX"
)

_QUERY = {
    "redis": {"db"},
    "rediss": {
        "db", "ssl_ca_certs", "ssl_cert_reqs", "ssl_certfile", "ssl_check_hostname", "ssl_keyfile",
    },
    "unix": {"db"},
}  # fmt: skip


class RedisUrl:
    """Where a Redis is and how to log in.

    ``str()`` and ``repr()`` show scheme, host, port and database, with ``***`` in place of a
    password; :meth:`reveal` alone gives the whole.

    Args:
        text: the URL; of a query only ``db`` and, for ``rediss``, the ``ssl_`` files and checks of
            redis-py are taken, since others would change what this package relies on.

    Raises:
        ValueError: not such a URL; the message never quotes it.
    """

    __slots__ = ("_shown", "_text")

    def __init__(self, text: str) -> None:
        self._text = text.strip()
        self._shown = _shown(self._text)

    def reveal(self) -> str:
        """Return the URL with its password, for the client that connects."""
        return self._text

    def __str__(self) -> str:
        return self._shown

    def __repr__(self) -> str:
        return f"RedisUrl({self._shown!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RedisUrl) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


def _shown(text: str) -> str:
    """Check the URL and return what of it may be seen.

    urllib's own errors quote pieces of the URL, which may be pieces of a password that was not
    escaped, so none of them leaves this function.
    """
    try:
        parts = urlsplit(text)
        port = parts.port
        query = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(EXPECTED) from None
    scheme = parts.scheme
    if scheme not in _QUERY or not set(query) <= _QUERY[scheme] or parts.fragment:
        raise ValueError(EXPECTED)
    database = query.get("db", "0")
    if scheme == "unix":
        place = parts.path
        is_valid = place.startswith("/") and len(place) > 1 and not parts.hostname
    else:
        place = f"{_host(parts.hostname)}:{6379 if port is None else port}"
        path = parts.path.removeprefix("/")
        database = path or database
        is_valid = bool(parts.hostname) and port != 0 and not ("db" in query and path)
    if not is_valid or not (database.isascii() and database.isdecimal()) or " " in text:
        raise ValueError(EXPECTED)
    login = (parts.username or "") + (":***" if parts.password else "")
    tail = f"?db={int(database)}" if scheme == "unix" else f"/{int(database)}"
    return f"{scheme}://{login}{'@' if login else ''}{place}{tail}"


def _host(name: str | None) -> str:
    return f"[{name}]" if name and ":" in name else name or ""
