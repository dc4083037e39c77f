"""The two tiers of skill search: by the model's vector of a query, or by a quick stand-in for it.

Passages always have the model's vectors. A query's quick vector is compared with these and with
nothing else: it gets a ranking, a sense of small talk and a memory of answers of its own, because
its cosines are smaller and must never stand beside the model's in one list.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from openviking.errors import ConflictError, InputError
from openviking.retrieval.background import Background
from openviking.skills.finder import Finder

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.skills.catalog import Catalog
    from openviking.store.port import Store
    from openviking.types import TextEncoder, Tier


class Tiers:
    """One finder per tier; that of the fast tier is made when it is first asked for.

    Args:
        store: knows the words of skills.
        catalog: the skills.
        full: the finder with the model's vectors.
        open_fast: opens the quick encoder, or raises ConflictError; None if there can be none.
    """

    def __init__(
        self,
        store: Store,
        catalog: Catalog,
        full: Finder,
        open_fast: Callable[[], TextEncoder] | None,
    ) -> None:
        self._store = store
        self._catalog = catalog
        self._full = full
        self._open_fast = open_fast
        self._lock = threading.Lock()
        self._fast: Finder | None = None

    def finder(self, tier: Tier) -> Finder:
        """Return the finder of *tier*.

        Raises:
            InputError: there is no such tier.
            ConflictError: it is the fast one and has no table.
        """
        if tier == "full":
            return self._full
        if tier != "fast":
            raise InputError(f"tier: expected full or fast, got {tier!r}", loc=("tier",))
        with self._lock:
            if self._fast is None:
                if self._open_fast is None:
                    raise ConflictError("the encoder in use has no fast tier; ask for tier full")
                quick = self._open_fast()
                self._fast = Finder(self._store, quick, self._catalog, Background(quick), "fast")
            return self._fast
