"""Frames on a connection to an agent. Everything read is hostile: bounded, and valid by the contract's models or refused."""

import asyncio
import contextlib
import socket
import struct

from pydantic import TypeAdapter, ValidationError

from mcp_optimizer_api.base import Document
from mcp_optimizer_api.job import MAX_FRAME_BYTES, Accepted, AgentFrame, Artifact, Call, Ended, Output, Rejected, Result

HEADER = struct.Struct(">I")
LAST_SENDING_SECONDS = 5.0
"""What was sent before the end has this long to leave."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER on, zero seconds."""
_FRAMES: TypeAdapter[Accepted | Rejected | Call | Output | Artifact | Result | Ended] = TypeAdapter(AgentFrame)


class ProtocolError(Exception):
    """The agent sent what no agent of ours sends."""


class Unsendable(Exception):
    """What was to be sent is no JSON or does not fit into a frame."""


def encode(frame: Document) -> bytes:
    """A frame, ready to send."""
    try:
        body = frame.model_dump_json(by_alias=True).encode()
    except (ValueError, RecursionError) as error:
        raise Unsendable(f"it is no JSON: {error}"[:300]) from None
    if len(body) > MAX_FRAME_BYTES:
        raise Unsendable(f"it has {len(body)} bytes, at most {MAX_FRAME_BYTES} fit into a frame")
    return HEADER.pack(len(body)) + body


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, host: str, port: int) -> "Wire":
        """Connect. Both asyncio and uvloop set TCP_NODELAY themselves."""
        reader, writer = await asyncio.open_connection(host, port, limit=256 * 1024)
        return cls(reader, writer)

    async def next_size(self, limit: int) -> int:
        """How large the next frame is; read it with `receive`. EOFError or OSError when the connection is gone."""
        (length,) = HEADER.unpack(await self._reader.readexactly(HEADER.size))
        if not 0 < length <= limit:
            raise ProtocolError(f"a frame of {length} bytes, at most {limit} are allowed")
        return int(length)

    async def receive(self, size: int) -> Accepted | Rejected | Call | Output | Artifact | Result | Ended:
        """The frame whose size was told. ProtocolError when it is none."""
        body = await self._reader.readexactly(size)
        try:
            return _FRAMES.validate_json(body)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise ProtocolError(f"{'.'.join(map(str, first['loc'])) or 'frame'}: {first['msg']}"[:200]) from None

    async def send(self, data: bytes) -> None:
        """Send one frame whole, and wait while the other side does not take it."""
        self._writer.write(data)
        await self._writer.drain()

    def send_last(self, data: bytes) -> None:
        """Send without waiting, then close: for a coroutine that is being cancelled."""
        if not self._writer.is_closing():
            self._writer.write(data)
        self.close()

    def close(self) -> None:
        """Let go of the connection; the agent ends its job."""
        self._writer.close()
        if self._writer.transport.get_write_buffer_size():
            # Who does not read, or is gone without a word, would keep it open and what is unsent in memory.
            asyncio.get_running_loop().call_later(LAST_SENDING_SECONDS, self._writer.transport.abort)

    def abort(self) -> None:
        """Reset the connection: what is unread on either side is lost, and the other side sees that."""
        sock = self._writer.get_extra_info("socket")
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._writer.transport.abort()
