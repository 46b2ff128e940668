"""Counts the processes of the Pod while a job runs: some kernels (gVisor's among them) have no RLIMIT_NPROC, and a shared user id blunts it."""

import asyncio
import os
from collections.abc import Callable

PERIOD_SECONDS = 0.1
OURS = 1
"""The agent. The worker is the job's own first process."""


class Census:
    """Calls `too_many` once when there are more processes than allowed. Only as PID 1: elsewhere `/proc` shows those of others too."""

    def __init__(self, limit: int, too_many: Callable[[int], None]) -> None:
        self._limit = limit
        self._too_many = too_many
        self._next: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Count from now on."""
        if os.getpid() == 1:
            self._next = asyncio.get_running_loop().call_later(PERIOD_SECONDS, self._count)

    def stop(self) -> None:
        """No more counting."""
        if self._next is not None:
            self._next.cancel()

    def _count(self) -> None:
        processes = sum(name.isdigit() for name in os.listdir("/proc")) - OURS
        if processes > self._limit:
            self._too_many(processes)
        else:
            self.start()
