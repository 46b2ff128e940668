"""The official client over HTTP that keeps a copy of every byte: what a client really sends and receives."""

import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client


@dataclass
class Exchange:
    """One request and its reply; the reply grows as the client reads it."""

    method: str
    sent: int
    body: bytearray = field(default_factory=bytearray)

    @property
    def received(self) -> int:
        """Bytes of the reply's body."""
        return len(self.body)

    @property
    def result(self) -> dict[str, Any]:
        """The result in a reply of either form."""
        body = bytes(self.body)
        if not body.startswith(b"{"):
            lines = [line.removeprefix(b"data:").strip() for line in body.splitlines() if line.startswith(b"data:")]
            body = next(line for line in lines if b'"result"' in line)
        return dict(json.loads(body)["result"])


class _Copied(httpx2.AsyncByteStream):
    def __init__(self, inner: Any, copy: bytearray) -> None:
        self._inner = inner
        self._copy = copy

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._inner:
            self._copy.extend(chunk)
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class Recorder(httpx2.AsyncHTTPTransport):
    """HTTP as usual, with a copy of each exchange."""

    def __init__(self) -> None:
        super().__init__()
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it, and copy the reply while it is read."""
        response = await super().handle_async_request(request)
        method = str(json.loads(request.content).get("method")) if request.method == "POST" and request.content else request.method
        exchange = Exchange(method, len(request.content))
        self.exchanges.append(exchange)
        response.stream = _Copied(response.stream, exchange.body)
        return response

    def take(self, method: str) -> list[Exchange]:
        """The exchanges of this method since the last time; all others are forgotten too."""
        taken, self.exchanges = [exchange for exchange in self.exchanges if exchange.method == method], []
        return taken


class Clients:
    """Connections of official clients that share one recorded transport."""

    def __init__(self) -> None:
        self.recorder = Recorder()
        self.http = httpx2.AsyncClient(transport=self.recorder, timeout=60)

    @contextlib.asynccontextmanager
    async def connect(self, url: str) -> AsyncIterator[Client]:
        """A client that has shaken hands; the handshake is not among the exchanges that are taken next."""
        async with Client(streamable_http_client(url, http_client=self.http)) as client:
            self.recorder.exchanges.clear()
            yield client

    async def list_tools(self, url: str) -> list[Exchange]:
        """The exchanges that bring all tools of an endpoint."""
        async with self.connect(url) as client:
            cursor = (await client.list_tools()).next_cursor
            while cursor:
                cursor = (await client.list_tools(cursor=cursor)).next_cursor
            return self.recorder.take("tools/list")
