"""Ends of a connection, whichever side comes first."""

import asyncio
import socket
from typing import Any

from mcp_sandbox.stream import FrameStream


class Silent:
    """Hears everything and does nothing."""

    def on_frame(self, stream: FrameStream, body: bytes) -> None: ...
    def on_garbage(self, stream: FrameStream, reason: str) -> None: ...
    def on_lost(self, stream: FrameStream) -> None: ...
    def on_pressure(self, stream: FrameStream, full: bool) -> None: ...


async def test_a_last_frame_to_a_peer_that_has_just_closed_is_no_error() -> None:
    loop, streams, closed = asyncio.get_running_loop(), asyncio.Queue[FrameStream](), asyncio.Event()
    raised: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, context: raised.append(context))

    def accepted() -> FrameStream:
        stream = FrameStream(Silent())
        streams.put_nowait(stream)
        return stream

    async with await loop.create_server(accepted, "127.0.0.1", 0) as server:
        peer = socket.create_connection(server.sockets[0].getsockname())
        stream = await streams.get()
        await asyncio.sleep(0)
        peer.close()
        # Without a turn of the loop in between: the write passes, the kernel answers it with a reset.
        stream.end_with(b"last", closed.set)
        async with asyncio.timeout(10):
            await closed.wait()
    assert raised == []
