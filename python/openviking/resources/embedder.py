"""Gives resources their vectors, in the background, and deletes what has expired.

A stored resource is durable and found by its words at once; a moment later it is found by meaning
too. What has not been done yet stands in the store, so a crash loses nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from openviking.background import Background
from openviking.resources.passages import PASSAGES_VERSION, pieces_of
from openviking.store.resources import PIECES_PER_RESOURCE, ResourceVectors

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from openviking.resources.nearby import Nearby
    from openviking.store.resources import ResourceStore, StoredResource
    from openviking.types import TextEncoder, Vectors

BATCH = 32
"""Resources that are read together."""

ENCODE_PIECES = 16
"""Pieces encoded between two looks at whether to stop: about half a second of work."""

SWEEP_S = 60.0
"""Seconds between two sweeps of what has expired; it is invisible from the moment it does."""

SWEPT_AT_ONCE = 256
"""Versions of one deletion: others' writes wait for some milliseconds only."""


GROUP_PIECES = 64
"""Pieces that are stored together: some two seconds of work, and one transaction."""

_Cut: TypeAlias = "tuple[int, list[str], NDArray[Any]]"
"""Number of a version, its texts to embed, and their places."""


class Embedder(Background):
    """One thread that embeds what has no vectors of the encoder's build.

    Args:
        store: where resources wait and vectors go.
        encoder: makes the vectors.
        nearby: told of new vectors.
    """

    def __init__(self, store: ResourceStore, encoder: TextEncoder, nearby: Nearby) -> None:
        super().__init__("resources-embed", self._catch_up, interval_s=SWEEP_S)
        self._store = store
        self._encoder = encoder
        self._nearby = nearby
        self._after = 0

    @property
    def build_id(self) -> str:
        """Names the model build and the way of cutting; stored vectors of another are not used."""
        return f"{self._encoder.build_id}/resources-{PASSAGES_VERSION}"

    def _catch_up(self) -> None:
        if not self._nearby.is_whole:
            self._load()
        self._sweep()
        while not self.is_closing:
            self._nearby.watch()
            waiting = self._store.without_vectors(self.build_id, after=self._after, limit=BATCH)
            if not waiting:
                return
            for group in self._groups(waiting):
                if not self._embed(group):
                    return
                self._after = group[-1][0]

    def _load(self) -> None:
        """Read what the store has; of 100,000 resources that takes seconds, and nobody waits."""
        self._nearby.watch()
        for block in self._store.vectors(self.build_id):
            if self.is_closing:
                return
            self._nearby.add(*block)
        self._nearby.is_whole = True
        self._store.load_words()

    def _groups(self, waiting: Sequence[StoredResource]) -> Iterator[list[_Cut]]:
        """Yield versions cut into pieces, so many together that they fill a few batches."""
        group: list[_Cut] = []
        count = 0
        for one in waiting:
            group.append((one.number, *pieces_of(one.resource, self._encoder)))
            count += len(group[-1][1])
            if count >= GROUP_PIECES:
                yield group
                group, count = [], 0
        if group:
            yield group

    def _embed(self, group: Sequence[_Cut]) -> bool:
        """Encode, store and publish; False if the thread is to end before that."""
        vectors = self._encode([text for _, texts, _ in group for text in texts])
        if vectors is None:
            return False
        entries, at = [], 0
        for number, texts, spans in group:
            # As they will be read again: the same scores before and after a restart.
            own = vectors[at : at + len(texts)].astype(np.float16).astype(np.float32)
            entries.append(ResourceVectors(number, spans, own))
            at += len(texts)
        stored = self._store.put_vectors(self.build_id, entries)
        kept = [one for one, is_kept in zip(entries, stored, strict=True) if is_kept]
        if kept:
            ids = [np.arange(len(one.vectors)) + one.number * PIECES_PER_RESOURCE for one in kept]
            self._nearby.add(
                np.array([one.number for one in kept], np.int64),
                np.concatenate(ids),
                np.concatenate([one.vectors for one in kept]),
            )
        return True

    def _encode(self, texts: list[str]) -> Vectors | None:
        """Return the vectors of *texts*; None if the thread is to end before that."""
        blocks = [np.zeros((0, self._encoder.dim), np.float32)]
        for start in range(0, len(texts), ENCODE_PIECES):
            if self.is_closing:
                return None
            blocks.append(self._encoder.encode(texts[start : start + ENCODE_PIECES]).vectors)
        return np.concatenate(blocks)

    def _sweep(self) -> None:
        while not self.is_closing and (gone := self._store.sweep(limit=SWEPT_AT_ONCE)):
            self._nearby.remove(gone)
