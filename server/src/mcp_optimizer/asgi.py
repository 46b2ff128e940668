"""The shapes of ASGI that our layers pass to each other."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


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
