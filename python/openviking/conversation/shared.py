"""What the conversations of all namespaces have in common, and their work in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING

from openviking.conversation.archive import Archive
from openviking.conversation.embedder import Embedder
from openviking.conversation.knowledge import Gatherer
from openviking.conversation.lifetime import SteadyClock, Sweeper
from openviking.conversation.shelf import Shelves
from openviking.conversation.turn import Asking
from openviking.conversation.window import WINDOW_MESSAGES, Tails

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from openviking.background import Background
    from openviking.conversation.lifetime import Lifetimes
    from openviking.conversation.ports import Sources
    from openviking.store.port import ConversationStore
    from openviking.types import Namespace, TextEncoder


class Shared:
    """One for each store; its threads run until :meth:`close`."""

    def __init__(
        self,
        store: ConversationStore,
        encoder: TextEncoder,
        clock: Callable[[], datetime],
        sources: Sources,
        lifetimes: Lifetimes,
    ) -> None:
        self.sources = sources
        self.tails = Tails(
            lambda owner, session_id, seq: store.tail(
                owner, session_id, count=WINDOW_MESSAGES, through=seq
            )
        )
        self.shelves = Shelves(
            lambda owner, limit: store.vectors(owner, encoder.build_id, limit=limit), encoder.dim
        )
        self.archive = Archive(store, encoder, self.shelves)
        self.gatherer = Gatherer(self.archive, sources)
        self.embedder = Embedder(store, sources.encoder or encoder, self.shelves)
        self.asking = Asking(store, clock, sources.chat_tokens_max, self._count_tokens)
        self._encoder = encoder
        self.workers: list[Background] = [self.embedder]
        if lifetimes.retention is not None:
            steady = SteadyClock(clock, store.last_activity())
            self.workers.append(Sweeper(store, lifetimes.retention, steady, self.deleted))
        for worker in self.workers:
            worker.start()

    def _count_tokens(self, texts: Sequence[str]) -> Sequence[int]:
        counts: list[int] = self._encoder.token_counts(texts).tolist()
        return counts

    def stored(self) -> None:
        """Note that there are new messages on disk."""
        self.embedder.wake()
        if self.sources.memory is not None:
            self.sources.memory.wake()

    def deleted(self, namespace: Namespace | None = None) -> None:
        """Forget in memory what is deleted on disk, of one namespace or of any."""
        self.tails.forget()
        self.shelves.forget(namespace)
        if self.sources.memory is not None:
            # Should the second call fail, the thread that the first one wakes tries again.
            self.sources.memory.wake()
            self.sources.memory.forget()

    def close(self) -> None:
        """End the background work; may be called twice."""
        for worker in self.workers:
            worker.close()
