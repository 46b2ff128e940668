"""Bytes of messages that may be in memory at once: JSON grows many times when it is parsed, and the sizes are chosen by strangers."""

import asyncio
from collections import deque


class Ration:
    """Taken before a message is read, given back when it is dealt with; whoever wants more than is left waits in line."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @property
    def taken(self) -> int:
        """Bytes in use."""
        return self._taken

    def resize(self, size: int) -> None:
        """A new bound, for whoever takes next."""
        self._size = size
        self._serve()

    def take_now(self, count: int) -> bool:
        """Take if there is room and nobody waits for it."""
        if self._waiting or not self._fits(count):
            return False
        self._taken += count
        return True

    async def take(self, count: int) -> None:
        """Wait until there is room. More than the whole is possible, but only alone."""
        if self.take_now(count):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (count, turn)
        self._waiting.append(place)
        try:
            await asyncio.wait([turn])
        except asyncio.CancelledError:
            if turn.done():
                self.give(count)
            else:
                self._waiting.remove(place)
                self._serve()
            raise

    def give(self, count: int) -> None:
        """Back."""
        self._taken -= count
        self._serve()

    def _fits(self, count: int) -> bool:
        return self._taken == 0 or self._taken + count <= self._size

    def _serve(self) -> None:
        while self._waiting and self._fits(self._waiting[0][0]):
            count, turn = self._waiting.popleft()
            self._taken += count
            turn.set_result(None)


class Portion:
    """A frame's share of several rations: of its job's, so that one job cannot take all, and of the process's."""

    def __init__(self, size: int, *rations: Ration) -> None:
        self._size = size
        self._rations = rations
        self._held: list[Ration] = []

    async def take(self) -> None:
        """From each in turn; `release` whatever happens."""
        for ration in self._rations:
            await ration.take(self._size)
            self._held.append(ration)

    def release(self) -> None:
        """Give back what is held. Harmless when repeated."""
        while self._held:
            self._held.pop().give(self._size)
