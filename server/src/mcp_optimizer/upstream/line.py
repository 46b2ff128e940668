"""One connection of the plain client: bytes of strangers, turned into one response at a time.

Parsed by llhttp in its strict mode. Nothing is kept beyond what the reader has room for, and a connection that did anything unexpected is
not used again.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, Final, Protocol

import aiohttp
import httptools

MAX_HEAD: Final = 64 * 1024
MAX_HEADERS: Final = 200
HIGH_WATER: Final = 256 * 1024
"""Bytes that wait for their reader before the connection is not read any further."""


class Keeper(Protocol):
    """Where connections go between exchanges."""

    def keep(self, line: "Line") -> None: ...
    def lost(self, line: "Line") -> None: ...


class Headers(dict[str, str]):
    """By name in lower case; asked in any case. Of a repeated one the first counts."""

    def get(self, name: str, default: Any = None) -> Any:
        """The value."""
        return super().get(name.lower(), default)


class PlainResponse:
    """A response whose head is there; its body arrives as it is read. Shaped like aiohttp's, as far as the wire uses that."""

    __slots__ = ("_buffered", "_chunks", "_error", "_line", "complete", "headers", "status")

    def __init__(self, line: "Line") -> None:
        self._line: Line | None = line
        self._chunks: list[bytes] = []
        self._buffered = 0
        self._error: Exception | None = None
        self.status = 0
        self.headers = Headers()
        self.complete = False

    @property
    def content(self) -> "PlainResponse":
        """The body."""
        return self

    @property
    def content_type(self) -> str:
        """Media type, in lower case, without parameters."""
        value: str = self.headers.get("content-type") or "application/octet-stream"
        return value.partition(";")[0].strip().lower()

    @property
    def content_length(self) -> int | None:
        """Bytes, when the server said so."""
        value = self.headers.get("content-length")
        return int(value) if value is not None and value.isdecimal() else None

    @property
    def waiting(self) -> int:
        """Bytes of the body that are there and not read."""
        return self._buffered

    def at_eof(self) -> bool:
        """Whether everything was read."""
        return self.complete and not self._chunks

    def take(self) -> bytes:
        """What is there of the body."""
        chunks, self._chunks, self._buffered = self._chunks, [], 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    async def iter_any(self) -> AsyncIterator[bytes]:
        """The body in the pieces it arrives in. Raises aiohttp's errors when it ends too early."""
        while True:
            if self._chunks:
                chunk = self.take()
                if self._line is not None:
                    self._line.resume()
                yield chunk
            elif self._error is not None:
                raise self._error
            elif self.complete or self._line is None:
                return
            else:
                await self._line.more()

    def release(self) -> None:
        """Done: the connection is kept when it can be used again."""
        line, self._line = self._line, None
        if line is not None:
            line.finish()

    def close(self) -> None:
        """Not wanted any more."""
        line, self._line = self._line, None
        if line is not None:
            line.abort()

    def add(self, chunk: bytes) -> int:
        """A piece arrived; how many bytes wait now."""
        self._chunks.append(chunk)
        self._buffered += len(chunk)
        return self._buffered

    def fail(self, error: Exception) -> None:
        """There will be no more."""
        if not self.complete:
            self._error = error

    def failed(self) -> Exception | None:
        """Why there will be no more."""
        return self._error


class Line(asyncio.Protocol):
    """The connection. llhttp calls the `on_` methods."""

    def __init__(self, keeper: Keeper, key: tuple[str, int]) -> None:
        self.key = key
        self.idle_since: float | None = None
        self._keeper = keeper
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._response: PlainResponse | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._head_bytes = self._header_count = 0
        self._head_done = self._until_eof = self._reusable = self._paused = False

    async def exchange(self, request: bytes) -> PlainResponse:
        """Send the request; the response when its head is there."""
        assert self._transport is not None
        response = self._response = PlainResponse(self)
        self._head_bytes = self._header_count = 0
        self._head_done = self._until_eof = self._reusable = False
        self._transport.write(request)
        while not self._head_done:
            if (error := response.failed()) is not None:
                raise error
            await self.more()
        return response

    async def more(self) -> None:
        """Wait until something happens."""
        waiter = self._waiter = asyncio.get_running_loop().create_future()
        await waiter

    def usable(self) -> bool:
        """Whether it can carry a request."""
        return self._transport is not None and not self._transport.is_closing()

    def finish(self) -> None:
        """The reader is done with its response."""
        response, self._response = self._response, None
        if response is None or not response.complete or not self._reusable or not self.usable():
            self.abort()
            return
        self.resume()
        self._keeper.keep(self)

    def abort(self) -> None:
        """Close at once."""
        self._response = None
        if self._transport is not None:
            self._transport.abort()

    def resume(self) -> None:
        """There is room again."""
        if self._paused and self.usable():
            self._paused = False
            assert self._transport is not None
            self._transport.resume_reading()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Open."""
        self._transport = transport  # type: ignore[assignment]

    def connection_lost(self, error: Exception | None) -> None:
        """Closed, by whomever."""
        self._keeper.lost(self)
        response = self._response
        if response is not None and not response.complete:
            if self._head_done and self._until_eof and error is None:
                response.complete = True
            elif self._head_done:
                response.fail(aiohttp.ClientPayloadError("the connection ended within the response"))
            else:
                response.fail(aiohttp.ServerDisconnectedError() if error is None else aiohttp.ClientOSError(*error.args))
        self._wake()

    def data_received(self, data: bytes) -> None:
        """Parse, and wake whoever waits."""
        response = self._response
        if response is None or response.complete:
            self._reusable = False
            self.abort()
            return
        if not self._head_done:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._garbled(response, f"no HTTP: {error}"[:200])
        if not self._head_done and self._head_bytes > MAX_HEAD:
            self._garbled(response, f"more than {MAX_HEAD} bytes of headers")
        self._wake()

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer, which is ignored."""
        self._header_count += 1
        if self._header_count > MAX_HEADERS:
            raise ValueError(f"more than {MAX_HEADERS} headers")
        if self._response is not None and not self._head_done:
            self._response.headers.setdefault(name.decode("latin-1").lower(), value.decode("utf-8", "replace"))

    def on_headers_complete(self) -> None:
        """The head is there, unless it is of an interim response."""
        response = self._response
        status = self._parser.get_status_code()
        if response is None or self._head_done:
            self._reusable = False
        elif status < 200:
            response.headers.clear()
        else:
            response.status = status
            self._head_done = True
            self._until_eof = "content-length" not in response.headers and "transfer-encoding" not in response.headers

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        if self._response is not None and self._response.add(chunk) > HIGH_WATER and not self._paused:
            self._paused = True
            assert self._transport is not None
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The response is whole; after an interim one the real one follows."""
        if self._response is not None and self._head_done and not self._response.complete:
            self._response.complete = True
            self._reusable = self._parser.should_keep_alive()

    def on_message_begin(self) -> None:
        """A second response to one request makes the connection worthless."""
        if self._response is None or self._response.complete:
            self._reusable = False

    def _garbled(self, response: PlainResponse, text: str) -> None:
        self._reusable = False
        response.fail(aiohttp.ClientPayloadError(text))
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
