"""The server process: a socket, an event loop, and an orderly end.

The port answers at once; the model loads meanwhile. On SIGTERM or SIGINT ``/readyz`` turns 503, new
work is refused, what runs is finished (up to ``server.drain_s``), then the engine is closed. A
second signal ends the waiting, unless it is the first one heard twice.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import math
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import uvicorn

from openviking.engine import Engine
from openviking.errors import ConfigError
from openviking_asgi.app import create_app
from openviking_asgi.limits import Connections
from openviking_asgi.log import configure
from openviking_asgi.pages import release_code_pages
from openviking_asgi.protocol import guarded

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from starlette.applications import Starlette

    from openviking.config import Settings
    from openviking_asgi.operation import Services

_BACKLOG = 2048
_LAST_S = 1.0

ECHO_S = 0.5
"""Seconds within which the same signal once more is the first one, heard twice.

Whoever stops a service signals every process of its group, and ``make serve`` among them passes its
own signal on: what runs would otherwise be cut off by a stop that was asked for once.
"""

_log = logging.getLogger("openviking_asgi")


def serve(
    settings: Settings,
    *,
    open_engine: Callable[[], Engine] | None = None,
    connections: Connections | None = None,
) -> None:
    """Serve until a signal arrives; returns after the last request and the engine are done.

    Two lines go to standard output: the address once the port answers, and that it is ready.

    Args:
        settings: what was configured.
        open_engine: opens the engine, on a thread; None opens the configured one and watches its
            skill folders.
        connections: limits and deadlines of connections; None means the documented ones.

    Raises:
        ConfigError: the address cannot be listened on.
        OpenVikingError: the engine could not be opened; the server has then ended.
    """
    if open_engine is None:
        open_engine = partial(_open_configured, settings)
    listener = listen(settings.server.host, settings.server.port)
    log_request = configure(settings.logging)
    for note in settings.notes:
        _log.warning("setting without effect: %s", note)
    app = create_app(open_engine, server=settings.server, log_request=log_request)
    services: Services = app.state.services
    server = _Server(_configured(app, connections), services, listener, settings.server.drain_s)
    server.run(sockets=[listener])
    if services.host.failure is not None:
        raise services.host.failure


def _open_configured(settings: Settings) -> Engine:
    engine = Engine.open(settings)
    try:
        engine.warm()
        engine.start_watching()
        release_code_pages()
    except BaseException:
        engine.close()
        raise
    return engine


def _configured(app: Starlette, connections: Connections | None) -> uvicorn.Config:
    limits = connections or Connections()
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=guarded(limits),
        ws="none",
        lifespan="on",
        # Our own log has a line per request already, and is set up before.
        log_config=None,
        access_log=False,
        # Headers that anyone can send are not believed.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=math.ceil(limits.idle_s),
        # The time to drain was given before uvicorn begins to count.
        timeout_graceful_shutdown=math.ceil(_LAST_S),
    )


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket.

    Raises:
        ConfigError: the port is taken, forbidden, or the address is not of this machine; the
            message says what to do.
    """
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except socket.gaierror as error:
        raise ConfigError(
            f"server.host {host!r} is not an address ({error.strerror}); use 127.0.0.1 for this "
            "machine only, 0.0.0.0 for all networks"
        ) from error
    except OSError as error:
        raise ConfigError(_listen_hint(error, host, port)) from error


def _listen_hint(error: OSError, host: str, port: int) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            other = port + 1 if port < 65535 else port - 1
            return (
                f"port {port} on {host} is in use by another process; stop that one or choose "
                f"another port, e.g. --port {other}"
            )
        case errno.EACCES:
            return f"port {port} needs more rights than this user has; choose one above 1023"
        case errno.EADDRNOTAVAIL:
            return f"server.host {host!r} is not an address of this machine; try 127.0.0.1"
        case _:
            return f"cannot listen on {host} port {port}: {error.strerror}"


class Signals:
    """Tells a second wish to end from the first one, heard twice; see ``ECHO_S``.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: int | None = None
        self._at = 0.0

    def is_second(self, number: int) -> bool:
        """Take note of a signal; whether it is a second wish."""
        if self._first is None:
            self._first, self._at = number, self._clock()
            return False
        return number != self._first or self._clock() - self._at >= ECHO_S


class _Server(uvicorn.Server):
    """uvicorn's server with our announcements and our order of shutting down."""

    def __init__(
        self,
        config: uvicorn.Config,
        services: Services,
        listener: socket.socket,
        drain_s: float,
    ) -> None:
        super().__init__(config)
        self._services = services
        self._listener = listener
        self._drain_s = drain_s
        self._started_at = time.monotonic()
        self._is_announced = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_forced = asyncio.Event()
        self._signals = Signals()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        host, port = self._listener.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        _say(f"OpenViking listens on http://{shown}:{port} (documentation: /docs)")

    async def on_tick(self, counter: int) -> bool:
        state = self._services.host.state
        if state == "ready" and not self._is_announced:
            self._is_announced = True
            _say(f"ready after {time.monotonic() - self._started_at:.1f} s")
        return await super().on_tick(counter) or state == "failed"

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Drain while the port still answers, so that a load balancer sees ``/readyz`` change."""
        self._services.host.drain()
        waits = (self._services.metrics.until_idle(), self._is_forced.wait())
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        await asyncio.wait(tasks, timeout=self._drain_s, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        if self.force_exit:
            self._services.close_s = 0.0
        elif self._services.metrics.in_flight:
            # The time to drain is used up: what still runs gets no second helping.
            self._services.close_s = _LAST_S
        await super().shutdown(sockets)
        if self.force_exit:
            # uvicorn passes this over then; the lifespan would be cancelled and log a traceback.
            await self.lifespan.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle the two signals of an orderly end, and end with status 0 after them.

        uvicorn raises them once more at the end, which would report a clean stop as a death.
        """
        if threading.current_thread() is not threading.main_thread():
            # Elsewhere Python allows no handlers; whoever runs us there ends us otherwise.
            yield
            return
        handled = (signal.SIGINT, signal.SIGTERM)
        before = {number: signal.signal(number, self.handle_exit) for number in handled}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to shut down; a second signal, of either kind, ends the waiting."""
        del frame
        if self._signals.is_second(sig):
            self.force_exit = True
            if self._loop is not None:
                # A handler runs between two steps of whatever the loop is doing.
                self._loop.call_soon_threadsafe(self._is_forced.set)
        self.should_exit = True


def _say(line: str) -> None:
    """Tell the person or script that started us; logs go elsewhere."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except OSError:
        # Whoever read our output is gone; that is no reason to stop serving.
        _log.info(line)
