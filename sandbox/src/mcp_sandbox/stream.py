"""Frames over asyncio transports, with back-pressure in both directions and a way to end without losing the last frame."""

import asyncio
import contextlib
import socket
from collections import deque
from collections.abc import Callable
from typing import Protocol

from .frames import MAX_FRAME_BYTES, FrameError, FrameSplitter

LINGER_SECONDS = 2.0
MAX_DISCARDED = 2 * MAX_FRAME_BYTES


class Listener(Protocol):
    """Who gets what a stream reads."""

    def on_frame(self, stream: "FrameStream", body: bytes) -> None:
        """One whole frame."""

    def on_garbage(self, stream: "FrameStream", reason: str) -> None:
        """The peer sent something that is no frame; nothing more will be read as frames."""

    def on_lost(self, stream: "FrameStream") -> None:
        """The peer closed, or the stream failed."""

    def on_pressure(self, stream: "FrameStream", full: bool) -> None:
        """The peer reads slower than we write (`full`), or has caught up."""


class FrameStream(asyncio.Protocol):
    """One connection."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self._splitter = FrameSplitter()
        self._transport: asyncio.Transport | None = None
        self._discarding: int | None = None
        self._pending: deque[bytes] = deque()
        self._garbage: str | None = None
        self._paused = False
        self._on_closed: list[Callable[[], None]] = []
        self.lost = False
        self.broken = False
        """Lost by an error or given up by us, not closed by the peer."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in (socket.AF_INET, socket.AF_INET6):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        if self._discarding is not None:
            self._discarding += len(data)
            if self._discarding > MAX_DISCARDED:
                self.abort()
            return
        try:
            self._pending.extend(self._splitter.feed(data))
        except FrameError as error:
            self._garbage = str(error)
        self._deliver()

    def _deliver(self) -> None:
        """Hand out frames one by one: each may make the listener pause, and then the rest of what was read waits."""
        while self._pending and not self._paused and self._discarding is None:
            self.listener.on_frame(self, self._pending.popleft())
        if self._garbage is not None and not self._pending and self._discarding is None:
            self._discarding = 0
            self.listener.on_garbage(self, self._garbage)

    @property
    def held(self) -> int:
        """Bytes of a frame that is not complete yet."""
        return self._splitter.held

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost, self.broken = True, self.broken or exc is not None
        self._splitter = FrameSplitter()
        for notify in self._on_closed:
            notify()
        self.listener.on_lost(self)

    def pause_writing(self) -> None:
        self.listener.on_pressure(self, True)

    def resume_writing(self) -> None:
        self.listener.on_pressure(self, False)

    def send(self, data: bytes) -> None:
        """Queue bytes; a lost stream swallows them."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause(self, paused: bool) -> None:
        """Stop or go on reading."""
        self._paused = paused
        if self._transport is None or self._transport.is_closing():
            return
        if paused and self._transport.is_reading():
            self._transport.pause_reading()
        elif not paused and not self._transport.is_reading():
            self._transport.resume_reading()
        if not paused and self._pending:
            asyncio.get_running_loop().call_soon(self._deliver)

    def end_with(self, data: bytes, closed: Callable[[], None] | None = None) -> None:
        """Send the last frame and wait, within bounds, until the peer has closed.

        Closing with unread input would make the kernel send a reset, which may overtake the frame; so input is read and thrown away.
        """
        self._discarding = 0
        if closed is not None:
            self._on_closed.append(closed)
        if self._transport is None or self._transport.is_closing():
            if self.lost and closed is not None:
                closed()
            return
        self.pause(False)
        self._transport.write(data)
        if self._transport.can_write_eof():
            # A peer that has closed answers the frame with a reset, and the kernel then refuses this: its loss is noticed by the reader.
            with contextlib.suppress(OSError):
                self._transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self.abort)

    def abort(self) -> None:
        """Close at once and let go of what was read."""
        self.broken = True
        self._splitter = FrameSplitter()
        self._pending.clear()
        if self._transport is not None:
            self._transport.abort()
