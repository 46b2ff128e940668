"""The management port: probes, metrics, what the operator wants to know and what other replicas ask. Never exposed by the Service."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Sequence
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from mcp_optimizer_api.stats import SandboxEvent, ServerStats

from .asgi import Receive, Scope, Send, disconnected
from .federation import Federation
from .gate import Gate
from .lane import SandboxLane
from .state.peers import MAX_QUESTION, PATH, Peers
from .state.signature import HEADER
from .telemetry import Telemetry

PING_SECONDS = 10.0
MAX_ASKING = 64
"""Questions of peers at once. They are read before they can be checked, so strangers could fill the memory otherwise."""


class Management:
    """ASGI application of the management port."""

    def __init__(self, *, pod: str, federation: Federation, gate: Gate, lane: SandboxLane, telemetry: Telemetry, peers: Peers) -> None:
        self._peers = peers
        self._asking = 0
        self._pod = pod
        self._federation = federation
        self._gate = gate
        self._lane = lane
        self._telemetry = telemetry
        self.settled = False
        """Every server was asked once since the first configuration, or had its time."""
        self.closing = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        routes: dict[str, Callable[[], tuple[int, bytes, bytes]]] = {
            "/livez": lambda: (200, b"text/plain", b"ok"),
            "/readyz": self._ready,
            "/metrics": lambda: (200, CONTENT_TYPE_LATEST.encode(), generate_latest(self._telemetry.registry)),
            "/stats": lambda: (200, b"application/json", self.stats().to_json().encode()),
        }
        if scope["path"].startswith(PATH):
            await self._answer_peer(scope, receive, send)
        elif scope["method"] != "GET":
            await _answer(send, 405, b"text/plain", b"GET only")
        elif scope["path"] == "/events":
            await self._stream_events(receive, send)
        elif scope["path"] in routes:
            await _answer(send, *routes[scope["path"]]())
        else:
            await _answer(send, 404, b"text/plain", b"/livez /readyz /metrics /stats /events")

    def stats(self) -> ServerStats:
        """The document of `GET /stats`."""
        calls, errors, latency, tokens = self._telemetry.totals()
        snapshot = self._federation.snapshot
        return ServerStats(
            pod=self._pod,
            started_at=self._telemetry.started_at,
            config_hash=snapshot.config_hash if snapshot else "",
            calls=calls,
            errors=errors,
            latency=latency,
            tokens=tokens,
            upstreams=self._federation.stats(),
            unknown_pins=list(snapshot.unknown_pins) if snapshot else [],
            sandbox=self._lane.stats(),
        )

    def _ready(self) -> tuple[int, bytes, bytes]:
        if self._gate.draining:
            return 503, b"text/plain", b"draining"
        if self._federation.snapshot is None:
            return 503, b"text/plain", b"no valid configuration yet"
        if not self.settled:
            return 503, b"text/plain", b"asking the servers for their tools"
        return 200, b"text/plain", b"ok"

    async def _answer_peer(self, scope: Scope, receive: Receive, send: Send) -> None:
        signature = dict(scope["headers"]).get(HEADER, b"").decode("latin-1")
        if self._asking >= MAX_ASKING:
            await _answer(send, 503, b"text/plain", b"too many questions at once", [(b"connection", b"close")])
            return
        self._asking += 1
        try:
            question = await _whole(receive, MAX_QUESTION)
            if scope["method"] != "POST" or question is None:
                await _answer(send, 400, b"text/plain", b"POST a question of a peer", [(b"connection", b"close")])
                return
            status, signed, body = await self._peers.answer(scope["path"].removeprefix(PATH), signature, question)
            await _answer(send, status, b"application/octet-stream", body, [(HEADER, signed.encode())])
        finally:
            self._asking -= 1

    async def _stream_events(self, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/x-ndjson"), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        ended = asyncio.ensure_future(_any_of(disconnected(receive), self.closing.wait()))
        try:
            async with contextlib.aclosing(self._event_lines(ended)) as lines:
                async for line in lines:
                    await send({"type": "http.response.body", "body": line, "more_body": True})
        finally:
            ended.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _event_lines(self, ended: "asyncio.Future[None]") -> AsyncGenerator[bytes, None]:
        """Events as they come and a ping when there is none, the first at once, until `ended` is done."""
        events = aiter(self._lane.events())
        following = asyncio.ensure_future(_next(events))
        yield _line(SandboxEvent(type="ping"))
        try:
            while not ended.done():
                waits: set[asyncio.Future[Any]] = {following, ended}
                done, _ = await asyncio.wait(waits, timeout=PING_SECONDS, return_when=asyncio.FIRST_COMPLETED)
                if following in done:
                    event = following.result()
                    if event is None:
                        return
                    yield _line(event)
                    following = asyncio.ensure_future(_next(events))
                elif ended not in done:
                    yield _line(SandboxEvent(type="ping"))
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)


def _line(event: SandboxEvent) -> bytes:
    return event.to_json().encode() + b"\n"


async def _next(events: AsyncIterator[SandboxEvent]) -> SandboxEvent | None:
    return await anext(events, None)


async def _any_of(*waits: Coroutine[Any, Any, object]) -> None:
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


async def _whole(receive: Receive, limit: int) -> bytes | None:
    """The body; None when it is larger than `limit` or the client went away."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit or message["type"] == "http.disconnect":
            return None
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _answer(send: Send, status: int, kind: bytes, body: bytes, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"cache-control", b"no-store"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
