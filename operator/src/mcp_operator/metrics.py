"""Prometheus metrics of the operator. docs/reference/metrics-operator.md lists them; a test compares the two."""

import time
from collections import Counter as Counting
from collections.abc import Callable, Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from .kinds import RESOURCES, Manifest


class Metrics:
    """All series in one registry of their own, so that tests do not share them."""

    def __init__(self, *, version: str) -> None:
        registry = CollectorRegistry()
        self.registry = registry
        self.reconciles = Counter("mcpop_reconcile", "Reconciliations by kind and result", ["kind", "result"], registry=registry)
        self.reconcile_seconds = Histogram(
            "mcpop_reconcile_duration_seconds",
            "Time of one reconciliation",
            ["kind"],
            buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.queue_depth = Gauge("mcpop_queue_depth", "Keys waiting for a worker", registry=registry)
        self.queue_oldest = Gauge("mcpop_queue_oldest_seconds", "How long the key at the head has been waiting", registry=registry)
        self.api_requests = Counter(
            "mcpop_api_requests", "Requests to the API server by verb and code", ["verb", "code"], registry=registry
        )
        self.watch_age = Gauge("mcpop_watch_last_event_age_seconds", "Time since the last event of a kind", ["kind"], registry=registry)
        self.leader = Gauge("mcpop_leader", "1 while this process holds the Lease", registry=registry)
        self.managed = Gauge("mcpop_managed", "Custom resources by kind and Ready state", ["kind", "state"], registry=registry)
        self.sandboxes_removed = Counter(
            "mcpop_sandboxes_removed", "Sandbox Pods removed because something was wrong with them, by cause", ["cause"], registry=registry
        )
        self.sandbox_refill_seconds = Histogram(
            "mcpop_sandbox_refill_seconds",
            "From a claim until the Pod that replaces the claimed one was seen ready",
            buckets=(1, 2, 3, 4, 5, 7.5, 10, 15, 20, 30, 60),
            registry=registry,
        )
        self.build_info = Gauge("mcpop_build_info", "Always 1; the version is in the label", ["version"], registry=registry)
        self.build_info.labels(version).set(1)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)

    def count_managed(self, resources: Iterable[Manifest]) -> None:
        """Count resources by kind and by what their Ready condition says."""
        states = Counting((obj["kind"], _ready(obj)) for obj in resources)
        self.managed.clear()
        for kind in RESOURCES:
            for state in ("ready", "not_ready", "unknown"):
                self.managed.labels(kind.kind, state).set(states[kind.kind, state])

    def saw_event(self, kind: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Restart the age of the last event of a kind."""
        now = clock()
        self.watch_age.labels(kind).set_function(lambda: clock() - now)


def _ready(obj: Manifest) -> str:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        if condition.get("type") == "Ready":
            return {"True": "ready", "False": "not_ready"}.get(condition.get("status"), "unknown")
    return "unknown"
