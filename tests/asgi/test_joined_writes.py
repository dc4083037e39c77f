"""An answer's head and body leave in one write, whatever comes between them."""

from __future__ import annotations

import asyncio

from openviking_asgi.protocol import Joiner

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"


class Written(asyncio.Transport):
    """Remembers each write, and whether it was closed."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.is_closed
        self.pieces.append(data)

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        self.is_closed = True

    def close(self) -> None:
        self.is_closed = True


def written(*pieces: bytes, ending: str = "") -> tuple[list[bytes], list[bytes]]:
    """Write *pieces* and call *ending*; return what was sent before and after the loop's turn."""

    async def scenario() -> tuple[list[bytes], list[bytes]]:
        transport = Written()
        joiner = Joiner(transport, asyncio.get_running_loop())
        for piece in pieces:
            joiner.write(piece)
        if ending:
            getattr(joiner, ending)()
            assert joiner.is_closing()
        at_once = list(transport.pieces)
        await asyncio.sleep(0)
        return at_once, transport.pieces

    return asyncio.run(scenario())


def test_a_head_leaves_with_its_body():
    sent = [HEAD + b"body", b"more"]

    assert written(HEAD, b"body", b"more") == (sent, sent)


def test_a_head_without_a_body_leaves_at_the_next_turn():
    assert written(HEAD) == ([], [HEAD])


def test_an_interim_answer_is_not_kept():
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"

    assert written(interim) == ([interim], [interim])


def test_a_large_body_is_not_copied():
    body = bytes(1 << 20)

    at_once, _ = written(HEAD, body)

    assert at_once[0] == HEAD
    assert at_once[1] is body


def test_closing_sends_what_is_kept_and_aborting_drops_it():
    assert written(HEAD, ending="close") == ([HEAD], [HEAD])
    assert written(HEAD, ending="abort") == ([], [])
