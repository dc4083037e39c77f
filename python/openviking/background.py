"""Work that goes on beside requests: one thread, woken when there is something to do.

Whoever uses it keeps what is still to do in the store, so that a crash loses nothing and the thread
only has to look again.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING

from openviking.errors import OpenVikingError

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_S = 5.0
"""Seconds until the next attempt after a failure."""

_log = logging.getLogger(__name__)


class Background:
    """A thread that calls *work* at the start, when it is woken, and every *interval_s*.

    Args:
        name: of the thread, and in the log.
        work: does all that is to do now; looks at :attr:`is_closing` between slices.
        interval_s: seconds after which it is called anyway; None if only when woken.
    """

    def __init__(
        self, name: str, work: Callable[[], None], *, interval_s: float | None = None
    ) -> None:
        self._name = name
        self._work = work
        self._interval_s = interval_s
        self._changed = threading.Condition()
        self._has_work = True
        self._is_idle = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self.is_closing = False
        """Whether the thread is to end."""
        self.last_error: str | None = None
        """What went wrong last; None again after the next success."""

    def start(self) -> None:
        """Begin with whatever the last process left undone."""
        self._thread.start()

    def wake(self) -> None:
        """Say that there is something new to do; whoever calls it has stored it before."""
        if self._has_work:
            # Not yet seen by the thread, which looks at the store after it takes this note away.
            return
        with self._changed:
            self._has_work = True
            self._is_idle = False
            self._changed.notify_all()

    def wait_until_idle(self, timeout_s: float) -> bool:
        """Wait until nothing is left to do; False if it took longer."""
        with self._changed:
            return self._changed.wait_for(lambda: self._is_idle, timeout_s)

    def close(self) -> None:
        """End the thread after the slice under way; may be called twice."""
        with self._changed:
            self.is_closing = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self.is_closing:
            with self._changed:
                self._has_work = False
            try:
                self._work()
            except OpenVikingError as error:
                _log.warning("%s waits: %s", self._name, error)
                self.last_error = str(error)
                self._pause(RETRY_S, until_work=False)
            else:
                self.last_error = None
                self._pause(self._interval_s, until_work=True)

    def _pause(self, seconds: float | None, *, until_work: bool) -> None:
        with self._changed:
            if until_work and not self._has_work:
                self._is_idle = True
                self._changed.notify_all()
            self._changed.wait_for(
                lambda: self.is_closing or (until_work and self._has_work), seconds
            )
            self._is_idle = False
