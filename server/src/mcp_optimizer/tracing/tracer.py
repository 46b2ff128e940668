"""Decides which requests are traced, and follows the configuration."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping

from mcp_optimizer_api.config import TracingConfig

from .exporter import Exporter
from .span import Kind, Span, Value, child, identifier
from .traceparent import parse


class Tracer:
    """Starts the first span of a request. A parent that says whether it is sampled is followed, else chance decides."""

    def __init__(self) -> None:
        self.on = False
        """False: nothing is traced, and `request` need not be called."""
        self.totals: Counter[str] = Counter()
        """Spans by what became of them."""
        self._share = 0.0
        self._exporter: Exporter | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def configure(self, config: TracingConfig | None, resource: Mapping[str, Value]) -> None:
        """Take over new settings at once; spans that wait are still sent to the collector they were meant for."""
        wanted = (config.endpoint.rstrip("/"), dict(resource)) if config is not None else None
        running = (self._exporter.endpoint, self._exporter.resource) if self._exporter is not None else None
        self._share = config.sampling_percent / 100 if config is not None else 0.0
        if wanted != running:
            if self._exporter is not None:
                task = asyncio.create_task(self._exporter.close())
                self._closing.add(task)
                task.add_done_callback(self._closing.discard)
            self._exporter = Exporter(*wanted, self.totals) if wanted is not None else None
        self.on = self._exporter is not None

    def request(self, name: str, trace: Mapping[str, str] | None, kind: Kind = "server", **attributes: Value) -> Span | None:
        """The first span of a request that brought `trace`, or a further one of a request that is traced; None when it is not sampled."""
        if self._exporter is None:
            return None
        inner = child(name, kind, **attributes)
        if inner is not None:
            return inner
        parent = parse(trace.get("traceparent")) if trace else None
        if not (parent.sampled if parent is not None else random.random() < self._share):
            return None
        if parent is None:
            return Span(self._exporter.take, name, kind, identifier(128), None, attributes)
        return Span(self._exporter.take, name, kind, parent.trace_id, parent.span_id, attributes)

    async def close(self) -> None:
        """Send what waits, after the drain."""
        self.on = False
        if self._exporter is not None:
            await self._exporter.close()
        await asyncio.gather(*self._closing, return_exceptions=True)
