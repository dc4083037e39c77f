"""The connection's own limits, over real sockets, with deadlines of tenths of a second."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from openviking_asgi.limits import Connections
from openviking_asgi.protocol import guarded

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from starlette.types import Receive, Scope, Send

PATIENT = Connections(head_s=10, body_s=10, idle_s=10)
BIG = 32 << 20


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the length of the body; refuse it unread at /early; write a lot at /big."""
    length = 0
    if scope["path"] != "/early":
        message = await receive()
        while message["type"] == "http.request":
            length += len(message["body"])
            if not message["more_body"]:
                break
            message = await receive()
        if message["type"] != "http.request":
            return
    body = b"x" * BIG if scope["path"] == "/big" else b"%d" % length
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send_for_ever(self, data: bytes) -> None:
        while True:
            await self.send(data)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        first, *lines = head.decode("latin-1").splitlines()
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return int(first.split()[1]), headers, body

    async def problem(self, status: int) -> dict[str, Any]:
        answered, headers, body = await self.answer()
        assert answered == status, body
        assert headers["content-type"] == "application/problem+json"
        assert headers["x-request-id"]
        assert headers["connection"] == "close"
        assert await self.is_closed()
        problem: dict[str, Any] = json.loads(body)
        return problem

    async def is_closed(self) -> bool:
        try:
            return await asyncio.wait_for(self.reader.read(), 10) == b""
        except ConnectionError:
            return True


@asynccontextmanager
async def serving(limits: Connections) -> AsyncIterator[Callable[[], Any]]:
    config = uvicorn.Config(
        application, lifespan="off", ws="none", log_config=None,
        timeout_keep_alive=int(limits.idle_s),
    )  # fmt: skip
    config.load()
    state, loop, kind = ServerState(), asyncio.get_running_loop(), guarded(limits)

    def protocol() -> asyncio.Protocol:
        return kind(config=config, server_state=state, app_state={}, _loop=loop)

    server = await loop.create_server(protocol, "127.0.0.1", 0)
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> Client:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writers.append(writer)
        return Client(reader, writer)

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        server.close()
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def test_a_head_that_never_ends_is_408_however_steadily_it_drips():
    async def scenario() -> None:
        async with serving(Connections(head_s=0.2)) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\n")

            async def drip() -> None:
                while True:
                    await client.send(b"a: b\r\n")
                    await asyncio.sleep(0.02)

            dripping = asyncio.ensure_future(drip())
            assert "head" in (await client.problem(408))["detail"]
            dripping.cancel()

    asyncio.run(scenario())


def test_a_connection_that_says_nothing_is_closed():
    async def scenario() -> None:
        async with serving(Connections(head_s=0.1)) as connect:
            client = await connect()
            assert await client.is_closed()

    asyncio.run(scenario())


def test_a_body_that_never_ends_is_408():
    async def scenario() -> None:
        async with serving(Connections(body_s=0.1)) as connect:
            client = await connect()
            await client.send(b"POST / HTTP/1.1\r\ncontent-length: 10\r\n\r\nabc")
            assert "body" in (await client.problem(408))["detail"]

    asyncio.run(scenario())


def test_line_ends_between_requests_do_not_keep_a_connection_for_ever():
    async def scenario() -> None:
        async with serving(Connections(head_s=0.1)) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert (await client.answer())[0] == 200
            await client.send(b"\r\n")
            assert await client.is_closed()

    asyncio.run(scenario())


def test_a_patient_client_within_the_deadlines_is_served():
    async def scenario() -> None:
        async with serving(Connections(head_s=5, body_s=5)) as connect:
            client = await connect()
            for piece in (b"POST / HT", b"TP/1.1\r\ncontent-le", b"ngth: 3\r\n\r\n", b"a", b"bc"):
                await client.send(piece)
                await asyncio.sleep(0.01)
            assert (await client.answer())[2] == b"3"
            await client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert (await client.answer())[0] == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(("more", "status"), [(-1, 200), (0, 200), (1, 431)])
def test_the_size_of_a_head_has_an_exact_limit(more: int, status: int):
    limit = 1000
    # Counted are the target and, per header, name, value and the four bytes around them.
    value = b"v" * (limit + more - len("/") - len("x") - 4)

    async def scenario() -> None:
        async with serving(Connections(head_bytes_max=limit)) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\nx: " + value + b"\r\n\r\n")
            assert (await client.answer())[0] == status

    asyncio.run(scenario())


@pytest.mark.parametrize(("count", "status"), [(9, 200), (10, 200), (11, 431)])
def test_the_number_of_headers_has_an_exact_limit(count: int, status: int):
    async def scenario() -> None:
        async with serving(Connections(headers_max=10)) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * count + b"\r\n")
            assert (await client.answer())[0] == status

    asyncio.run(scenario())


def test_one_endless_header_is_431_before_it_ends():
    async def scenario() -> None:
        async with serving(Connections(head_bytes_max=1000)) as connect:
            client = await connect()
            await client.send(b"GET / HTTP/1.1\r\nx: ")
            for _ in range(10):
                await client.send(b"v" * 100)
            await client.problem(431)

    asyncio.run(scenario())


def test_a_big_body_does_not_count_towards_the_next_head():
    async def scenario() -> None:
        async with serving(Connections(head_bytes_max=200)) as connect:
            client = await connect()
            first = b"POST / HTTP/1.1\r\ncontent-length: 5000\r\n\r\n" + b"b" * 5000
            await client.send(first + b"GET /next HTTP/1.1\r\na: ")
            assert (await client.answer())[2] == b"5000"
            await client.send(b"b\r\n\r\n")
            assert (await client.answer())[0] == 200

    asyncio.run(scenario())


def test_a_connection_too_many_is_503_and_the_others_live():
    async def scenario() -> None:
        async with serving(Connections(count_max=2)) as connect:
            clients = [await connect() for _ in range(2)]
            for client in clients:
                await client.send(b"GET / HTTP/1.1\r\n\r\n")
                assert (await client.answer())[0] == 200
            refused = await connect()
            await refused.problem(503)
            await clients[0].send(b"GET / HTTP/1.1\r\n\r\n")
            assert (await clients[0].answer())[0] == 200

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n",
    ],
)
def test_what_is_not_http_is_a_400_problem(head: bytes):
    async def scenario() -> None:
        async with serving(PATIENT) as connect:
            client = await connect()
            await client.send(head)
            await client.problem(400)

    asyncio.run(scenario())


def test_pipelined_requests_are_answered_in_order():
    async def scenario() -> None:
        async with serving(PATIENT) as connect:
            client = await connect()
            await client.send(
                b"".join(
                    b"POST / HTTP/1.1\r\ncontent-length: %d\r\n\r\n" % n + b"b" * n
                    for n in (1, 2, 3)
                )
            )
            assert [(await client.answer())[2] for _ in range(3)] == [b"1", b"2", b"3"]

    asyncio.run(scenario())


def test_after_an_early_answer_the_body_is_dropped_and_the_connection_goes_on():
    async def scenario() -> None:
        async with serving(PATIENT) as connect:
            client = await connect()
            await client.send(b"POST /early HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n")
            assert (await client.answer())[0] == 200
            await client.send(b"b" * 1_000_000 + b"GET / HTTP/1.1\r\n\r\n")
            assert (await client.answer())[2] == b"0"

    asyncio.run(scenario())


def test_a_refused_body_that_goes_on_and_on_is_cut_off():
    async def scenario() -> None:
        async with serving(Connections(discard_bytes_max=100_000)) as connect:
            client = await connect()
            await client.send(b"POST /early HTTP/1.1\r\ncontent-length: 100000000\r\n\r\n")
            assert (await client.answer())[0] == 200
            with pytest.raises(ConnectionError):
                await client.send_for_ever(b"b" * 100_000)

    asyncio.run(scenario())


def test_a_client_that_does_not_read_its_answer_is_cut_off():
    async def scenario() -> None:
        async with serving(Connections(write_s=0.2)) as connect:
            client = await connect()
            await client.send(b"GET /big HTTP/1.1\r\n\r\n")
            await asyncio.sleep(0.5)
            with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                await client.answer()

    asyncio.run(scenario())
