"""`/readyz` and `/livez` for the kubelet: the smallest HTTP that its probes understand."""

import asyncio
from collections.abc import Callable

MAX_REQUEST_BYTES = 4096
MAX_CONNECTIONS = 16
REQUEST_SECONDS = 2.0


class HealthEndpoint:
    """Answers from `why_not_ready`: None while a job may be claimed, else the reason."""

    def __init__(self, why_not_ready: Callable[[], str | None]) -> None:
        self._why_not_ready = why_not_ready
        self._open: dict[_HealthConnection, None] = {}

    def connection(self) -> asyncio.Protocol:
        """A protocol for one accepted connection; the oldest gives way when there are too many."""
        return _HealthConnection(self._answer, self._open)

    def _answer(self, path: str) -> tuple[int, str]:
        if path == "/livez":
            return 200, "alive"
        if path == "/readyz":
            reason = self._why_not_ready()
            return (503, reason) if reason else (200, "warm")
        return 404, "only /readyz and /livez"


class _HealthConnection(asyncio.Protocol):
    def __init__(self, answer: Callable[[str], tuple[int, str]], peers: "dict[_HealthConnection, None]") -> None:
        self._answer = answer
        self._peers = peers
        self._buffer = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        if len(self._peers) >= MAX_CONNECTIONS:
            oldest = next(iter(self._peers)).transport
            if oldest is not None:
                oldest.abort()
        self._peers[self] = None
        asyncio.get_running_loop().call_later(REQUEST_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._peers.pop(self, None)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self.transport is None or self.transport.is_closing():
            return
        if b"\r\n\r\n" not in self._buffer and len(self._buffer) <= MAX_REQUEST_BYTES:
            return
        parts = self._buffer.split(b"\r\n", 1)[0].split(b" ")
        status, text = (400, "GET only") if len(parts) != 3 or parts[0] != b"GET" else self._answer(parts[1].decode("latin-1"))
        body = text.encode() + b"\n"
        phrase = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}[status]
        head = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        self.transport.write(head.encode() + body)
        self.transport.close()
