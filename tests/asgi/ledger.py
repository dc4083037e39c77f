"""Clients that write over HTTP until the server dies, and remember what they were promised.

Each keeps the one request that was not answered as *pending*: it may have happened or not, but not
half, and not twice.
"""

from __future__ import annotations

import http.client
import json
from collections import Counter
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from openviking.store.resources import ResourceFilter
from openviking.types import Namespace

if TYPE_CHECKING:
    import random

    from openviking.store import SqliteStore

ALL = 1_000_000
URIS = 6


class Unanswered(Exception):  # noqa: N818 - nothing is wrong: the server was killed
    """The server died before it answered."""


class Connection:
    """One kept-alive connection to a server that may be killed at any moment."""

    def __init__(self, port: int) -> None:
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, Any]]:
        sent = {"content-type": "application/json"} | (headers or {})
        try:
            self._http.request(method, path, None if body is None else json.dumps(body), sent)
            response = self._http.getresponse()
            return response.status, json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unanswered from error

    def close(self) -> None:
        self._http.close()


class KeyedClient:
    """Says things under a key, and says what was not answered again under the same key."""

    def __init__(self) -> None:
        self.promised: dict[str, list[str]] = {}
        self.pending: tuple[str, str] | None = None
        self._count = 0

    def step(self, connection: Connection, cycle: int) -> None:
        if self.pending is None:
            self._count += 1
            self.pending = (f"keyed/{cycle}", f"message {self._count}")
        session, content = self.pending
        status, answer = connection.ask(
            "POST",
            "/conversation",
            {"session_id": session, "message": content},
            {"idempotency-key": f"key {content}"},
        )
        assert status == 200, answer
        self.promised.setdefault(session, []).append(content)
        self.pending = None

    def verify(self, store: SqliteStore, sessions: set[str] | None) -> None:
        for session, contents in self.promised.items():
            if sessions is not None and session not in sessions:
                continue
            stored = store.conversations.page(Namespace(), session, after=0, limit=ALL)
            assert [one.seq for one in stored] == list(range(1, len(stored) + 1))
            said = [one.content for one in stored if one.role == "user"]
            maybe = [self.pending[1]] if self.pending and self.pending[0] == session else []
            assert said in (contents, contents + maybe), "a message is lost, doubled or moved"
            answered = Counter(one.reply_to for one in stored if one.reply_to is not None)
            assert not answered or max(answered.values()) == 1, "a message was answered twice"


class PlainClient:
    """Appends without a key, so that it must not try again."""

    def __init__(self) -> None:
        self.promised: dict[str, list[str]] = {}
        self._unknown: dict[str, str] = {}
        self._count = 0

    def step(self, connection: Connection, cycle: int) -> None:
        self._count += 1
        session, content = f"plain/{cycle}", f"note {self._count}"
        self._unknown[session] = content
        body = {"session_id": session, "message": content, "role": "note"}
        status, answer = connection.ask("POST", "/conversation", body)
        assert status == 200, answer
        self.promised.setdefault(session, []).append(content)
        del self._unknown[session]

    def verify(self, store: SqliteStore, sessions: set[str] | None) -> None:
        for session, contents in self.promised.items():
            if sessions is not None and session not in sessions:
                continue
            stored = store.conversations.page(Namespace(), session, after=0, limit=ALL)
            said = [one.content for one in stored]
            maybe = [self._unknown[session]] if session in self._unknown else []
            assert said in (contents, contents + maybe), "a note is lost, doubled or moved"


class ResourceClient:
    """Creates, replaces and deletes what a few URIs mean."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.expected: dict[str, str | None] = {}
        self.versions: dict[str, list[tuple[str, str]]] = {}
        self.pending: tuple[str, str | None] | None = None
        self._count = 0

    def step(self, connection: Connection, cycle: int) -> None:
        uri = f"viking://kept/{self._rng.randrange(URIS)}"
        is_deletion = self.expected.get(uri) is not None and self._rng.random() < 0.2
        self._count += 1
        content = None if is_deletion else f"resource word{self._count} of cycle{cycle}"
        self.pending = (uri, content)
        if content is None:
            status, answer = connection.ask("DELETE", f"/resources/uri:{quote(uri, safe='')}")
            assert status == 200, answer
            self.versions[uri] = []
        else:
            body = {"content": content, "target_uri": uri}
            status, answer = connection.ask("POST", "/resources", body)
            assert status == 200, answer
            self.versions.setdefault(uri, []).append((answer["resource_id"], content))
        self.expected[uri] = content
        self.pending = None

    def verify(self, store: SqliteStore, _sessions: set[str] | None) -> None:
        for uri in self.expected.keys() | ({self.pending[0]} if self.pending else set()):
            held = store.resources.page(_prefix(uri), limit=1, after=None).resources
            content = held[0].content if held else None
            allowed = {self.expected.get(uri)}
            if self.pending and self.pending[0] == uri:
                allowed.add(self.pending[1])
            assert content in allowed, f"{uri} is {content!r}, expected one of {allowed}"
            if content is None:
                self.versions[uri] = []
            for resource_id, version in self.versions.get(uri, []):
                assert store.resources.get(resource_id).content == version
            self.expected[uri] = content
        self.pending = None

    def verify_search(self, connection: Connection) -> None:
        """Ask the new server: it must find what is there, and nothing that is not."""
        there = [(uri, content) for uri, content in self.expected.items() if content is not None]
        for uri, content in there[:2]:
            word = content.split()[1]
            status, answer = connection.ask("POST", "/resources/search", {"query": word})
            assert status == 200, answer
            found = [one["target_uri"] for one in answer["resources"]]
            assert found[:1] == [uri], f"{word}: {found}"


class SkillClient:
    """Creates skills of names that nobody has."""

    def __init__(self) -> None:
        self.promised: set[str] = set()
        self.pending: str | None = None
        self._count = 0

    def step(self, connection: Connection, cycle: int) -> None:
        self._count += 1
        name = f"skill-{cycle}-{self._count}"
        self.pending = name
        body = {"name": name, "description": f"Does {name}", "body": "# How\n\nwith care " * 20}
        status, answer = connection.ask("POST", "/skills", body)
        assert status == 201, answer
        self.promised.add(name)
        self.pending = None

    def verify(self, store: SqliteStore, _sessions: set[str] | None) -> None:
        stored = {skill.id for skill in store.iter_skills()}
        assert stored - ({self.pending} if self.pending else set()) == self.promised
        assert len(store.match_skills("with care", ALL)) == len(stored)
        self.promised, self.pending = stored, None

    def verify_search(self, connection: Connection) -> None:
        """Ask the new server for all skills that its index knows."""
        listed: set[str] = set()
        after = ""
        while True:
            path = f"/skills?limit=1000&after={after}" if after else "/skills?limit=1000"
            status, answer = connection.ask("GET", path)
            assert status == 200, answer
            listed |= {skill["id"] for skill in answer["skills"]}
            after = answer["next"]
            if not after:
                break
        assert listed == self.promised


def _prefix(uri: str) -> ResourceFilter:
    return ResourceFilter(prefix=uri)
