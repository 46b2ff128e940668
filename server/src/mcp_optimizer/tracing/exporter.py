"""Brings spans to the collector, in batches and beside the requests: a collector that is slow or dead loses spans, never a request."""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Mapping
from typing import Final

import aiohttp
import orjson

from mcp_optimizer.http_client import open_session

from .otlp import document
from .span import Span, Value

log = logging.getLogger(__name__)

PATH: Final = "/v1/traces"
MAX_WAITING: Final = 4096
BATCH: Final = 512
EVERY_SECONDS: Final = 1.0
SEND_SECONDS: Final = 5.0
AFTER_FAILURE_SECONDS: Final = 5.0
LAST_SECONDS: Final = 2.0
OUTCOMES: Final = ("exported", "dropped", "failed")


class Exporter:
    """Sends to one collector from its making until `close`. `totals` counts spans: exported, dropped because too many waited, failed."""

    def __init__(self, endpoint: str, resource: Mapping[str, Value], totals: Counter[str]) -> None:
        self.endpoint = endpoint
        self.resource = dict(resource)
        self.totals = totals
        self._waiting: deque[Span] = deque()
        self._enough = asyncio.Event()
        self._failing = False
        self._session = open_session(timeout=aiohttp.ClientTimeout(total=SEND_SECONDS))
        self._task = asyncio.create_task(self._run(), name="export of spans")

    def take(self, span: Span) -> None:
        """An ended span."""
        if len(self._waiting) >= MAX_WAITING:
            self.totals["dropped"] += 1
            return
        self._waiting.append(span)
        if len(self._waiting) >= BATCH:
            self._enough.set()

    async def close(self) -> None:
        """Send what waits, for a moment, and end."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                while self._waiting and await self._send():
                    pass
        self.totals["failed"] += len(self._waiting)
        await self._session.close()

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(EVERY_SECONDS):
                    await self._enough.wait()
            self._enough.clear()
            while self._waiting:
                if not await self._send():
                    await asyncio.sleep(AFTER_FAILURE_SECONDS)

    async def _send(self) -> bool:
        batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
        problem = "interrupted"
        try:
            headers = {"Content-Type": "application/json"}
            body = orjson.dumps(document(batch, self.resource))
            async with self._session.post(self.endpoint + PATH, data=body, headers=headers, allow_redirects=False) as response:
                problem = "" if response.status < 300 else f"HTTP {response.status}"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            problem = type(error).__name__
        finally:
            self.totals["failed" if problem else "exported"] += len(batch)
        if problem and not self._failing:
            log.warning("spans cannot be exported and are lost until they can", extra={"endpoint": self.endpoint, "error": problem})
        elif self._failing and not problem:
            log.info("spans are exported again", extra={"endpoint": self.endpoint})
        self._failing = bool(problem)
        return not problem
