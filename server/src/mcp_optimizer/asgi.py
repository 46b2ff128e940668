"""The shapes of ASGI that our layers pass to each other."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

EVENT_STREAM: Final[Headers] = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
]
"""Of a response that says one thing after another, and that no proxy may hold back."""
PING: Final = b": ping\r\n\r\n"
"""A sign of life on such a response."""


async def disconnected(receive: Receive) -> None:
    """Until the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass


def replayed(message: Message, receive: Receive) -> Receive:
    """`receive` as if the message had not been taken yet."""
    unread = True

    async def again() -> Message:
        nonlocal unread
        if unread:
            unread = False
            return message
        return await receive()

    return again
