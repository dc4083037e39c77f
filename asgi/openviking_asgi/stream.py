"""An answer that is sent while it is made: a thread makes the pieces, the event loop sends them.

The thread never waits for the client: it makes every piece, also for one that reads slowly or has
hung up, and an answer of bounded size waits in memory.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from starlette.types import Send

    from openviking_asgi.operation import Streamed
    from openviking_asgi.workers import WorkerPool


async def send_stream(reply: Streamed, pool: WorkerPool, send: Send) -> None:
    """Send *reply*; its pieces are made on a thread of *pool*.

    Before the first piece a failure leaves as an exception, as of any operation; behind it the
    answer has begun, and a last piece says what went wrong.
    """
    loop = asyncio.get_running_loop()
    pieces: asyncio.Queue[bytes] = asyncio.Queue()

    def make() -> None:
        for piece in reply.pieces:
            loop.call_soon_threadsafe(pieces.put_nowait, piece)

    making = asyncio.ensure_future(pool.run(make))
    try:
        first = await _next(pieces, making)
        if first is None:
            await making
        await send(_start(reply.media_type))
        try:
            while first is not None:
                await send(_body(first, is_last=False))
                first = await _next(pieces, making)
            await making
            last = b""
        except Exception as error:  # noqa: BLE001 - said in the answer, which has begun
            last = reply.failed(error)
        await send(_body(last, is_last=True))
    finally:
        # Its outcome is known, or nobody is left to hear it.
        making.add_done_callback(lambda done: done.cancelled() or done.exception())


async def _next(pieces: asyncio.Queue[bytes], making: asyncio.Future[None]) -> bytes | None:
    """Return the next piece; None when there is no more, *making* then knows why."""
    if pieces.empty() and not making.done():
        getting = asyncio.ensure_future(pieces.get())
        waited: set[asyncio.Future[Any]] = {getting, making}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if getting.done():
            return getting.result()
        getting.cancel()
    return None if pieces.empty() else pieces.get_nowait()


def _start(media_type: str) -> dict[str, object]:
    headers = [
        (b"content-type", media_type.encode("latin-1")),
        (b"cache-control", b"no-store"),
        # A proxy that collects the answer first would make it no stream.
        (b"x-accel-buffering", b"no"),
    ]
    return {"type": "http.response.start", "status": 200, "headers": headers}


def _body(piece: bytes, *, is_last: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": piece, "more_body": not is_last}
