"""A client that sends any bytes and reads whatever comes back, on connections that it keeps as long as the server does."""

import asyncio
import contextlib
import re
from dataclasses import dataclass

PATIENCE = 0.3
"""Seconds to wait for a word on a request that may be incomplete, before this side says that nothing more will come."""
DEADLINE = 20.0
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
STREAM = b"notifications/subscriptions/acknowledged"
LIMIT = 64 * 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """Every status line that came back, and all bytes. `hung`: neither an answer nor an end in time."""

    statuses: tuple[int, ...]
    data: bytes
    hung: bool = False


class Line:
    """One connection, opened when it is needed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, data: bytes, *, silent: bool, head: bool = False) -> Answer:
        """Send, and read one whole answer; of a `silent` one, all until the connection ends."""
        reused = self._streams is not None
        answer = await self._try(data, silent, head)
        if reused and not answer.data and not answer.hung:
            # The server may have closed the old connection a moment before.
            answer = await self._try(data, silent, head)
        return answer

    async def leave(self, data: bytes) -> None:
        """Send and go away at once."""
        _, writer = await self._open()
        with contextlib.suppress(OSError):
            writer.write(data)
            await writer.drain()
        self.close()

    def close(self) -> None:
        """Drop the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port, limit=LIMIT)
        return self._streams

    async def _try(self, data: bytes, silent: bool, head: bool) -> Answer:
        reader, writer = await self._open()
        received = bytearray()
        hung = False
        try:
            async with asyncio.timeout(DEADLINE):
                with contextlib.suppress(OSError):
                    writer.write(data)
                    await writer.drain()
                if silent:
                    await _until_end(reader, writer, received)
                else:
                    await _one(reader, received, head)
        except TimeoutError:
            hung = True
        except (OSError, asyncio.IncompleteReadError):
            pass
        if silent or hung or not received or b"connection: close" in bytes(received[:2000]).lower() or STREAM in received:
            self.close()
        return Answer(tuple(int(code) for code in STATUS.findall(bytes(received))), bytes(received), hung)


async def _until_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, received: bytearray) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            received += await reader.read(65536)
    if writer.can_write_eof():
        with contextlib.suppress(OSError):
            writer.write_eof()
    while chunk := await reader.read(65536):
        received += chunk


async def _one(reader: asyncio.StreamReader, received: bytearray, head: bool) -> None:
    """One response with its body."""
    top = await reader.readuntil(b"\r\n\r\n")
    received += top
    lines = top.lower()
    length = re.search(rb"content-length: *(\d+)", lines)
    if head:
        return
    if length:
        received += await reader.readexactly(int(length[1]))
        return
    if b"transfer-encoding: chunked" not in lines:
        return
    while True:
        size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
        chunk = (await reader.readexactly(size + 2))[:-2]
        received += chunk
        if not size or STREAM in chunk:
            return
