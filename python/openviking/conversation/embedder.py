"""Gives archived messages their vectors, in the background and in batches.

An append is durable and found by its words at once; this work makes it findable by meaning a moment
later. What it has not done yet stands in the store, so a crash loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openviking.background import Background
from openviking.conversation import passages
from openviking.types import MessageVectors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from openviking.conversation.shelf import Shelves
    from openviking.store.port import ConversationStore
    from openviking.types import ArchivedMessage, TextEncoder

BATCH = 32
"""Messages that are embedded together."""


class Embedder(Background):
    """One thread that embeds what has no vector of the encoder's build.

    Args:
        store: where messages wait and vectors go.
        encoder: makes the vectors.
        shelves: told of new vectors.
    """

    def __init__(self, store: ConversationStore, encoder: TextEncoder, shelves: Shelves) -> None:
        super().__init__("conversation-embed", self._catch_up)
        self._store = store
        self._encoder = encoder
        self._shelves = shelves
        self._after = 0

    def _catch_up(self) -> None:
        """Embed all that waits behind the last message that was looked at."""
        while not self.is_closing:
            groups = self._store.without_vectors(
                self._encoder.build_id, after=self._after, limit=BATCH, before=passages.NEIGHBOURS
            )
            if not groups:
                return
            self._embed(groups)
            self._after = groups[-1][-1].number

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
