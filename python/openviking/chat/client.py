"""The client of an OpenAI-compatible endpoint: ``POST {api_base}/chat/completions``.

All calls run in one event loop on a thread of its own, because only there a deadline holds for the
whole call: an endpoint that sends one byte now and then would outwit any timeout of single reads.
The key stands in one header and nowhere else; whatever an endpoint says is cleaned of it.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from concurrent.futures import CancelledError
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2

from openviking.chat import answers
from openviking.circuit import Circuit
from openviking.errors import ChatError, ConfigError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
    from concurrent.futures import Future

CALLS_MAX = 64
"""Calls at once; one more is refused, and the caller answers without the model."""

ANSWER_BYTES_MAX = 4 << 20
"""Bytes of an answer that are read."""

FAILURES_MAX = 3
"""Failures in a row after which the endpoint is left alone."""

RECOVERY_S = 30.0
"""Seconds until one call may try it again."""

_END = None


class _OutageError(ChatError):
    """The endpoint as a whole does not work, so that the next call would fail too."""


class ChatClient:
    """Asks one model. Safe for threads.

    Args:
        api_base: the endpoint's address, such as ``https://api.openai.com/v1``.
        model: the model's name there.
        key: sent as bearer token; None sends none.
        timeout_s: seconds that a call may take from its beginning to the end of the answer.
        tokens_max: tokens of an answer.
        circuit: leaves an endpoint alone that is down, so that not every message waits for it.

    Raises:
        ConfigError: the key cannot stand in a header; the message does not show it.
    """

    def __init__(
        self,
        api_base: str,
        model: str,
        *,
        key: str | None,
        timeout_s: float,
        tokens_max: int,
        circuit: Circuit | None = None,
    ) -> None:
        self.model = model
        self._key = checked_key(key)
        self._url = f"{api_base.rstrip('/')}/chat/completions"
        self._timeout_s = timeout_s
        self._tokens_max = tokens_max
        self._circuit = circuit or Circuit(FAILURES_MAX, RECOVERY_S)
        self._starting = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._http: httpx2.AsyncClient | None = None
        self._running = 0
        self.last_error: str | None = None
        """Why the last call failed; None again after the next success."""

    def complete(self, turns: Sequence[tuple[str, str]]) -> str:
        """Return the model's answer to *turns*, pairs of role and content, oldest first.

        Raises:
            ChatError: refused, late, cut or not understood; the message says which.
        """
        return str(_result(self._start(self._complete(turns))))

    def stream(self, turns: Sequence[tuple[str, str]]) -> Iterator[str]:
        """Yield the answer in pieces as they come; closing the generator gives the call up.

        Raises:
            ChatError: as :meth:`complete`, also after some pieces.
        """
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        call = self._start(self._stream(turns, pieces.put))
        # Whatever ends the call, cancelling included, ends the waiting.
        call.add_done_callback(lambda _: pieces.put(_END))
        try:
            while (piece := pieces.get()) is not _END:
                yield piece
            _result(call)
        finally:
            call.cancel()

    def stats(self) -> dict[str, Any]:
        """Return the model, answers under way, the circuit, and what went wrong last, if it did."""
        return {
            "model": self.model,
            "running": self._running,
            "circuit": self._circuit.state,
            "last_error": self.last_error,
        }

    def close(self) -> None:
        """Give up running calls and end the thread; may be called twice."""
        with self._starting:
            loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            asyncio.run_coroutine_threadsafe(_cancel_all(self._http), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()

    def _start(self, call: Coroutine[Any, Any, Any]) -> Future[Any]:
        try:
            with self._starting:
                if self._loop is None:
                    self._open()
                assert self._loop is not None  # noqa: S101 - for the type checker
                return asyncio.run_coroutine_threadsafe(self._bounded(call), self._loop)
        except BaseException:
            call.close()
            raise

    def _open(self) -> None:
        headers = {} if self._key is None else {"authorization": f"Bearer {self._key}"}
        # Only connecting has a timeout of its own; the whole call has the one that counts.
        self._http = httpx2.AsyncClient(
            headers=headers, timeout=httpx2.Timeout(None, connect=self._timeout_s)
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat", daemon=True)
        self._thread.start()

    async def _bounded(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Run *call* within the limits, and translate what it raises."""
        if self._running >= CALLS_MAX:
            call.close()
            raise ChatError(f"the chat model is busy: {CALLS_MAX} answers are being waited for")
        if self._circuit.admit() == "refuse":
            call.close()
            raise ChatError(
                f"the chat model failed {self._circuit.failures} times in a row and is left alone "
                f"for {max(0.0, self._circuit.wait_s):.0f} s: {self.last_error}"
            )
        self._running += 1
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await call
        except TimeoutError:
            # Without its cause, here and below: a traceback must not show the request's headers.
            raise self._failed(f"gave no answer within {self._timeout_s:g} s") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError) as error:
            raise self._failed(
                f"could not be reached: {str(error) or type(error).__name__}"
            ) from None
        except _OutageError as error:
            self._circuit.fail()
            self.last_error = str(error)
            raise
        except ChatError as error:
            self.last_error = str(error)
            raise
        finally:
            self._running -= 1
            # Another answer than an outage says that the endpoint is there.
            self._circuit.release()
        self._circuit.succeed()
        self.last_error = None
        return answer

    def _failed(self, what: str) -> ChatError:
        self._circuit.fail()
        self.last_error = f"the chat model {self._clean(what)}"
        return ChatError(self.last_error)

    async def _complete(self, turns: Sequence[tuple[str, str]]) -> str:
        async with self._asked(turns, is_stream=False) as response:
            return answers.whole(await self._body(response))

    async def _stream(self, turns: Sequence[tuple[str, str]], put: Callable[[str], None]) -> None:
        async with self._asked(turns, is_stream=True) as response:
            if "text/event-stream" not in response.headers.get("content-type", ""):
                # An endpoint that cannot stream answers as a whole.
                put(answers.whole(await self._body(response)))
                return
            count = 0
            async for piece in _pieces(response):
                count += len(piece)
                if count > ANSWER_BYTES_MAX:
                    raise ChatError(f"the chat model's answer is over {ANSWER_BYTES_MAX} bytes")
                put(piece)
            if not count:
                raise ChatError("the chat model's answer holds no text")

    @asynccontextmanager
    async def _asked(
        self, turns: Sequence[tuple[str, str]], *, is_stream: bool
    ) -> AsyncIterator[httpx2.Response]:
        assert self._http is not None  # noqa: S101 - for the type checker
        body = {
            "model": self.model,
            "messages": [{"role": role, "content": content} for role, content in turns],
            "max_tokens": self._tokens_max,
            "stream": is_stream,
        }
        async with self._http.stream("POST", self._url, json=body) as response:
            if response.status_code != 200:
                raise await self._refused(response)
            yield response

    async def _refused(self, response: httpx2.Response) -> ChatError:
        said = self._clean(answers.reason(await self._body(response)))
        status = response.status_code
        kind = _OutageError if status == 429 or status >= 500 else ChatError
        return kind(f"the chat model answered {status}{said and ': '}{said}")

    async def _body(self, response: httpx2.Response) -> bytes:
        body = b""
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > ANSWER_BYTES_MAX:
                raise ChatError(f"the chat model's answer is over {ANSWER_BYTES_MAX} bytes")
        return body

    def _clean(self, text: str) -> str:
        return text if self._key is None else text.replace(self._key, "***")


async def _pieces(response: httpx2.Response) -> AsyncIterator[str]:
    """Yield the texts of a stream; raises ChatError if it ends before the model said so."""
    is_over = False
    async for event in httpx2.EventSource(response):
        if event.data.strip() == "[DONE]":
            return
        text, is_last = answers.piece(event.data)
        is_over = is_over or is_last
        if text:
            yield text
    if not is_over:
        raise ChatError("the chat model's answer ended in the middle")


def _result(call: Future[Any]) -> Any:
    try:
        return call.result()
    except CancelledError as error:
        raise ChatError("the chat model's client is closed") from error


async def _cancel_all(http: httpx2.AsyncClient | None) -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    if http is not None:
        await http.aclose()


def checked_key(key: str | None) -> str | None:
    """Return *key* without white space around it, None if nothing is left.

    Raises:
        ConfigError: it holds what no header can; the message does not show it.
    """
    key = None if key is None else key.strip()
    if not key:
        return None
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ConfigError(
            "the chat model's key holds white space or signs that no HTTP header can carry; set "
            "the environment variable that llm.api_key_env names to the key alone"
        )
    return key
