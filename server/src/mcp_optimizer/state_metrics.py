"""Metrics that are read from the state when Prometheus asks, instead of being kept beside it."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from mcp_optimizer_api.stats import UpstreamStats

from .federation import Federation
from .lane import SandboxLane

BREAKER_STATES = {"closed": 0, "half-open": 1, "open": 2}
JOB_OUTCOMES = {
    "started": "jobs",
    "succeeded": "succeeded",
    "failed": "failed",
    "timed_out": "timed_out",
    "lost": "lost",
    "refused": "refused",
    "conflict": "conflicts",
}


class StateCollector(Collector):
    """Gauges of the federation, and the lane's totals."""

    def __init__(self, federation: Federation, lane: SandboxLane) -> None:
        self._federation = federation
        self._lane = lane

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        snapshot = self._federation.snapshot
        yield GaugeMetricFamily("mcp_optimizer_tools", "Tools behind the endpoint.", value=len(snapshot.tools) if snapshot else 0)
        definitions = GaugeMetricFamily("mcp_optimizer_definition_bytes", "Size of the list of all definitions.")
        definitions.add_metric([], snapshot.direct_bytes if snapshot else 0)
        yield definitions
        ready = GaugeMetricFamily("mcp_optimizer_upstream_ready", "Whether the last tools/list of a server succeeded.", labels=["server"])
        upstreams = self._federation.stats()
        for upstream in upstreams:
            ready.add_metric([upstream.name], float(upstream.ready))
        yield ready
        yield from _guards(upstreams)
        yield from self._sandbox()

    def _sandbox(self) -> Iterator[Metric]:
        stats = self._lane.stats()
        yield GaugeMetricFamily("mcp_optimizer_sandboxes_warm", "Warm sandbox Pods this process knows.", value=stats.warm_seen)
        yield GaugeMetricFamily("mcp_optimizer_sandboxes_busy", "Jobs that run now.", value=stats.busy)
        yield GaugeMetricFamily("mcp_optimizer_sandbox_sessions", "Sandboxes that sessions keep, busy or not.", value=stats.sessions)
        jobs = CounterMetricFamily("mcp_optimizer_sandbox_jobs", "Jobs by what became of them.", labels=["outcome"])
        for outcome, field in JOB_OUTCOMES.items():
            jobs.add_metric([outcome], getattr(stats, field))
        yield jobs


def _guards(upstreams: list[UpstreamStats]) -> Iterator[Metric]:
    breaker = GaugeMetricFamily("mcp_optimizer_upstream_breaker_state", "0 closed, 1 half-open, 2 open.", labels=["server"])
    in_flight = GaugeMetricFamily("mcp_optimizer_upstream_in_flight", "Calls a server has not answered yet.", labels=["server"])
    retries = CounterMetricFamily("mcp_optimizer_upstream_retries", "Calls sent a second time.", labels=["server"])
    refused = CounterMetricFamily("mcp_optimizer_upstream_refused", "Calls that were not sent.", labels=["server", "reason"])
    for upstream in upstreams:
        breaker.add_metric([upstream.name], BREAKER_STATES[upstream.breaker])
        in_flight.add_metric([upstream.name], upstream.in_flight)
        retries.add_metric([upstream.name], upstream.retries)
        refused.add_metric([upstream.name, "open"], upstream.refused_open)
        refused.add_metric([upstream.name, "full"], upstream.refused_full)
    yield from (breaker, in_flight, retries, refused)
