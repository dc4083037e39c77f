"""The line to one Redis: two commands within deadlines, and failures in words of our own.

A server's own words are never passed on: one that lies could say our password back to us.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from openviking.errors import BackendError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from redis.asyncio import Redis

    from openviking.config import RedisUrl


class Write(NamedTuple):
    """Set *name* to *value* for *ttl_ms* (None: for ever), or delete it if *value* is None."""

    name: str
    value: bytes | None
    ttl_ms: int | None

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits, about."""
        return len(self.name) + len(self.value or b"") + 100


class RedisLink:
    """One connection, used by one task at a time. It connects when it is used.

    Args:
        url: the Redis.
        connect_s: seconds for a connection to be made, where the caller does not give up earlier.
    """

    def __init__(self, url: RedisUrl, connect_s: float) -> None:
        self._url = url
        self._connect_s = connect_s
        self._client: Redis | None = None

    async def read(self, names: Sequence[str], timeout_s: float) -> list[object]:
        """Return one value per name, None where there is none; values are as Redis gave them.

        Raises:
            BackendError: no answer in time, no connection, or no such answer.
        """
        try:
            async with asyncio.timeout(timeout_s):
                found: object = await self._open().mget(names)
        except Exception as error:  # noqa: BLE001 - a server that lies can break any parser
            raise _translated(error, timeout_s) from None
        if not isinstance(found, list) or len(found) != len(names):
            raise BackendError("Redis gave another number of values than was asked for")
        return found

    async def write(self, writes: Sequence[Write], timeout_s: float) -> list[str]:
        """Carry out *writes* in order in one round trip.

        Returns:
            Why writes were refused, one reason per refusal; empty if all were done.

        Raises:
            BackendError: as for :meth:`read`; any part of the writes may have been done.
        """
        try:
            pipeline = self._open().pipeline(transaction=False)
            for name, value, ttl_ms in writes:
                if value is None:
                    pipeline.delete(name)
                else:
                    pipeline.set(name, value, px=ttl_ms)
            async with asyncio.timeout(timeout_s):
                answers = await pipeline.execute(raise_on_error=False)
        except Exception as error:  # noqa: BLE001 - as above
            raise _translated(error, timeout_s) from None
        return [
            str(_translated(answer, timeout_s))
            for answer in answers
            if isinstance(answer, Exception)
        ]

    async def reset(self) -> None:
        """Drop every connection, because what it would say next belongs to an older question."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(self._connect_s):
                    await client.aclose()

    def _open(self) -> Redis:
        if self._client is None:
            # Takes a third of a second, which a process without Redis need not spend.
            from redis.asyncio import Redis  # noqa: PLC0415
            from redis.asyncio.retry import Retry  # noqa: PLC0415
            from redis.backoff import NoBackoff  # noqa: PLC0415

            self._client = Redis.from_url(
                self._url.reveal(),
                protocol=2,
                socket_timeout=None,  # the deadlines above hold for the whole round trip
                socket_connect_timeout=self._connect_s,
                retry=Retry(NoBackoff(), 0),
                max_connections=1,
            )
        return self._client


def _translated(error: Exception, timeout_s: float) -> BackendError:
    """Return what to say about *error*; the first kind that it or one of its causes is counts."""
    from redis import exceptions as known  # noqa: PLC0415 - as above

    kinds: tuple[tuple[type[Exception] | tuple[type[Exception], ...], str], ...] = (
        (ssl.SSLCertVerificationError, "the certificate of Redis does not verify: ssl_ca_certs?"),
        (
            (known.AuthenticationError, known.AuthorizationError, known.NoPermissionError),
            "Redis refuses the user, the password or the command; check cache.redis_url",
        ),
        (known.BusyLoadingError, "Redis is loading its data"),
        (known.OutOfMemoryError, "Redis is full; raise its maxmemory or let it evict keys"),
        (known.ReadOnlyError, "Redis is a read-only replica; cache.redis_url must name the master"),
        (known.ResponseError, "Redis refused the command"),
        (
            (TimeoutError, known.TimeoutError),
            f"Redis did not answer within {timeout_s * 1e3:g} ms",
        ),
        ((known.ConnectionError, OSError), "Redis cannot be reached, or hung up"),
    )
    chain = list(_with_causes(error))
    for kind, text in kinds:
        if any(isinstance(one, kind) for one in chain):
            return BackendError(text)
    return BackendError(f"what answers does not speak Redis' protocol ({type(error).__name__})")


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
