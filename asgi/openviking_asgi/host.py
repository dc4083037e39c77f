"""The engine's life inside the server: loading, ready, draining, closed, or failed.

The port answers while the model still loads, so loading happens on a thread of its own and every
request asks here whether there is an engine yet.
"""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Literal

from openviking_asgi.errors import NotReadyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from openviking.engine import Engine

State = Literal["loading", "ready", "draining", "closed", "failed"]

_log = logging.getLogger("openviking_asgi")


class EngineHost:
    """Holds the engine and says whether it may be used.

    Args:
        source: an open engine, which the caller keeps and closes; or a function that opens one,
            called by :meth:`start` on a thread, in which case :meth:`close` closes it.
    """

    def __init__(self, source: Engine | Callable[[], Engine]) -> None:
        self._lock = threading.Lock()
        self._opener: Callable[[], Engine] | None = None
        self._thread: threading.Thread | None = None
        self._engine: Engine | None = None
        self._state: State = "loading"
        self._failure: BaseException | None = None
        self._opened_at = int(time.time())
        if callable(source):
            self._opener = source
        else:
            self._engine = source
            self._state = "ready"

    @property
    def state(self) -> State:
        """Where in its life the engine is."""
        return self._state

    @property
    def failure(self) -> BaseException | None:
        """Why the engine could not be opened, if it could not."""
        return self._failure

    @property
    def opened_at(self) -> int:
        """When the engine became usable, in Unix seconds."""
        return self._opened_at

    @property
    def engine(self) -> Engine | None:
        """The open engine, None while loading, after a failure and after closing."""
        return self._engine

    def start(self) -> None:
        """Begin to open the engine, if that is this host's task."""
        if self._opener is not None and self._thread is None:
            self._thread = threading.Thread(target=self._open, name="engine-open", daemon=True)
            self._thread.start()

    def require(self) -> Engine:
        """Return the engine.

        Raises:
            NotReadyError: it is loading, draining, closed or failed; the message says which.
        """
        if self._state == "ready" and self._engine is not None:
            return self._engine
        raise NotReadyError(
            {
                "loading": "the model is still loading; retry in a moment",
                "draining": "the server is shutting down; send the request to another replica",
                "closed": "the server has shut down",
                "failed": "the engine could not be opened; the server's log says why",
            }.get(self._state, "the engine is not ready")
        )

    def drain(self) -> None:
        """Take no further work; what already runs keeps the engine."""
        with self._lock:
            if self._state in {"loading", "ready"}:
                self._state = "draining"

    def close(self, timeout_s: float) -> None:
        """Close the engine if this host opened it.

        Args:
            timeout_s: seconds to wait for a load in progress, and then for the engine to close.
                What is on disk is safe without its closing; 0 leaves it to the process's end.
        """
        self.drain()
        if self._thread is not None:
            self._thread.join(timeout_s)
        with self._lock:
            engine, self._engine = self._engine, None
            if self._state != "failed":
                self._state = "closed"
        if engine is not None and self._opener is not None and timeout_s > 0:
            # On a thread of its own: a call that hangs within the engine may keep it from closing.
            closing = threading.Thread(target=engine.close, name="engine-close", daemon=True)
            closing.start()
            closing.join(timeout_s)

    def _open(self) -> None:
        if self._opener is None:
            return
        try:
            engine = self._opener()
        except BaseException as error:  # noqa: BLE001 - kept for whoever runs the server
            with self._lock:
                self._failure, self._state = error, "failed"
            _log.error("the engine could not be opened: %s", error)
            return
        with self._lock:
            if self._state != "closed":
                self._engine = engine
                self._opened_at = int(time.time())
                if self._state == "loading":
                    self._state = "ready"
                return
        engine.close()
