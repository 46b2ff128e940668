"""What the process counts, once: Prometheus reads it, and `/stats` gives the operator its totals.

Every label is bounded: tool is one of KINDS, outcome one of OUTCOMES, server one of the configured ones.
"""

import bisect
import time
from typing import Final

from prometheus_client import CollectorRegistry, Counter, ProcessCollector
from prometheus_client import Histogram as PrometheusHistogram

from mcp_optimizer_api.config import ServerConfig
from mcp_optimizer_api.stats import LATENCY_BOUNDS_MS, Histogram, TokenStats

from .stages import Stages
from .tracing import Tracer
from .tracing.metrics import SpanCollector

KINDS: Final = ("discover", "execute", "execute_batch", "execute_code", "direct", "unknown")
OUTCOMES: Final = ("ok", "tool_error", "400", "403", "404", "408", "409", "429", "500", "502", "503", "cancelled")
REJECTIONS: Final = (
    "origin",
    "too_large",
    "too_deep",
    "encoding",
    "method",
    "path",
    "queue_full",
    "queue_timeout",
    "client_limit",
    "memory",
)
BYTES_PER_TOKEN: Final = 4
_BUCKETS: Final = tuple(bound / 1000 for bound in LATENCY_BOUNDS_MS)


class Telemetry:
    """Counters of one process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.started_at = time.time()
        self.tracer = Tracer()
        ProcessCollector(registry=self.registry)
        self.stages = Stages()
        self.registry.register(SpanCollector(self.tracer))
        self.registry.register(self.stages)
        self._calls = Counter(
            "mcp_optimizer_calls", "Tool calls of clients, meta-tools included.", ["tool", "outcome"], registry=self.registry
        )
        self._seconds = PrometheusHistogram(
            "mcp_optimizer_call_seconds", "Time to answer a tool call.", ["tool"], buckets=_BUCKETS, registry=self.registry
        )
        self._upstream_calls = Counter(
            "mcp_optimizer_upstream_calls", "Tool calls sent to servers.", ["server", "outcome"], registry=self.registry
        )
        self._tokens = Counter("mcp_optimizer_tokens", "Estimated tokens of definitions and discovery.", ["kind"], registry=self.registry)
        self._fallbacks = Counter(
            "mcp_optimizer_fallbacks",
            "Calls taken by another path than the one asked for, before anything was sent.",
            ["from", "to", "reason"],
            registry=self.registry,
        )
        self._config = Counter("mcp_optimizer_config_documents", "Configuration documents read.", ["result"], registry=self.registry)
        self._rejected = Counter("mcp_optimizer_rejected_requests", "Requests refused before any tool.", ["reason"], registry=self.registry)
        self._calls_total = self._errors_total = 0
        self._counts = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self._bytes = {"baseline": 0, "served": 0}
        self._call_children = {(kind, outcome): self._calls.labels(kind, outcome) for kind in KINDS for outcome in OUTCOMES}
        self._second_children = {kind: self._seconds.labels(kind) for kind in KINDS}
        for reason in REJECTIONS:
            self._rejected.labels(reason)
        self._servers: set[str] = set()

    def call(self, kind: str, outcome: str, seconds: float) -> None:
        """A client's tool call was answered."""
        self._call_children[kind, outcome].inc()
        self._second_children[kind].observe(seconds)
        self._calls_total += 1
        self._errors_total += outcome != "ok"
        self._counts[bisect.bisect_left(LATENCY_BOUNDS_MS, seconds * 1000)] += 1

    def upstream_call(self, server: str, outcome: str, seconds: float) -> None:
        """A server answered a tool call, or did not."""
        if server in self._servers:
            self._upstream_calls.labels(server, outcome).inc()
        self.stages.upstream.note(seconds)

    def tokens(self, *, baseline: int = 0, served: int = 0) -> None:
        """Bytes of definitions: what a full list would have had, and what was sent."""
        for kind, size in (("baseline", baseline), ("served", served)):
            if size:
                self._bytes[kind] += size
                self._tokens.labels(kind).inc(size / BYTES_PER_TOKEN)

    def fallback(self, asked: str, taken: str, reason: str) -> None:
        """A call took another path; the three are one of `tools.route.FALLBACKS`."""
        self._fallbacks.labels(asked, taken, reason).inc()

    def config_read(self, accepted: bool) -> None:
        """A configuration document was put in force or rejected."""
        self._config.labels("applied" if accepted else "rejected").inc()

    def rejected(self, reason: str) -> None:
        """A request was refused before any tool."""
        self._rejected.labels(reason).inc()

    def servers(self, config: ServerConfig) -> None:
        """The configured servers changed: series of others go away."""
        names = {upstream.name for upstream in config.upstreams}
        for gone in self._servers - names:
            for outcome in OUTCOMES:
                _remove(self._upstream_calls, gone, outcome)
        self._servers = names

    def totals(self) -> tuple[int, int, Histogram, TokenStats]:
        """Calls, errors, latency and tokens for `ServerStats`."""
        tokens = TokenStats(baseline=self._bytes["baseline"] // BYTES_PER_TOKEN, served=self._bytes["served"] // BYTES_PER_TOKEN)
        return self._calls_total, self._errors_total, Histogram(counts=tuple(self._counts)), tokens


def _remove(counter: Counter, *labels: str) -> None:
    try:
        counter.remove(*labels)
    except KeyError:
        return
