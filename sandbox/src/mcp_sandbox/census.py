"""Counts the processes and threads of the Pod while a job runs: some kernels (gVisor's among them) have no RLIMIT_NPROC, and a shared user id blunts it."""

import asyncio
import os
from collections.abc import Callable

PERIOD_SECONDS = 0.1
AGENT = "1"
"""The worker is the job's own first process."""


class Census:
    """Calls `too_many` once when there are more of them than allowed. Only as PID 1: elsewhere `/proc` shows those of others too."""

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
        tasks = count_tasks(self._limit)
        if tasks > self._limit:
            self._too_many(tasks)
        else:
            self.start()


def count_tasks(enough: int) -> int:
    """Processes and threads beside the agent's. Threads are not looked for any more once there are more than `enough`."""
    pids = [name for name in os.listdir("/proc") if name.isdigit() and name != AGENT]
    tasks = len(pids)
    for pid in pids:
        if tasks > enough:
            break
        try:
            tasks += len(os.listdir(f"/proc/{pid}/task")) - 1
        except OSError:  # it has ended
            continue
    return tasks
