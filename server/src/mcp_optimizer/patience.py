"""How long a client may take: to send a request it has begun, and to read the next part of an answer.

Costs nothing while clients are as fast as they should be: a timer runs only while a request is incomplete after its first packet, or while
the transport's write buffer is full. Also bounds a request's head, which the HTTP parser does not.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD: Final = 64 * 1024


class Patience:
    """The bound in force, and who exceeded it."""

    def __init__(self, seconds: float = 30.0) -> None:
        self.seconds = seconds
        self.cut = {"slow_sender": 0, "slow_reader": 0, "large_head": 0}

    def protocol(self) -> type[asyncio.Protocol]:
        """The protocol class for uvicorn, bound to this object."""
        patience = self

        class Bound(PatientProtocol):
            def __init__(self, *args: Any, **kwargs: Any) -> None:
                super().__init__(*args, **kwargs)
                self.patience = patience

        return Bound


class PatientProtocol(HttpToolsProtocol):
    """uvicorn's protocol for one connection, with deadlines."""

    patience: Patience
    _incomplete = False
    _in_head = False
    _head = 0
    _late: asyncio.TimerHandle | None = None
    _stuck: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client came: it has as long to say something as one that is kept alive."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.config.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: no timer may outlive it."""
        self._unset_keepalive_if_required()
        self._on_time()
        self._read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Part of a request, or several requests."""
        super().data_received(data)
        if not self._incomplete:
            if self._late is not None:
                self._on_time()
            return
        if self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self._cut("large_head", 431)
                return
        if self._late is None:
            self._late = self._after(self._too_slow)

    def on_message_begin(self) -> None:
        """The parser found the beginning of a request."""
        self._incomplete = self._in_head = True
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The parser found the end of its head."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The parser found its end."""
        self._incomplete = False
        super().on_message_complete()

    def shutdown(self) -> None:
        """The process ends: who has just come, or has begun a request, still gets an answer."""
        if self.cycle is None or (self._incomplete and self.cycle.response_complete):
            self._unset_keepalive_if_required()
            self.timeout_keep_alive_task = self.loop.call_later(self.config.timeout_keep_alive, self.timeout_keep_alive_handler)
            return
        super().shutdown()

    def pause_writing(self) -> None:
        """The client reads more slowly than we write."""
        super().pause_writing()
        if self._stuck is None:
            self._stuck = self._after(self._not_read)

    def resume_writing(self) -> None:
        """It has caught up."""
        super().resume_writing()
        self._read()

    def _after(self, act: Callable[[], None]) -> asyncio.TimerHandle:
        return self.loop.call_later(self.patience.seconds, act)

    def _on_time(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _read(self) -> None:
        if self._stuck is not None:
            self._stuck.cancel()
            self._stuck = None

    def _too_slow(self) -> None:
        self._late = None
        earlier = self.cycle is not None and not self.cycle.response_complete and not self.cycle.more_body
        if earlier or self.flow.read_paused:  # we are the ones who are not ready
            self._late = self._after(self._too_slow)
            return
        self._cut("slow_sender", 408)

    def _not_read(self) -> None:
        self._stuck = None
        self.patience.cut["slow_reader"] += 1
        self.transport.abort()

    def _cut(self, reason: str, status: int) -> None:
        self.patience.cut[reason] += 1
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            phrase = {408: b"Request Timeout", 431: b"Request Header Fields Too Large"}[status]
            self.transport.write(b"HTTP/1.1 %d %s\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % (status, phrase))
        self.transport.close()
