"""Which of the SDK's two ways to answer a request gets: with a stream at hand, or with JSON alone, which costs half as much.

Only what asks for messages before its result needs a stream. For the others nothing is lost: a client that hangs up still cancels its call, and an
answer that takes long still becomes a stream with signs of life, because that is done here.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Final

from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from mcp_optimizer.asgi import EVENT_STREAM, PING, Message, Receive, Scope, Send, replayed
from mcp_optimizer.watch import Watch

TELLING: Final = (b"progressToken", b"logLevel", b"subscriptions/listen")
"""In the body of a request that wants to hear something before its result."""
_MODERN: Final = frozenset(version.encode() for version in MODERN_PROTOCOL_VERSIONS)


class Hosted:
    """The SDK-hosted server as an ASGI application."""

    def __init__(self, streams: StreamableHTTPSessionManager, plain: StreamableHTTPSessionManager) -> None:
        self._streams = streams
        self._plain = plain
        self._watch = Watch()

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """As long as requests are served."""
        async with self._streams.run(), self._plain.run():
            yield

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, whose body comes in one piece."""
        message = await receive()
        body = message.get("body", b"")
        headers = dict(scope["headers"])
        accept = headers.get(b"accept", b"")
        if (
            headers.get(b"mcp-protocol-version") not in _MODERN
            or b"application/json" not in accept
            or b"text/event-stream" not in accept
            or any(sign in body for sign in TELLING)
        ):
            await self._streams.handle_request(scope, replayed(message, receive), send)
            return
        answer = _Answer(send)
        entry = self._watch.enter(answer, receive)
        try:
            await self._plain.handle_request(scope, replayed(message, receive), answer.send)
        except asyncio.CancelledError:
            if not entry.gone:
                raise
        finally:
            self._watch.leave(entry)


class _Answer:
    """A JSON response that can still become a stream while nothing of it is sent."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._streaming = self._started = False
        self._body = b""

    async def ping(self) -> None:
        """A sign of life."""
        if self._started:
            return
        if not self._streaming:
            self._streaming = True
            await self._send({"type": "http.response.start", "status": 200, "headers": EVENT_STREAM})
        await self._send({"type": "http.response.body", "body": PING, "more_body": True})

    async def send(self, message: Message) -> None:
        """What the SDK answers: as it is, or as the last event."""
        self._started = True
        if not self._streaming:
            await self._send(message)
        elif message["type"] == "http.response.body":
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send({"type": "http.response.body", "body": b"event: message\r\ndata: %b\r\n\r\n" % self._body})
