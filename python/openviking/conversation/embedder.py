"""Gives archived messages their vectors, in the background and in batches.

An append is durable and found by its words at once; this thread makes it findable by meaning a
moment later. What it has not done yet stands in the store, so a crash loses nothing.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

import numpy as np

from openviking.conversation import passages
from openviking.errors import OpenVikingError
from openviking.types import MessageVectors

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from openviking.conversation.shelf import Shelves
    from openviking.store.port import ConversationStore
    from openviking.types import ArchivedMessage, TextEncoder

BATCH = 32
"""Messages that are embedded together."""

RETRY_S = 5.0
"""Seconds until the next attempt after the model or the store failed."""

SWEEP_S = 3600.0
"""Seconds between two sweeps of what is past its retention."""

_log = logging.getLogger(__name__)


class Embedder:
    """One thread that embeds what has no vector of the encoder's build.

    Args:
        store: where messages wait and vectors go.
        encoder: makes the vectors.
        shelves: told of new vectors.
        sweep: deletes what is past its retention; called now and then by the same thread.
    """

    def __init__(
        self,
        store: ConversationStore,
        encoder: TextEncoder,
        shelves: Shelves,
        sweep: Callable[[], None],
    ) -> None:
        self._store = store
        self._encoder = encoder
        self._shelves = shelves
        self._sweep = sweep
        self._changed = threading.Condition()
        self._has_work = True
        self._is_idle = False
        self._is_closed = False
        self._thread = threading.Thread(target=self._run, name="conversation-embed", daemon=True)
        self.last_error: str | None = None
        """What went wrong last; None again after the next success."""

    def start(self) -> None:
        """Begin with whatever the last process left undone."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is a new message."""
        with self._changed:
            self._has_work = True
            self._is_idle = False
            self._changed.notify_all()

    def wait_until_done(self, timeout_s: float) -> bool:
        """Wait until every message has its vector; False if it took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_idle, timeout_s)

    def close(self) -> None:
        """End the thread after the batch under way; may be called twice."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        after = 0
        while not self._is_closed:
            try:
                after = self._catch_up(after)
                self._sweep()
            except OpenVikingError as error:
                # Nothing is lost by waiting: what has no vector yet stands in the store.
                _log.warning("messages wait for their vectors: %s", error)
                self.last_error = str(error)
                self._pause(RETRY_S, until_work=False)
            else:
                self.last_error = None
                self._pause(SWEEP_S, until_work=True)

    def _pause(self, seconds: float, *, until_work: bool) -> None:
        with self._changed:
            if until_work and not self._has_work:
                self._is_idle = True
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self._is_closed or (until_work and self._has_work), seconds
            )

    def _catch_up(self, after: int) -> int:
        """Embed all that waits behind the number *after*; return the last number looked at."""
        while not self._is_closed:
            with self._changed:
                self._has_work = False
            groups = self._store.without_vectors(
                self._encoder.build_id, after=after, limit=BATCH, before=passages.NEIGHBOURS
            )
            if not groups:
                return after
            self._embed(groups)
            after = groups[-1][-1].number
        return after

    def _embed(self, groups: Sequence[tuple[ArchivedMessage, ...]]) -> None:
        texts: list[str] = []
        owners: list[ArchivedMessage] = []
        for group in groups:
            some = passages.pieces([one.message for one in group])
            texts += some
            owners += [group[-1]] * len(some)
        vectors = self._encoder.encode(texts).vectors
        kept, numbers = self._store.put_vectors(
            self._encoder.build_id, [one.number for one in owners], vectors
        )
        by_namespace: dict[object, list[int]] = {}
        for at, position in enumerate(kept.tolist()):
            by_namespace.setdefault(owners[position].namespace, []).append(at)
        for some_at in by_namespace.values():
            rows = [owners[kept[at]] for at in some_at]
            self._shelves.add(
                rows[0].namespace,
                MessageVectors(
                    numbers=numbers[some_at],
                    messages=np.array([row.number for row in rows], dtype=np.int64),
                    sessions=np.array([row.session_number for row in rows], dtype=np.int64),
                    seqs=np.array([row.message.seq for row in rows], dtype=np.int64),
                    vectors=np.ascontiguousarray(vectors[kept[some_at]]),
                ),
            )
