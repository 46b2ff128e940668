"""The memory that large messages may take, all together: a replica answers many clients, and the sizes are chosen by strangers.

Each request holds what its messages weigh until its answer is written. Whoever finds no room waits a moment, and is refused then. Of
requests that wait for what the others hold, the last is refused at once.
"""

import asyncio
import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Final

from .ration import Ration, Stuck

FREE_BYTES: Final = 16 * 1024
"""Messages up to this size are bounded by the number of requests in flight."""
WAIT_SECONDS: Final = 5.0
BYTES_PER_VALUE: Final = 9
"""What a value of JSON weighs at least: an empty list is three bytes on the wire and seventy in memory, other bytes grow eightfold."""
BYTES_PER_OBJECT: Final = 24
"""What an object weighs at least: with one member it takes a hundred and ninety bytes."""


class MemoryFull(Exception):
    """No room for a large message, even after a wait."""


class Holding:
    """What one request, or one call of a job, holds of the ration."""

    __slots__ = ("_held", "over", "ration")

    def __init__(self, ration: Ration) -> None:
        self.ration = ration
        self._held = 0
        self.over = False
        """Released for good. Tasks that the request left behind hold for themselves."""

    @property
    def held(self) -> int:
        """Weight in bytes."""
        return self._held

    async def hold(self, count: int) -> None:
        """Hold `count` more. Raises `MemoryFull`."""
        if not self.ration.take_now(count):
            try:
                async with asyncio.timeout(WAIT_SECONDS):
                    await self.ration.take(count, self)
            except (Stuck, TimeoutError):
                raise MemoryFull from None
        if self.over:
            self.ration.give(count)
            raise MemoryFull
        self._held += count

    def hold_now(self, count: int) -> bool:
        """Hold `count` more if there is room at this moment."""
        if self.over or not self.ration.take_now(count):
            return False
        self._held += count
        return True

    def let_go(self, count: int) -> None:
        """Give back `count` of what was held."""
        if not self.over:
            self._held -= count
            self.ration.give(count)

    def move(self) -> "Holding":
        """A holding with all that this one held: for what outlives the request. Takes nothing new, so it neither waits nor fails."""
        heir = Holding(self.ration)
        heir._held, self._held = self._held, 0
        return heir

    def release(self) -> None:
        """Give everything back. Harmless when repeated."""
        self.over = True
        if self._held:
            self.ration.give(self._held)
            self._held = 0


class Growing:
    """The weight of one message while it arrives, counted to a holding. `expected`: bytes it will have, as its sender says; 0: unknown."""

    __slots__ = ("_counted", "_expected", "_holding")

    def __init__(self, holding: Holding, expected: int = 0) -> None:
        self._holding = holding
        self._expected = expected
        self._counted = 0

    async def reach(self, size: int) -> None:
        """The message weighs `size` bytes so far, or will. Counted in doubling steps, so that chunks cost nothing."""
        if size > FREE_BYTES and size > self._counted:
            ahead = 2 * self._counted
            more = max(size, min(ahead, self._expected) if self._expected else ahead) - self._counted
            await self._holding.hold(more)
            self._counted += more

    def let_go(self) -> None:
        """The message is not wanted any more."""
        self._holding.let_go(self._counted)
        self._counted = 0


_current: ContextVar[Holding | None] = ContextVar("holding", default=None)


def current() -> Holding | None:
    """The holding of the request in whose name this code runs, if there is one."""
    holding = _current.get()
    return holding if holding is not None and not holding.over else None


async def hold_here(count: int) -> None:
    """The request in whose name this code runs holds `count` more, until its end. Raises `MemoryFull`."""
    if (holding := current()) is not None:
        await holding.hold(count)


def adopt(holding: Holding) -> None:
    """What this task does from now on, it does in the name of `holding`."""
    _current.set(holding)


@contextlib.contextmanager
def holding(ration: Ration) -> Iterator[Holding]:
    """A holding of its own for what runs inside, released at the end."""
    own = Holding(ration)
    token = _current.set(own)
    try:
        yield own
    finally:
        _current.reset(token)
        own.release()


@contextlib.contextmanager
def holding_beside() -> Iterator[None]:
    """A holding of its own for what runs inside, of the ration of the request in whose name this runs; where there is none, none."""
    request = current()
    if request is None:
        yield
    else:
        with holding(request.ration):
            yield


def weight(message: bytes) -> int:
    """What a message of JSON counts: its bytes, or its values where they are many and short."""
    if len(message) <= FREE_BYTES:
        return len(message)
    values = BYTES_PER_VALUE * (message.count(b",") + message.count(b"["))
    return max(len(message), values + BYTES_PER_OBJECT * message.count(b"{"))
