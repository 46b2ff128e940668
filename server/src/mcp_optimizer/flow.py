"""Bodies in and out, at the pace of whoever is slower and never with more in memory than was asked for."""

import asyncio
import contextlib
from typing import Final

from .asgi import Message, Receive, Send
from .depth import has_more_values
from .memory import FREE_BYTES, Growing, Holding, MemoryFull, weight
from .rejection import Busy, ClientLeft, Rejected

PART: Final = 256 * 1024
"""An answer goes out in parts of this size, each when the client has read most of the one before."""
MAX_VALUES: Final = 200_000
"""Of JSON in one request: they take memory that the body does not show, and time of everybody while they are checked."""
DISCARD_BYTES: Final = 64 * 1024 * 1024
DISCARD_SECONDS: Final = 5.0


async def read_body(headers: dict[bytes, bytes], receive: Receive, most: int, holding: Holding) -> bytes:
    """The request's body. Raises `Rejected`, or `ClientLeft`."""
    too_large = f"a request may have {most} bytes, limits.maxRequestBytes of this endpoint: send less, or data by reference"
    declared = headers.get(b"content-length", b"0")
    expected = int(declared) if declared.isdigit() else 0
    if expected > most:
        # A client that waits for leave to send its body need not send it at all.
        if b"expect" not in headers:
            await discard(receive)
        raise Rejected(413, "too_large", too_large)
    message = await receive()
    if not message.get("more_body", False) and message["type"] == "http.request" and len(message.get("body", b"")) <= FREE_BYTES:
        return message.get("body", b"")  # type: ignore[no-any-return]
    body = _Body(message, receive)
    growing = Growing(holding, expected)
    refusal: Rejected
    try:
        return await body.read(most, growing)
    except _TooLong:
        refusal = Rejected(413, "too_large", too_large)
    except _TooManyValues:
        refusal = Rejected(413, "too_large", f"a request may have {MAX_VALUES} values: send less, or data as text")
    except MemoryFull:
        refusal = Busy("memory", "limits.messageMemory", "large messages fill limits.messageMemory of this endpoint", 5)
        refusal.headers.append((b"connection", b"close"))
    growing.let_go()
    if body.more:
        await discard(receive)
    raise refusal


class _TooLong(Exception):
    pass


class _TooManyValues(Exception):
    pass


class _Body:
    """A request's body as it comes in."""

    def __init__(self, first: Message, receive: Receive) -> None:
        self._message = first
        self._receive = receive

    @property
    def more(self) -> bool:
        """Whether something of it is still to come."""
        return bool(self._message.get("more_body", False))

    async def read(self, most: int, growing: Growing) -> bytes:
        """All of it. Raises `_TooLong`, `_TooManyValues`, `MemoryFull`, `ClientLeft`."""
        chunks: list[bytes] = []
        size = 0
        while True:
            if self._message["type"] == "http.disconnect":
                raise ClientLeft
            chunks.append(self._message.get("body", b""))
            size += len(chunks[-1])
            if size > most:
                raise _TooLong
            await growing.reach(size)
            if not self.more:
                break
            self._message = await self._receive()
        body = b"".join(chunks)
        if has_more_values(body, MAX_VALUES):
            raise _TooManyValues
        await growing.reach(weight(body))
        return body


async def discard(receive: Receive) -> None:
    """Read what is left of a body that is refused, within bounds: many clients read no answer before they have sent everything.

    Closing earlier resets their connection, and they never learn what was wrong.
    """
    left = DISCARD_BYTES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(DISCARD_SECONDS):
            while left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                if message["type"] == "http.disconnect" or not message.get("more_body", False):
                    return


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
