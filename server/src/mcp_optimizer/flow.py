"""Bodies in and out, at the pace of whoever is slower and never with more in memory than was asked for."""

from typing import Final

from .asgi import Message, Receive, Send
from .memory import FREE_BYTES, Growing, Holding, MemoryFull
from .rejection import Busy, ClientLeft, Rejected

PART: Final = 256 * 1024
"""An answer goes out in parts of this size, each when the client has read most of the one before."""


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int, holding: Holding) -> bytes:
    """The request's body. Raises `Rejected`, or `ClientLeft`."""
    too_large = f"a request may have {most} bytes, limits.maxRequestBytes of this endpoint: send less, or data by reference"
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > most:
        raise Rejected(413, "too_large", too_large)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request" and len(message.get("body", b"")) <= FREE_BYTES:
        return message.get("body", b"")  # type: ignore[no-any-return]
    chunks: list[bytes] = []
    size = 0
    growing = Growing(holding)
    while True:
        if message["type"] == "http.disconnect":
            raise ClientLeft
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise Rejected(413, "too_large", too_large)
        try:
            await growing.reach(size)
        except MemoryFull:
            text = "large messages fill limits.messageMemory of this endpoint"
            busy = Busy("memory", "limits.messageMemory", text, 5)
            busy.headers.append((b"connection", b"close"))
            raise busy from None
        if not message.get("more_body", False):
            return b"".join(chunks)
        message = await receive()


def paced(send: Send) -> Send:
    """`send` that hands over large bodies in parts, so that what a slow client has not read stays with the holder of the ration."""

    async def in_parts(message: Message) -> None:
        body = message.get("body", b"")
        if len(body) <= PART:
            await send(message)
            return
        view = memoryview(body)
        for start in range(0, len(body), PART):
            await send({"type": "http.response.body", "body": bytes(view[start : start + PART]), "more_body": True})
        # Returns when the client has read all but the last part.
        await send({"type": "http.response.body", "body": b"", "more_body": message.get("more_body", False)})

    return in_parts
