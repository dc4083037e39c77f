"""The second tier over a Redis that dies, freezes, fills up, refuses, or lies.

What must hold each time: right vectors, no error, one wait at most, and use again once it is well.
"""

from __future__ import annotations

import logging
import signal
import socket
import threading
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.cache.conftest import HASTY, PATIENT, Node
from tests.cache.servers import Between, RedisServer, certificates

from openviking.cache import CachedEmbedding, SharedCache, cache_key
from openviking.cache.wire import Codec
from openviking.cache.worker import WRITES_BYTES_MAX
from openviking.config import RedisUrl

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from openviking.cache import SharedStats

SECRET = "hunter2"  # noqa: S105 - what must not be seen below


def is_left_alone(node: Node, failures: int = 1) -> SharedStats:
    """Ask for new texts: computed, without another failure, for nobody waits for Redis now."""
    before = node.ready().redis.stats()
    assert (before["state"], before["failures"]) == ("open", failures), before
    for number in range(20):
        assert node.ask(f"while it is gone {number}") == [False]
    after = node.redis.stats()
    assert after["failures"] == failures
    assert after["bypassed"] == before["bypassed"] + 20
    assert after["dropped"] >= before["dropped"] + 20, "nothing piles up"
    return after


def comes_back(node: Node) -> None:
    """Let the time pass: the next request starts a try, and does not wait for it."""
    node.circuit_clock.now += HASTY.recovery_s
    assert node.redis.stats()["state"] == "half_open"
    assert node.ask("starts a try") == [False]
    node.ready()
    stats = node.redis.stats()
    assert (stats["state"], stats["error"]) == ("closed", None)


def test_a_server_killed_costs_a_computation_and_is_used_again_when_it_is_back(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    one = node(server.url()).ready()
    one.ask("a")
    one.ready()
    server.kill()

    assert one.ask("a", "b") == [False, False]
    assert "cannot be reached" in str(is_left_alone(one)["error"])
    one.circuit_clock.now += 5
    one.ask("a try that fails")
    one.ready()
    is_left_alone(one, failures=2)

    server.start()
    comes_back(one)
    one.ask("a")
    one.ready()
    assert one.ask("a") == [True]


def test_a_server_killed_between_question_and_answer(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    writer = node(server.url()).ready()
    writer.ask("a")
    writer.close()

    def kill_at_look_up(sent: bytes) -> None:
        if b"openviking:embedding" in sent:
            server.kill()

    with Between(server, on_request=kill_at_look_up) as between:
        one = node(between.url()).ready()
        assert one.ask("a") == [False]
        is_left_alone(one)


def test_a_frozen_server_makes_one_request_wait_and_is_used_again_when_it_thaws(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    one = node(server.url(), HASTY).ready()
    server.signal(signal.SIGSTOP)
    try:
        assert one.ask("a") == [False]
        assert "within 50 ms" in str(is_left_alone(one)["error"])
    finally:
        server.signal(signal.SIGCONT)
    comes_back(one)


def test_a_frozen_server_holds_up_neither_start_nor_end(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    server.signal(signal.SIGSTOP)
    try:
        one = node(server.url(), HASTY)
        assert one.ask("a") == [False]
        stats = one.redis.stats()
        assert (stats["state"], stats["failures"], stats["bypassed"]) == ("half_open", 0, 1)
        one.close()
    finally:
        server.signal(signal.SIGCONT)


def test_a_slow_server_is_left_alone(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    with Between(own_server()) as between:
        one = node(between.url(), HASTY).ready()
        between.may_answer.clear()
        assert one.ask("a") == [False]
        is_left_alone(one)
        between.may_answer.set()
        comes_back(one)


def test_many_requests_at_once_wait_together_and_not_one_after_another(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    one = node(server.url(), HASTY).ready()
    server.signal(signal.SIGSTOP)
    try:
        threads = [
            threading.Thread(target=one.encode, args=([f"text {number}"],)) for number in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        stats = one.redis.stats()
        assert stats["state"] == "open"
        assert stats["bypassed"] == 16
        assert stats["failures"] <= 17, "each failed at most once, and the question itself"
    finally:
        server.signal(signal.SIGCONT)


def test_a_full_server_is_still_read(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server("--maxmemory-policy", "noeviction")
    one = node(server.url()).ready()
    one.ask("a")
    one.ready()
    server.client().config_set("maxmemory", "1")

    assert one.ask("a", "b") == [True, False]
    one.ready()
    stats = one.redis.stats()
    assert (stats["state"], stats["writes"], stats["refused"]) == ("closed", "open", 1)
    assert "full" in str(stats["error"])
    assert one.ask("a", "c") == [True, False]
    assert one.redis.stats()["dropped"] == 1

    server.client().config_set("maxmemory", "0")
    one.circuit_clock.now += 5
    one.ask("d")
    one.ready()
    assert one.ask("d") == [True]
    assert one.redis.stats()["writes"] == "closed"


def test_a_read_only_replica_is_read_and_not_written(
    own_server: Callable[..., RedisServer], node: Callable[..., Node]
):
    server = own_server()
    one = node(server.url()).ready()
    one.ask("a")
    one.ready()
    server.client().replicaof("127.0.0.1", "1")

    assert one.ask("a", "b") == [True, False]
    one.ready()
    stats = one.redis.stats()
    assert (stats["state"], stats["writes"]) == ("closed", "open")
    assert "read-only" in str(stats["error"])


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:wrong@"])
def test_a_wrong_password_is_told_and_nothing_else_happens(
    own_server: Callable[..., RedisServer], node: Callable[..., Node], login: str
):
    one = node(own_server("--requirepass", SECRET).url(login)).ready()

    assert one.ask("a") == [False]
    stats = one.redis.stats()
    assert (stats["state"], stats["failures"]) == ("open", 1)
    assert "check cache.redis_url" in str(stats["error"])
    assert "wrong" not in str(stats)


def test_the_right_password_opens_and_is_shown_nowhere(
    own_server: Callable[..., RedisServer],
    node: Callable[..., Node],
    caplog: pytest.LogCaptureFixture,
):
    caplog.set_level(logging.DEBUG)
    server = own_server("--requirepass", SECRET)
    one = node(server.url(f":{SECRET}@")).ready()
    one.ask("a")
    one.ready()

    assert one.ask("a") == [True]
    server.client(SECRET).config_set("requirepass", "changed")
    server.client("changed").client_kill_filter(_type="normal")
    assert one.ask("a") == [False]
    shown = str(one.redis.stats()) + repr(one.redis) + repr(vars(one.redis)) + caplog.text
    assert "***" in shown
    assert SECRET not in shown


class Liar:
    """Listens like a Redis and answers every request with the same bytes, or one each time."""

    def __init__(self, answer: bytes, *, is_slow: bool = False) -> None:
        self._answer = answer
        self._is_slow = is_slow
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._over = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, login: str = "") -> RedisUrl:
        return RedisUrl(f"redis://{login}127.0.0.1:{self._listener.getsockname()[1]}")

    def close(self) -> None:
        self._over.set()
        self._listener.close()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._lie, args=(client,), daemon=True).start()

    def _lie(self, client: socket.socket) -> None:
        with closing(client):
            try:
                while sent := client.recv(1 << 16):
                    if b"probe" in sent:
                        client.sendall(b"*1\r\n$-1\r\n")
                    elif b"openviking" not in sent:
                        client.sendall(b"+OK\r\n" * sent.count(b"*"))
                    elif self._is_slow:
                        self._trickle(client)
                    else:
                        client.sendall(self._answer)
            except OSError:
                return

    def _trickle(self, client: socket.socket) -> None:
        """Send a byte every ten milliseconds: always an answer, never the whole of it."""
        client.sendall(b"*1\r\n$100000\r\n")
        while not self._over.wait(0.01):
            client.sendall(b"x")


LIES = {
    "number": b":1\r\n",
    "nothing": b"*-1\r\n",
    "too many": b"*2\r\n$-1\r\n$-1\r\n",
    "too few": b"*0\r\n",
    "no protocol": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "bad number": b"*x\r\n",
    "deep": b"*1\r\n" * 20_000,
    "error": b"-ERR you said " + SECRET.encode() + b"\r\n",
    "not allowed": b"-NOPERM you said " + SECRET.encode() + b"\r\n",
    "loading": b"-LOADING Redis is loading the dataset in memory\r\n",
    "moved": b"-MOVED 1 10.0.0.1:6379\r\n",
}


@pytest.mark.parametrize("answer", LIES.values(), ids=LIES)
def test_an_answer_that_is_none_is_a_failure_and_quoted_nowhere(
    node: Callable[..., Node], answer: bytes, caplog: pytest.LogCaptureFixture
):
    with closing(Liar(answer)) as liar:
        one = node(liar.url(f":{SECRET}@")).ready()
        assert one.redis.stats()["state"] == "closed"

        assert one.ask("a") == [False]

        stats = is_left_alone(one)
        assert SECRET not in str(stats) + caplog.text
        one.close()


@pytest.mark.parametrize("value", [b"$5\r\nhello\r\n", b":7\r\n", b"*1\r\n$1\r\nx\r\n"])
def test_a_value_of_another_type_is_a_corrupted_one(node: Callable[..., Node], value: bytes):
    with closing(Liar(b"*1\r\n" + value)) as liar:
        # The deletion and the new value are answered by one lie, so a second is waited for.
        one = node(liar.url(), replace(PATIENT, close_s=0.05)).ready()

        assert one.ask("a") == [False]
        assert one.redis.stats()["corrupted"] == 1
        one.close()


def test_an_answer_that_trickles_in_for_ever_is_not_waited_for(node: Callable[..., Node]):
    with closing(Liar(b"", is_slow=True)) as liar:
        one = node(liar.url(), HASTY).ready()

        assert one.ask("a") == [False]
        is_left_alone(one)
        one.close()


def test_a_host_that_does_not_exist_is_told(node: Callable[..., Node]):
    one = node(RedisUrl("redis://127.0.0.1:1")).ready()

    assert "cannot be reached" in str(is_left_alone(one)["error"])


def test_the_queue_of_writes_is_bounded_and_what_is_too_much_is_dropped(
    own_server: Callable[..., RedisServer],
):
    vector = np.zeros(1 << 15, np.float32)
    vector[0] = 1.0
    entry = CachedEmbedding(vector, 3, is_truncated=False, made_at=0.0)
    with Between(own_server()) as between, ExitStack() as closed_at_end:
        shared = SharedCache(between.url(), Codec("build", len(vector)), timing=PATIENT)
        closed_at_end.callback(shared.close)
        shared.start()
        assert shared.wait_idle(60)
        between.may_answer.clear()
        for number in range(200):
            shared.put(cache_key("build", str(number)), entry)
        stats = shared.stats()
        assert stats["queued"] * vector.nbytes <= WRITES_BYTES_MAX
        assert stats["dropped"] > 200 - 2 * WRITES_BYTES_MAX // vector.nbytes > 0
        between.may_answer.set()
        assert shared.wait_idle(60)
        stats = shared.stats()
        assert stats["written"] + stats["dropped"] == 200


def test_tls_is_spoken_and_a_stranger_is_refused(
    redis_server: RedisServer, node: Callable[..., Node], tmp_path: Path
):
    context, authority = certificates(tmp_path)
    with Between(redis_server, tls=context) as between:
        known = f"{between.url().reveal()}?ssl_ca_certs={authority}"
        one = node(RedisUrl(known)).ready()
        one.ask("a")
        one.ready()
        assert one.ask("a") == [True]
        assert one.redis.stats()["server"].startswith("rediss://localhost:")

        stranger = node(between.url()).ready()
        assert "certificate" in str(is_left_alone(stranger)["error"])


def test_one_that_does_not_speak_tls_is_refused(
    redis_server: RedisServer, node: Callable[..., Node]
):
    with Between(redis_server) as between:
        url = RedisUrl(f"rediss://localhost:{between.port}")
        # It waits for the rest of what it takes for a command.
        one = node(url, replace(PATIENT, background_s=0.1)).ready()

        is_left_alone(one)
