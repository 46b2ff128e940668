"""A Pod that has accepted us, until we let go of it: its connection, its place in the pool, and what the operator is told of it."""

import asyncio
import time
from collections.abc import Callable

from mcp_optimizer_api.stats import SandboxEvent

from .pods import SandboxPod
from .pool import WarmPool
from .wire import Wire

LAST_WORDS_SECONDS = 1.0
"""How long what a Pod sent before its end may be under way."""


class HeldPod:
    """Made when a Pod has accepted; `release` exactly when nothing more is wanted of it."""

    def __init__(self, pod: SandboxPod, wire: Wire, pool: WarmPool, tell: Callable[[SandboxEvent], None]) -> None:
        self.pod = pod
        self.wire = wire
        self.since = time.monotonic()
        self._tell = tell
        self._released = False
        self._vigil = asyncio.create_task(self._hang_up_after_the_end(pool))
        tell(SandboxEvent(type="claimed", pod=pod.name, uid=pod.uid))

    def release(self) -> None:
        """Let go of it: the agent ends its Pod. Harmless when repeated."""
        if self._released:
            return
        self._released = True
        self._vigil.cancel()
        self.wire.close()
        self._tell(SandboxEvent(type="finished", pod=self.pod.name, uid=self.pod.uid))

    async def _hang_up_after_the_end(self, pool: WarmPool) -> None:
        """A Pod that is gone may leave its connection open for ever: hang up when the watch says so and nothing more can be on its way."""
        if await pool.end_of(self.pod, None):
            await asyncio.sleep(LAST_WORDS_SECONDS)
            self.wire.close()
