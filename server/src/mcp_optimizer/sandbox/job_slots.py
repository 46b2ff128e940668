"""How many jobs run at once in this process, of all clients and of each, and who is next: clients take turns, for a bounded time."""

import asyncio
import math
from collections import Counter

from mcp_optimizer.errors import TOO_MANY, CallFailure

from .line import Line


class JobSlots:
    """Places for jobs. As many may wait as may run, of all clients and of each.

    A full line has room for a client that has less running and waiting than another: the other's last request gives way. So a client that
    fills everything there is keeps nobody else out.
    """

    def __init__(self) -> None:
        self._limit, self._per_client, self._seconds = 0, 0, 0.0
        self._running: Counter[str] = Counter()
        self._line: Line[None] = Line()

    @property
    def running(self) -> int:
        """Jobs that have a place."""
        return self._running.total()

    @property
    def waiting(self) -> int:
        """Jobs in line."""
        return len(self._line)

    def configure(self, limit: int, per_client: int | None, seconds: float) -> None:
        """New bounds: raised ones let in who waits."""
        self._limit, self._per_client, self._seconds = limit, min(per_client or limit, limit), seconds
        self._serve()

    async def take(self, client: str) -> None:
        """Take a place, or CallFailure(429) after the wait, or at once when the line is full too."""
        if self._may(client):
            self._running[client] += 1
            return
        self._make_room(client)
        turn = self._line.join(client)
        try:
            await asyncio.wait([turn], timeout=self._seconds)
        except asyncio.CancelledError:
            if turn.done() and not turn.exception():
                self.give(client)
            self._line.leave(client, turn)
            raise
        self._line.leave(client, turn)
        if not turn.done():
            raise self._refusal(client, f"none ended within {self._seconds:g} s")
        turn.result()

    def give(self, client: str) -> None:
        """Give the place back: to the next in line."""
        self._running[client] -= 1
        if not self._running[client]:
            del self._running[client]
        self._serve()

    def _may(self, client: str) -> bool:
        """Whether a job of this client may run now. Whoever waits may not, or would not wait: so nobody is overtaken."""
        return self.running < self._limit and self._running[client] < self._per_client

    def _serve(self) -> None:
        while self.running < self._limit and (next_in_line := self._line.next(self._may)) is not None:
            client, turn = next_in_line
            self._running[client] += 1
            turn.set_result(None)

    def _make_room(self, client: str) -> None:
        """A place in the line, or CallFailure(429)."""
        own = self._line.of(client)
        if self._seconds <= 0 or own >= max(self._per_client, 1):
            raise self._refusal(client, f"{own} wait")
        if self.waiting >= max(self._limit, 1):
            largest = max(self._line.clients, key=self._load)
            if self._load(largest) <= self._load(client) + 1:
                raise self._refusal(client, f"{self.waiting} wait")
            self._line.last_of(largest).set_exception(self._refusal(largest, "the line is full"))

    def _load(self, client: str) -> int:
        return self._running[client] + self._line.of(client)

    def _refusal(self, client: str, line: str) -> CallFailure:
        if self.running < self._limit or self._running[client] >= self._per_client < self._limit:
            text = f"{self._running[client]} jobs of this client run, spec.sandbox.maxConcurrentPerClient of this endpoint, and {line}"
        else:
            text = f"{self.running} jobs run, the limit of this replica (spec.sandbox.maxConcurrent), and {line}"
        seconds = max(1, math.ceil(self._seconds))
        return CallFailure(TOO_MANY, f"{text}: try again in {seconds} s", retry_after_s=seconds)
