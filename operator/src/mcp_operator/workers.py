"""The workers that take keys from the queue and reconcile them."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from .errors import TerminalError, TransientError
from .kinds import Key
from .metrics import Metrics
from .workqueue import WorkQueue

REFUSED_SECONDS = (5.0, 60.0)
"""A refusal is tried again, but not as eagerly as a lost connection: quotas are raised and roles are fixed without telling us."""

log = logging.getLogger(__name__)


class Workers:
    """A fixed number of tasks on one queue."""

    def __init__(self, queue: WorkQueue[Key], reconcile: Callable[[Key, int], Awaitable[float | None]], metrics: Metrics) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._metrics = metrics
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, count: int) -> None:
        """Start working."""
        self._tasks = [asyncio.create_task(self._work(), name=f"worker {number}") for number in range(count)]

    async def stop(self, patience: float = 5.0) -> None:
        """Let everybody finish the key in hand."""
        self._queue.close()
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=patience)
        for task in late:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while (key := await self._queue.get()) is not None:
            started = time.perf_counter()
            try:
                result = await self._once(key)
            finally:
                self._queue.done(key)
            self._metrics.reconciles.labels(key.kind, result).inc()
            self._metrics.reconcile_seconds.labels(key.kind).observe(time.perf_counter() - started)

    async def _once(self, key: Key) -> str:
        try:
            again = await self._reconcile(key, self._queue.failures(key))
        except TransientError as error:
            delay = self._queue.retry(key, floor=error.retry_after or 0.0)
            log.info("Will try again", extra={"key": str(key), "seconds": round(delay, 1), "error": str(error)})
            return "transient"
        except TerminalError as error:
            delay = self._queue.retry(key, floor=REFUSED_SECONDS[0], ceiling=REFUSED_SECONDS[1])
            log.warning("Was refused", extra={"key": str(key), "seconds": round(delay, 1), "error": str(error)})
            return "refused"
        except Exception:
            # One resource that hits a bug of ours must not stop the others.
            delay = self._queue.retry(key)
            log.exception("Reconciliation failed", extra={"key": str(key), "seconds": round(delay, 1)})
            return "error"
        self._queue.forget(key)
        if again is not None:
            self._queue.add_after(key, again)
        return "success"
