"""A bounded number of places with a bounded line in front. No lock and no task: taking a free place is one comparison."""

import asyncio
from collections import deque
from typing import Literal


class NoPlace(Exception):
    """All places are taken. `reason`: `queue_full`, or `queue_timeout` after the wait."""

    def __init__(self, reason: Literal["queue_full", "queue_timeout"]) -> None:
        super().__init__(reason)
        self.reason = reason


class Slots:
    """First come, first served. Bounds may change at any time and hold for whoever comes next."""

    def __init__(self, size: int, line: int, seconds: float) -> None:
        self.size, self.line, self.seconds = size, line, seconds
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many are in line."""
        return len(self._waiting)

    def resize(self, size: int, line: int, seconds: float) -> None:
        """New bounds; who is in line gets what they make room for."""
        self.size, self.line, self.seconds = size, line, seconds
        while self._waiting and self.taken < self.size:
            self.taken += 1
            self._hand_over()

    def take_now(self) -> bool:
        """Take a place if one is free and nobody waits for it."""
        if self.taken >= self.size or self._waiting:
            return False
        self.taken += 1
        return True

    async def take(self) -> None:
        """Take a place, waiting in line for at most `seconds`. Raises `NoPlace`."""
        if self.take_now():
            return
        if len(self._waiting) >= self.line or self.seconds <= 0:
            raise NoPlace("queue_full")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=self.seconds)
        except asyncio.CancelledError:
            self._leave(turn)
            raise
        if not turn.done():
            self._leave(turn)
            raise NoPlace("queue_timeout")

    def give(self) -> None:
        """Give a place back: to the next in line, if it still exists."""
        if self._waiting and self.taken <= self.size:
            self._hand_over()
        else:
            self.taken -= 1

    def _hand_over(self) -> None:
        self._waiting.popleft().set_result(None)

    def _leave(self, turn: "asyncio.Future[None]") -> None:
        if turn.done():
            self.give()
        else:
            self._waiting.remove(turn)
