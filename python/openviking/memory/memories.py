"""Memories as resources: made in the background, superseded, found, and gone with their messages.

A memory is a function of the messages that are stored. Reading goes on from a stored position, so
that a crash repeats some messages and loses none; a repetition changes nothing. Before a memory is
written, its message is noted beside its URI; when that message is deleted, the note says so, and
the memory is made anew of the messages that are left, or is gone.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Self

from openviking.background import Background
from openviking.errors import NotFoundError
from openviking.memory.extract import extract
from openviking.memory.owners import PREFIX, owner_of, uri_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from openviking.config import Memory
    from openviking.memory.extract import Fact
    from openviking.memory.ports import Shelf
    from openviking.memory.rules import Category
    from openviking.store.memories import MemoryStore
    from openviking.types import ArchivedMessage, Message, Namespace, Resource

__all__ = ["PREFIX", "Memories"]

READ_AT_ONCE = 200
"""Messages that are read together; a crash repeats at most so many."""

STALE_AT_ONCE = 20
"""Memories that are made anew while no other is changed."""

SENTENCE_CHARS_MAX = 400
"""Characters of a sentence that are kept beside its memory."""

_ROLE = "user"


class Memories(Background):
    """Learns from messages of role ``user``. Safe for threads.

    Args:
        store: which message each memory comes from; not closed here.
        shelf: where memories stand; not closed here.
        categories: what is learned about; empty for nothing, the messages then wait unread.
        is_shared: whether all sessions that name no user share their memories.
    """

    def __init__(
        self,
        store: MemoryStore,
        shelf: Shelf,
        *,
        categories: Collection[Category],
        is_shared: bool = False,
    ) -> None:
        super().__init__("memory", self.read_on)
        self._store = store
        self._shelf = shelf
        self._categories = frozenset(categories)
        self._is_shared = is_shared
        self._changing = threading.Lock()
        self._position: int | None = None
        self._saved = 0

    @classmethod
    def of(cls, settings: Memory, store: MemoryStore, shelf: Shelf) -> Self:
        """Return what is configured."""
        chosen = settings.categories if settings.extract else ()
        return cls(store, shelf, categories=chosen, is_shared=settings.shared)

    def close(self) -> None:
        """End the thread, and keep how far it has come; may be called twice."""
        super().close()
        self._save()

    def recall(
        self,
        namespace: Namespace,
        session_id: str,
        text: str,
        *,
        messages: Sequence[Message],
        k: int,
    ) -> list[tuple[str, str, float]]:
        """Return up to *k* (URI, memory with its source, score) that fit *text*, best first.

        Args:
            namespace: whose memories.
            session_id: where *text* was said.
            text: what is asked.
            messages: found messages; what was learned from them fits too.
            k: items at most.
        """
        owner = owner_of(namespace, session_id, is_shared=self._is_shared)
        found = {
            hit.resource.target_uri: (hit.resource, hit.score)
            for hit in self._shelf.search(text, k=k, metadata={"memory_of": owner}).hits
        }
        for message in messages:
            for resource in self._learned_from(message, owner):
                found.setdefault(resource.target_uri, (resource, 0.0))
        return [
            (uri, _told(resource), score)
            for uri, (resource, score) in list(found.items())[:k]
            if resource.metadata.get("memory_of") == owner
        ]

    def health(self) -> dict[str, Any]:
        """Tell what went wrong last, if anything."""
        return {} if self.last_error is None else {"waiting_because": self.last_error}

    def forget(self) -> None:
        """Delete at once what was learned from messages that are gone."""
        is_changed = False
        while self._forget_some():
            is_changed = True
        if is_changed:
            self._store.scrub()

    def read_on(self) -> None:
        """Read all that is not read yet; what the thread does when it is woken.

        Raises:
            StoreError: something was not written; the next call goes on there.
        """
        # What a crash between the deletion of messages and of their memories has left.
        self.forget()
        if not self._categories:
            return
        if self._position is None:
            self._position = self._saved = self._store.position()
        while not self.is_closing:
            found, last = self._store.read(_ROLE, after=self._position, limit=READ_AT_ONCE)
            if last == self._position:
                return
            for one in found:
                self._learn(one)
            self._position = last
            # Reading some messages twice costs less than a write for every few.
            if found and last - self._saved >= READ_AT_ONCE:
                self._save()

    def _forget_some(self) -> bool:
        # Asked under the lock: what another thread has just made anew must not be made again, for
        # it is gone meanwhile.
        with self._changing:
            uris = self._store.stale(limit=STALE_AT_ONCE)
            for uri in uris:
                self._make_anew(uri)
        return bool(uris)

    def _save(self) -> None:
        if self._position is not None and self._position != self._saved:
            self._store.set_position(self._position)
            self._saved = self._position

    def _learn(self, found: ArchivedMessage) -> None:
        for fact in extract(found.message.content):
            if fact.rule.category not in self._categories:
                continue
            with self._changing:
                self._note(found, fact, self._uri(found, fact))

    def _uri(self, found: ArchivedMessage, fact: Fact) -> str:
        session_id = found.message.session_id
        owner = owner_of(found.namespace, session_id, is_shared=self._is_shared)
        return uri_of(fact.rule.category, owner, fact.slot)

    def _note(self, found: ArchivedMessage, fact: Fact, uri: str) -> None:
        """Write a memory, unless it is known, older than what is known, or ends nothing."""
        current = self._current(uri)
        if fact.rule.is_end and not _can_end(fact, current):
            return
        if current is not None and not _is_later(found, current):
            return
        # Before the memory: so its deletion cannot be forgotten, whenever the process dies.
        if not self._store.link(uri, found.number):
            return
        message = found.message
        self._shelf.put(
            fact.memory,
            uri,
            resource_type="memory",
            metadata={
                "memory_of": uri[len(PREFIX) :].split("/")[1],
                "category": fact.rule.category,
                "kind": fact.rule.kind,
                "rule": fact.rule.name,
                "status": "ended" if fact.rule.is_end else "current",
                "session_id": message.session_id,
                "message_id": f"{message.session_id}#{message.seq}",
                "sentence": fact.sentence[:SENTENCE_CHARS_MAX],
                "said_at": message.created_at.isoformat(),
                "message_number": found.number,
                "supersedes": None if current is None else current.id,
            },
        )

    def _make_anew(self, uri: str) -> None:
        """Delete a memory, and make it again of the messages that are left."""
        current = self._current(uri)
        if current is not None:
            self._shelf.delete(current.id)
            # Who deleted the memory itself does not want it back.
            for found in self._store.sources(uri):
                for fact in extract(found.message.content):
                    if self._uri(found, fact) == uri:
                        self._note(found, fact, uri)
        self._store.unlink_deleted(uri)

    def _current(self, uri: str) -> Resource | None:
        try:
            return self._shelf.get_by_uri(uri)
        except NotFoundError:
            return None

    def _learned_from(self, message: Message, owner: str) -> list[Resource]:
        """Return the memories of *owner* whose newest word is *message*."""
        if message.role != _ROLE:
            return []
        found = []
        for fact in extract(message.content):
            current = self._current(uri_of(fact.rule.category, owner, fact.slot))
            if current is not None:
                found.append(current)
        return found


def _can_end(fact: Fact, current: Resource | None) -> bool:
    """Tell whether there is something to end, and it is what the clause names."""
    if current is None or current.metadata.get("status") == "ended":
        return False
    # Where the slot does not name it: "I no longer live in Rome" ends no life in Paris.
    return "{v}" in fact.rule.slot or fact.value.casefold() in current.content.casefold()


def _is_later(found: ArchivedMessage, current: Resource) -> bool:
    """Tell whether a message was said after the one that the memory comes from.

    Within a session its place counts; an imported history may be older than what is known, so
    between sessions the time counts, and the order of storing between equal times.
    """
    known, message = current.metadata, found.message
    number = known.get("message_number", 0)
    if known.get("session_id") == message.session_id:
        return bool(found.number > number)
    said_at = str(known.get("said_at", ""))
    return (message.created_at.isoformat(), found.number) > (said_at, number)


def _told(memory: Resource) -> str:
    known = memory.metadata
    return f'{memory.content} (message {known.get("message_id")}: "{known.get("sentence")}")'
