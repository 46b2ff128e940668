"""Claims and ends of jobs, told to whoever listens, so that the operator refills before the kubelet has noticed anything."""

import asyncio
from collections.abc import AsyncIterator

from mcp_optimizer_api.stats import SandboxEvent

MAX_WAITING = 1000


class Announcements:
    """One queue for each listener; who does not keep up loses the oldest, because the Pods themselves tell the same, only later."""

    def __init__(self) -> None:
        self._listeners: set[asyncio.Queue[SandboxEvent]] = set()

    def tell(self, event: SandboxEvent) -> None:
        """To everybody, without waiting."""
        for queue in self._listeners:
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(event)

    def listen(self) -> AsyncIterator[SandboxEvent]:
        """Everything from this call on, until the iterator is closed."""
        queue: asyncio.Queue[SandboxEvent] = asyncio.Queue(MAX_WAITING)
        self._listeners.add(queue)
        return self._follow(queue)

    async def _follow(self, queue: "asyncio.Queue[SandboxEvent]") -> AsyncIterator[SandboxEvent]:
        try:
            while True:
                yield await queue.get()
        finally:
            self._listeners.discard(queue)
