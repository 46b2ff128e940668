"""Jobs begin a few at a time. Begun all at once they share the node's processors, and all of a burst are done when the last one is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

AT_ONCE = 4
TURN_SECONDS = 0.01
"""What a short job takes on a node where as many run on two processors. Nobody waits longer for one that goes on: 400 begin each second at least."""


class Starts:
    """The turns of one replica."""

    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Around a whole job: from its turn on. The next one may begin when it has ended, or has had its time."""
        await self._places.acquire()
        held = ExitStack()
        held.callback(self._places.release)
        timer = asyncio.get_running_loop().call_later(TURN_SECONDS, held.close)
        try:
            yield
        finally:
            timer.cancel()
            held.close()
