"""What is kept for clients, and how often other replicas are asked for theirs, read when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .handles import Handles
from .peers import OUTCOMES, Peers
from .tasks import Tasks

STATUSES = ("completed", "failed", "cancelled")


class KeptCollector(Collector):
    """Gauges of the stores and totals of the questions to peers."""

    def __init__(self, handles: Handles, tasks: Tasks, peers: Peers) -> None:
        self._results = handles.kept
        self._tasks = tasks
        self._peers = peers

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        self._results.expire()
        yield GaugeMetricFamily(
            "mcp_optimizer_kept_results", "Truncated results whose rest is kept, and files of jobs.", value=len(self._results)
        )
        yield GaugeMetricFamily("mcp_optimizer_kept_result_bytes", "Size of the kept results.", value=self._results.size)
        yield CounterMetricFamily(
            "mcp_optimizer_kept_results_evicted", "Kept results that made room before their time.", value=self._results.evicted
        )
        self._tasks.ended.expire()
        yield GaugeMetricFamily("mcp_optimizer_tasks_running", "Calls that run as tasks.", value=len(self._tasks.running))
        yield GaugeMetricFamily("mcp_optimizer_kept_task_bytes", "Size of the results of ended tasks.", value=self._tasks.ended.size)
        ended = CounterMetricFamily("mcp_optimizer_tasks", "Tasks by the state they ended in.", labels=["status"])
        for status in STATUSES:
            ended.add_metric([status], self._tasks.totals[status])
        yield ended
        peers = CounterMetricFamily("mcp_optimizer_peer_requests", "Questions to other replicas.", labels=["outcome"])
        for outcome in OUTCOMES:
            peers.add_metric([outcome], self._peers.outcomes[outcome])
        yield peers
