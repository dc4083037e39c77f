"""``openviking probe``: ask a running server whether it is ready; the container's health check.

Also ``python -m openviking.cli.probe``. It needs the standard library only, so that a container
carries no curl, and it follows no proxy and no redirect.
"""

from __future__ import annotations

import http.client
import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from openviking.cli.options import State, common, pass_state
from openviking.cli.output import plain, print_json
from openviking.errors import BackendError, InputError

if TYPE_CHECKING:
    from openviking.config import Settings

_BODY_BYTES_MAX = 65_536
_RETRY_S = 0.25


def ask(url: str, timeout_s: float) -> tuple[int, str]:
    """Send one GET.

    Args:
        url: ``http://host:port/path``.
        timeout_s: seconds for connecting and for each read.

    Returns:
        Status code and the beginning of the body.

    Raises:
        BackendError: nobody answers there, or not in HTTP.
        InputError: *url* is not an http URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InputError(f"--url: {url!r} is not a URL ({error})") from error
    if parts.scheme != "http" or not parts.hostname:
        raise InputError(f"--url: expected http://HOST:PORT/PATH, got {url!r}")
    connection = http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)
    try:
        connection.request("GET", parts.path or "/readyz", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read(_BODY_BYTES_MAX).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException) as error:
        raise BackendError(f"{url}: no answer ({type(error).__name__}: {error})") from error
    finally:
        connection.close()


def url_of(settings: Settings, path: str) -> str:
    """Return the address of *path* on the server that these settings start on this machine."""
    # A server that listens everywhere is asked on the loopback address.
    listening = settings.server.host
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(listening, listening)  # noqa: S104 - no bind
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{settings.server.port}{path}"


def wait_until_ready(url: str, timeout_s: float, wait_s: float) -> tuple[int, str]:
    """Ask until the answer is 200 or *wait_s* have passed; return the last answer."""
    deadline = time.monotonic() + wait_s
    while True:
        try:
            status, body = ask(url, timeout_s)
        except BackendError:
            if time.monotonic() + _RETRY_S > deadline:
                raise
        else:
            if status == 200 or time.monotonic() + _RETRY_S > deadline:
                return status, body
        time.sleep(_RETRY_S)


@click.command()
@common
@click.option("--url", help="Address to ask; default /readyz of the configured host and port.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, 3600, min_open=True),
    default=3.0,
    show_default=True,
    help="Seconds for one request.",
)
@click.option(
    "--wait",
    "wait_s",
    type=click.FloatRange(0, 3600),
    default=0.0,
    show_default=True,
    help="Keep asking for this many seconds until the server is ready.",
)
@pass_state
def command(state: State, url: str | None, timeout_s: float, wait_s: float) -> None:
    """Ask a running server whether it is ready; exit 0 if it is, 1 if not.

    Without --url the address comes from the same settings as `openviking serve`
    (OPENVIKING_HOST, OPENVIKING_PORT, ov.conf), so a container needs no arguments.

    \b
    Examples:
      openviking probe
      openviking probe --wait 60
      openviking probe --url http://127.0.0.1:8002/health --json
    """
    url = url or url_of(state.settings(), "/readyz")
    status, body = wait_until_ready(url, timeout_s, wait_s)
    if status != 200:
        raise BackendError(f"{url}: answered {status}: {plain(body)[:300]}")
    if state.is_json:
        print_json({"url": url, "status": status})
    else:
        click.echo(f"{url}: ready")


if __name__ == "__main__":
    from openviking.cli.app import main

    main(["probe"])
