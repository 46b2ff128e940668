"""Calls that take longer: somebody has to notice that the client is gone, and keep the connection from looking dead.

One clock for all, because nearly every call is answered before it ticks: a timer or a task for each would cost more than the call's own share.
"""

import asyncio
import time
from typing import Any, Final, Protocol

from .asgi import Receive, disconnected

TICK_SECONDS: Final = 0.1
PING_SECONDS: Final = 15.0


class Pinged(Protocol):
    """An answer that can show signs of life before it is there."""

    async def ping(self) -> None: ...


class Entry:
    """One call in flight."""

    __slots__ = ("answer", "cancelled", "gone", "receive", "started", "task", "watcher")

    def __init__(self, answer: Pinged, receive: Receive, task: "asyncio.Task[Any] | None") -> None:
        self.answer = answer
        self.receive = receive
        self.task = task
        self.started = time.monotonic()
        self.gone = False
        """The client hung up, and the call was cancelled for that."""
        self.cancelled = False
        """The client waits no longer for this answer, but goes on with its connection."""
        self.watcher: asyncio.Task[None] | None = None

    def cancel(self) -> None:
        """End the call at the client's wish."""
        if self.task is not None and not self.gone:
            self.gone = self.cancelled = True
            self.task.cancel()


class Watch:
    """Calls in flight. The clock runs only while there are some."""

    def __init__(self) -> None:
        self._entries: dict[Entry, None] = {}
        self._clock: asyncio.TimerHandle | None = None

    def enter(self, answer: Pinged, receive: Receive) -> Entry:
        """A call of the current task begins."""
        entry = Entry(answer, receive, asyncio.current_task())
        self._entries[entry] = None
        if self._clock is None:
            self._clock = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)
        return entry

    def leave(self, entry: Entry) -> None:
        """It ended, whatever came of it."""
        self._entries.pop(entry, None)
        if entry.watcher is not None:
            entry.watcher.cancel()

    def _tick(self) -> None:
        before = time.monotonic() - TICK_SECONDS
        for entry in self._entries:
            if entry.started > before:
                break  # in order of their start
            if entry.watcher is None:
                entry.watcher = asyncio.create_task(_stay(entry))
        self._clock = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick) if self._entries else None


async def _stay(entry: Entry) -> None:
    """Until the call ends: cancel it when the client hangs up, ping when it waits long."""
    while True:
        try:
            async with asyncio.timeout(PING_SECONDS):
                await disconnected(entry.receive)
        except TimeoutError:
            await entry.answer.ping()
            continue
        if entry.task is not None:
            entry.gone = True
            entry.task.cancel()
        return
