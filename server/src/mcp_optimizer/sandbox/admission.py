"""How many jobs run at once in this process, and who is next: first come, first served, for a bounded time."""

import asyncio
from collections import deque

from mcp_optimizer.errors import TOO_MANY, CallFailure


class Admission:
    """Slots for jobs. As many may wait as may run."""

    def __init__(self) -> None:
        self.limit = 0
        self.running = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def enter(self, seconds: float) -> None:
        """Take a slot, or CallFailure(429) after `seconds`, or at once when the queue is full too."""
        if self.running < self.limit and not self._waiting:
            self.running += 1
            return
        if len(self._waiting) >= max(self.limit, 1):
            raise CallFailure(
                TOO_MANY, f"{self.running} jobs run and {len(self._waiting)} wait, the limit of this replica: try again later"
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await asyncio.wait([turn], timeout=seconds)  # wait_for would swallow a cancellation that races with the turn
        except asyncio.CancelledError:
            if turn.done():
                self.leave()
            raise
        finally:
            if not turn.done():
                turn.cancel()
                self._waiting.remove(turn)
        if turn.cancelled():
            raise CallFailure(
                TOO_MANY, f"{self.running} jobs run, the limit of this replica, and none ended within {seconds:g} s: try again later"
            )

    def leave(self) -> None:
        """Give the slot back."""
        self.running -= 1
        self.admit()

    def admit(self) -> None:
        """Let in whoever fits now, for example after the limit was raised."""
        while self._waiting and self.running < self.limit:
            self.running += 1
            self._waiting.popleft().set_result(None)
