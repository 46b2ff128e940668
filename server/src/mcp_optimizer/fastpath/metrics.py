"""How many requests took the short way: a client whose requests never do pays for something unusual in each of them."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from .app import FastPath


class FastPathCollector(Collector):
    """Read from the fast path when Prometheus asks."""

    def __init__(self, fast_path: FastPath) -> None:
        self._fast_path = fast_path

    def collect(self) -> Iterator[Metric]:
        """The metric of this moment."""
        family = CounterMetricFamily("mcp_optimizer_requests", "Requests by what answered them: the fast path or the SDK.", labels=["by"])
        family.add_metric(["fast"], self._fast_path.served)
        family.add_metric(["sdk"], self._fast_path.left)
        yield family
