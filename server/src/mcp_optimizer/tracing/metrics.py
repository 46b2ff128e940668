"""What became of the spans, read when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from .exporter import OUTCOMES
from .tracer import Tracer


class SpanCollector(Collector):
    """Totals of one tracer."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        spans = CounterMetricFamily("mcp_optimizer_spans", "Spans of traces by what became of them.", labels=["outcome"])
        for outcome in OUTCOMES:
            spans.add_metric([outcome], self._tracer.totals[outcome])
        yield spans
