"""One HTTP exchange with an MCP server: a JSON-RPC request out, the matching response in, whatever form it arrives in.

Replies are hostile input: bounded, never decompressed, never redirected, and only the fields in use are looked at.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from mcp_optimizer.background import aside
from mcp_optimizer.depth import has_more_values, nested_deeper
from mcp_optimizer.memory import FREE_BYTES, Growing, current, holding, weight
from mcp_optimizer.ration import Ration

from .line import PlainResponse
from .plain import PlainClient
from .sse import EventParser

Response = aiohttp.ClientResponse | PlainResponse

MAX_REPLY = 16 * 1024 * 1024
MAX_VALUES = 500_000
"""Of JSON in one reply: `[],` are three bytes on the wire and seventy in memory, and all servers share one process."""
MAX_DEPTH = 128
"""Of one reply. Encoders of the standard library and of others recurse, and stop at a few hundred levels."""
LONG = 256 * 1024
"""Bytes of JSON that take some milliseconds."""
MAX_TEXT = 200
SILENCE_SECONDS = 300.0
"""Servers that hold a stream open send comments; after this long without one the stream is opened anew."""
MAX_EVENT = 256 * 1024
"""Bytes of one event on such a stream: nothing that is announced there is large."""
LINGER_SECONDS = 1.0
MAX_LINGER = 64 * 1024
"""A server may keep an SSE stream open a moment after its response: reading to its end keeps the connection for reuse."""

FIXED_HEADERS = {
    "Content-Type": "application/json",
    "Accept": "application/json, text/event-stream",
    "Accept-Encoding": "identity",
    "User-Agent": "mcp-optimizer",
}


class ReplyTooLarge(Exception):
    """More bytes than the configuration allows for one reply, or more than MAX_VALUES values."""


class NotMcp(Exception):
    """The reply is no JSON-RPC response to this request."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `message` is the JSON-RPC response or None (an HTTP error, or a notification's 202)."""

    status: int
    message: dict[str, Any] | None
    headers: Mapping[str, str]
    text: str = ""
    """The beginning of an HTTP error's body that is no JSON-RPC."""


@dataclass(slots=True)
class Bounds:
    """What all servers have to keep, as the configuration in force says."""

    max_reply: int = MAX_REPLY
    """Bytes."""


OnMessage = Callable[[dict[str, Any]], Awaitable[None]]
"""Told of each request and notification that the server sends on the response stream before its response. Nothing more is read while it waits."""


class Wire:
    """Exchanges over one shared connection pool, which bounds nothing per host: the caller does, so that no host waits for another."""

    def __init__(self, session: aiohttp.ClientSession, memory: Ration, bounds: Bounds, plain: PlainClient | None = None) -> None:
        self.connect_seconds = 5.0
        self.bounds = bounds
        self._session = session
        self._plain = plain
        self._memory = memory
        self._lingering: set[asyncio.Task[None]] = set()

    async def post(
        self, url: str, body: dict[str, Any], headers: Mapping[str, str], timeout: float, on_message: OnMessage | None = None
    ) -> Reply:
        """Send one message and read its response. Raises aiohttp's errors, `TimeoutError`, `ReplyTooLarge`, `MemoryFull` and `NotMcp`."""
        held = current()
        if held is None:  # work of our own, in no request's name
            with holding(self._memory):
                return await self.post(url, body, headers, timeout, on_message)
        async with asyncio.timeout(timeout):
            response = await self._sent(url, _encode(body), headers)
            try:
                return await self._reply(response, body.get("id"), on_message, Growing(held))
            except BaseException:
                response.close()
                raise

    async def _sent(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        if self._plain is not None and self._plain.serves(url):
            return await self._plain.post(url, body, headers, self.connect_seconds)
        return await self._session.post(
            url,
            data=body,
            headers={**FIXED_HEADERS, **headers},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=self.connect_seconds),
        )

    async def stream(self, url: str, body: dict[str, Any] | None, headers: Mapping[str, str], on_message: OnMessage) -> None:
        """Read an event stream that has no end of its own: a POST of `body`, or a GET. Returns when the server ends it.

        Raises aiohttp's errors, `TimeoutError` after a long silence, `ReplyTooLarge` for one event and `NotMcp` when there is no stream.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self.connect_seconds, sock_read=SILENCE_SECONDS)
        method, data = ("GET", None) if body is None else ("POST", _encode(body))
        async with self._session.request(
            method, url, data=data, headers={**FIXED_HEADERS, **headers}, allow_redirects=False, timeout=timeout
        ) as response:
            if response.status != 200 or response.content_type != "text/event-stream":
                raise NotMcp(f"answered {response.status} {response.content_type} instead of an event stream")
            parser = EventParser()
            async for chunk in response.content.iter_any():
                for event in parser.feed(chunk):
                    message = await _decoded(event)
                    if isinstance(message.get("method"), str):
                        await on_message(message)
                if parser.pending > MAX_EVENT:
                    raise ReplyTooLarge

    async def delete(self, url: str, headers: Mapping[str, str]) -> None:
        """Tell a legacy server that its session is over; whatever it answers is fine."""
        async with asyncio.timeout(2.0), self._session.delete(url, headers=headers, allow_redirects=False):
            pass

    async def _reply(self, response: Response, expected: Any, on_message: OnMessage | None, growing: Growing) -> Reply:
        if response.content_type == "text/event-stream":
            return Reply(response.status, await self._from_stream(response, expected, on_message, growing), response.headers)
        if (length := response.content_length or 0) > FREE_BYTES:
            await growing.reach(min(length, self.bounds.max_reply))
        body = await self._body(response, growing)
        response.release()
        await growing.reach(weight(body))
        try:
            message = await parsed_reply(body) if body else None
        except orjson.JSONDecodeError:
            message = None
        if isinstance(message, dict) and _answers(message, expected):
            return Reply(response.status, message, response.headers)
        if response.status < 300 and expected is not None:
            raise NotMcp(f"answered {response.status} {response.content_type} without a JSON-RPC response")
        return Reply(response.status, None, response.headers, body[:MAX_TEXT].decode("utf-8", "replace"))

    async def _body(self, response: Response, growing: Growing) -> bytes:
        if isinstance(response, PlainResponse) and response.complete and response.waiting <= FREE_BYTES:
            return response.take()
        return b"".join([chunk async for chunk in self._bounded(response, growing)])

    async def _from_stream(self, response: Response, expected: Any, on_message: OnMessage | None, growing: Growing) -> dict[str, Any]:
        parser = EventParser()
        async for chunk in self._bounded(response, growing):
            for data in parser.feed(chunk):
                await growing.reach(weight(data))
                message = await _decoded(data)
                if message.get("id") == expected and ("result" in message or "error" in message):
                    self._linger(response)
                    return message
                if on_message is not None and isinstance(message.get("method"), str):
                    await on_message(message)
        response.release()
        raise NotMcp("ended its event stream without a response")

    async def _bounded(self, response: Response, growing: Growing) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in response.content.iter_any():
            size += len(chunk)
            if size > self.bounds.max_reply:
                raise ReplyTooLarge
            await growing.reach(size)
            yield chunk

    def _linger(self, response: Response) -> None:
        if response.content.at_eof():
            response.release()
            return
        task = asyncio.create_task(_read_to_end(response))
        self._lingering.add(task)
        task.add_done_callback(self._lingering.discard)


def _answers(message: dict[str, Any], expected: Any) -> bool:
    """Whether this is the response to request `expected`; an error may lack the id when the server could not read ours."""
    if message.get("id") == expected:
        return "result" in message or "error" in message
    return message.get("id") is None and "error" in message


def _encode(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:  # integers beyond 64 bits
        return json.dumps(body).encode()


def parse_reply(body: bytes) -> Any:
    """The JSON in `body`; ReplyTooLarge when it would be a multiple of its size in memory, NotMcp when taking it apart could recurse."""
    if has_more_values(body, MAX_VALUES):
        raise ReplyTooLarge
    if nested_deeper(body, MAX_DEPTH):
        raise NotMcp(f"sent JSON that is nested deeper than {MAX_DEPTH} levels, or that is broken")
    return orjson.loads(body)


async def parsed_reply(body: bytes) -> Any:
    """`parse_reply`, with other requests in between where it takes long."""
    return parse_reply(body) if len(body) <= LONG else await aside(parse_reply, body)


async def _decoded(data: bytes) -> dict[str, Any]:
    try:
        message = await parsed_reply(data)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


async def _read_to_end(response: Response) -> None:
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            size = 0
            async for chunk in response.content.iter_any():
                if (size := size + len(chunk)) > MAX_LINGER:
                    raise ReplyTooLarge
        response.release()
    except (TimeoutError, aiohttp.ClientError, ReplyTooLarge):
        response.close()
