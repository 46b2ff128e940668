"""Jobs begin a few at a time. Begun all at once they share the node's processors, and all of a burst are done when the last one is."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from .line import Line

AT_ONCE = 4
TURN_SECONDS = 0.01
"""What a short job takes on a node where as many run on two processors. Nobody waits longer for one that goes on: 400 begin each second at least."""


class Starts:
    """The turns of one replica: among clients, then in the order in which they came."""

    def __init__(self) -> None:
        self._free = AT_ONCE
        self._line: Line[None] = Line()

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Around a whole job: from its turn on. The next one may begin when it has ended, or has had its time."""
        await self._take(client)
        held = ExitStack()
        held.callback(self._give)
        timer = asyncio.get_running_loop().call_later(TURN_SECONDS, held.close)
        try:
            yield
        finally:
            timer.cancel()
            held.close()

    async def _take(self, client: str) -> None:
        if self._free:
            self._free -= 1
            return
        turn = self._line.join(client)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give()
            self._line.leave(client, turn)
            raise

    def _give(self) -> None:
        """To the next in line."""
        while (waiting := self._line.next()) is not None:
            if not waiting[1].done():
                waiting[1].set_result(None)
                return
        self._free += 1
