"""Bytes of messages that may be in memory at once: JSON grows many times when it is parsed, and the sizes are chosen by strangers."""

import asyncio
from collections import deque
from typing import NamedTuple, Protocol


class Stuck(Exception):
    """Everything is held by takers that wait for more, and this one has to go so that the others can go on."""


class Holder(Protocol):
    """Somebody who gives back nothing of what it holds before it has got what it waits for."""

    @property
    def held(self) -> int:
        """Bytes of the ration."""


class _Place(NamedTuple):
    wants: int
    turn: asyncio.Future[None]
    holder: Holder | None


class Ration:
    """Taken before a message is read, given back when it is dealt with; whoever wants more than is left waits in line."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken = 0
        self._waiting: deque[_Place] = deque()

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

    async def take(self, count: int, holder: Holder | None = None) -> None:
        """Wait until there is room. More than the whole is possible, but only alone.

        Raises `Stuck` when `holder` waits for what others hold that wait too: many messages that arrive together would otherwise
        all hold a part of the ration until their patience ends, and none would be served.
        """
        if self.take_now(count):
            return
        place = _Place(count, asyncio.get_running_loop().create_future(), holder)
        self._waiting.append(place)
        self._part_the_stuck()
        try:
            await asyncio.wait([place.turn])
        except asyncio.CancelledError:
            if not place.turn.done():
                self._waiting.remove(place)
                self._serve()
            elif place.turn.exception() is None:
                self.give(count)
            raise
        place.turn.result()

    def give(self, count: int) -> None:
        """Back."""
        self._taken -= count
        self._serve()

    def _fits(self, count: int) -> bool:
        return self._taken == 0 or self._taken + count <= self._size

    def _serve(self) -> None:
        while self._waiting and self._fits(self._waiting[0].wants):
            place = self._waiting.popleft()
            self._taken += place.wants
            place.turn.set_result(None)
        self._part_the_stuck()

    def _part_the_stuck(self) -> None:
        """Refuse the last in line that holds something, when nobody else is left who could give back."""
        if not self._waiting:
            return
        holders = {id(place.holder): place.holder.held for place in self._waiting if place.holder is not None}
        if self._taken == 0 or sum(holders.values()) < self._taken:
            return
        last = next(place for place in reversed(self._waiting) if place.holder is not None and place.holder.held)
        self._waiting.remove(last)
        last.turn.set_exception(Stuck())


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
