"""What jobs leave behind, in figures, read when Prometheus asks."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .artifacts import OUTCOMES, Artifacts
from .recording import Recordings
from .recording.recordings import OUTCOMES as RECORDED
from .recording.recordings import REPLAYS


class JobStoresCollector(Collector):
    """Totals of files and replays, gauges of the recordings."""

    def __init__(self, artifacts: Artifacts, recordings: Recordings) -> None:
        self._artifacts = artifacts
        self._recordings = recordings

    def collect(self) -> Iterator[Metric]:
        """The metrics of this moment."""
        files = CounterMetricFamily("mcp_optimizer_artifacts", "Files that jobs left behind.", labels=["outcome"])
        for outcome in OUTCOMES:
            files.add_metric([outcome], self._artifacts.outcomes[outcome])
        yield files
        yield CounterMetricFamily("mcp_optimizer_artifact_bytes", "Bytes of the files that were kept.", value=self._artifacts.bytes)
        kept = self._recordings.kept
        kept.expire()
        yield GaugeMetricFamily("mcp_optimizer_recordings", "Recordings that can be replayed.", value=len(kept))
        yield GaugeMetricFamily("mcp_optimizer_recording_bytes", "Size of the recordings.", value=kept.size)
        yield CounterMetricFamily("mcp_optimizer_recordings_evicted", "Recordings that made room before their time.", value=kept.evicted)
        recorded = CounterMetricFamily("mcp_optimizer_jobs_recorded", "Jobs that were to be recorded.", labels=["outcome"])
        for outcome in RECORDED:
            recorded.add_metric([outcome], self._recordings.outcomes[outcome])
        yield recorded
        replays = CounterMetricFamily("mcp_optimizer_replays", "Recorded jobs that ran again.", labels=["outcome"])
        for outcome in REPLAYS:
            replays.add_metric([outcome], self._recordings.replays[outcome])
        yield replays
