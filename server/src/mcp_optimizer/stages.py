"""Where the time of requests goes: one histogram per stage, kept in plain numbers because every request passes several of them."""

import bisect
from collections.abc import Iterator
from typing import Final

from prometheus_client.core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

BOUNDS: Final = (
    *(0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0),
)
"""Seconds."""
STAGES: Final = ("parse", "policy", "search", "upstream", "sandbox")
READ: Final = "mcp_optimizer.read"
"""Key of the ASGI scope: when the request was read in full, by time.perf_counter."""


class Stage:
    """One stage of one process."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS) + 1)
        self.seconds = 0.0

    def note(self, seconds: float) -> None:
        """It took this long, once."""
        self.counts[bisect.bisect_left(BOUNDS, seconds)] += 1
        self.seconds += seconds


class Stages(Collector):
    """All stages: `parse` from the last byte read to the recognised call, `policy` for its checks, `search`, `upstream`, `sandbox`."""

    def __init__(self) -> None:
        self.parse, self.policy, self.search, self.upstream, self.sandbox = (Stage() for _ in STAGES)

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        family = HistogramMetricFamily("mcp_optimizer_stage_seconds", "Time that a stage of a request took.", labels=["stage"])
        for name in STAGES:
            stage: Stage = getattr(self, name)
            total, buckets = 0, []
            for bound, count in zip((*map(str, BOUNDS), "+Inf"), stage.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([name], buckets=buckets, sum_value=stage.seconds)
        yield family
