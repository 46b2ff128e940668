"""Listens to the server Pods: polls their counters and holds the stream on which they announce claimed and finished sandboxes.

A claim has to be known at once, because the pool is refilled on it; the counters only feed the status. One pair of tasks per Pod, started and
ended as Pods come and go; a Pod that does not answer costs nothing but its own retries.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from pydantic import ValidationError

from mcp_optimizer_api.names import MANAGEMENT_PORT
from mcp_optimizer_api.stats import SandboxEvent, ServerStats

from .kinds import Key
from .stats_reader import MAX_BYTES, read_stats

INTERVAL_SECONDS: Final = 5.0
TIMEOUT_SECONDS: Final = 3.0
SILENCE_SECONDS: Final = 25.0
"""The stream carries a ping every 10 s; silence for longer means that the Pod or the way to it is gone."""
RETRY_SECONDS: Final = (0.2, 10.0)
CONCURRENCY: Final = 20
EVENTS_AT_ONCE: Final = 200
"""Then the stream has to wait: a Pod that floods it must not keep the operator from its work."""
FLOOD_SECONDS: Final = 0.1

TROUBLE: Final = (aiohttp.ClientError, aiohttp.http_exceptions.HttpProcessingError, OSError, ValueError)
"""Everything a Pod can do to us; an overlong line is an HttpProcessingError."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Target:
    """A ready server Pod."""

    name: str
    uid: str
    address: str
    port: int = MANAGEMENT_PORT


class Collector:
    """For all MCPOptimizers. The callbacks run on the event loop and must be quick: they note something and enqueue a key."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        *,
        on_event: Callable[[Key, SandboxEvent], None],
        on_stats: Callable[[Key, Target, ServerStats | None], None],
        interval: float = INTERVAL_SECONDS,
    ) -> None:
        self._http = http
        self._on_event = on_event
        self._on_stats = on_stats
        self._interval = interval
        self._slots = asyncio.Semaphore(CONCURRENCY)
        self._tasks: dict[Key, dict[Target, list[asyncio.Task[None]]]] = {}

    def listen(self, owner: Key, targets: Sequence[Target]) -> None:
        """From now on these are the ready server Pods of `owner`; none means that it is gone. Cheap to repeat."""
        running = self._tasks.setdefault(owner, {})
        for target in [target for target in running if target not in targets]:
            for task in running.pop(target):
                task.cancel()
        for target in targets:
            if target not in running:
                running[target] = [
                    self._start(self._poll(owner, target), f"stats of {owner} {target.name}"),
                    self._start(self._stream(owner, target), f"events of {owner} {target.name}"),
                ]
        if not running:
            del self._tasks[owner]

    async def close(self) -> None:
        """End all tasks."""
        tasks = [task for running in self._tasks.values() for pair in running.values() for task in pair]
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return asyncio.create_task(work, name=name)

    async def _poll(self, owner: Key, target: Target) -> None:
        while True:
            stats: ServerStats | None = None
            try:
                async with self._slots:
                    stats = await self._stats(target)
            except TROUBLE as error:
                log.debug("Server Pod gave no counters", extra={"pod": target.name, "error": f"{type(error).__name__}: {error}"})
            self._on_stats(owner, target, stats)
            # Spread, so that the Pods of many optimizers are not asked in one breath.
            await asyncio.sleep(self._interval * random.uniform(0.8, 1.2))

    async def _stats(self, target: Target) -> ServerStats:
        async with self._http.get(
            _url(target, "stats"), timeout=aiohttp.ClientTimeout(total=TIMEOUT_SECONDS), allow_redirects=False
        ) as response:
            response.raise_for_status()
            body = bytearray()
            while chunk := await response.content.read(MAX_BYTES):
                body += chunk
                if len(body) > MAX_BYTES:
                    raise ValueError("too large")
        return read_stats(bytes(body))

    async def _stream(self, owner: Key, target: Target) -> None:
        delay, longest = RETRY_SECONDS
        while True:
            try:
                count = 0
                async for event in self._events(target):
                    delay = RETRY_SECONDS[0]
                    count += 1
                    if count % EVENTS_AT_ONCE == 0:
                        await asyncio.sleep(FLOOD_SECONDS)
                    if event.type != "ping":
                        self._on_event(owner, event)
            except TROUBLE as error:
                log.debug("Lost the events of a server Pod", extra={"pod": target.name, "error": f"{type(error).__name__}: {error}"})
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(longest, 2 * delay)

    async def _events(self, target: Target) -> AsyncIterator[SandboxEvent]:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT_SECONDS, sock_read=SILENCE_SECONDS)
        async with self._http.get(_url(target, "events"), timeout=limits, allow_redirects=False) as response:
            response.raise_for_status()
            async for line in response.content:
                try:
                    yield SandboxEvent.model_validate_json(line)
                except ValidationError:
                    # A newer server may announce what we do not know.
                    continue


def _url(target: Target, path: str) -> str:
    host = f"[{target.address}]" if ":" in target.address else target.address
    return f"http://{host}:{target.port}/{path}"
