"""What is under way, what waits, and what was cut off: read from the state when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .admission import Admission
from .patience import Patience


class FlowCollector(Collector):
    """Gauges of the admission, counters of the connections that were cut."""

    def __init__(self, admission: Admission, patience: Patience) -> None:
        self._admission = admission
        self._patience = patience

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        slots = self._admission.slots
        yield GaugeMetricFamily("mcp_optimizer_requests_in_flight", "Requests that are being answered.", value=slots.taken)
        yield GaugeMetricFamily("mcp_optimizer_requests_queued", "Requests that wait for a place.", value=slots.waiting)
        yield GaugeMetricFamily("mcp_optimizer_streams_open", "Open subscriptions.", value=self._admission.streams)
        yield GaugeMetricFamily(
            "mcp_optimizer_message_memory_bytes", "Large messages in memory, by weight.", value=self._admission.memory.taken
        )
        cut = CounterMetricFamily("mcp_optimizer_connections_cut", "Connections ended because of their client.", labels=["reason"])
        for reason, count in self._patience.cut.items():
            cut.add_metric([reason], count)
        yield cut
