"""What the fast lane counts."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram

from .subset import REASONS

OUTCOMES: Final = (
    "ok", "exception", "timeout", "memory", "killed", "lost", "cancelled", "result_too_large", "result_not_json",
)  # fmt: skip
UNFIT: Final = (*REASONS, "asked", "timeout_s", "feature")
FALLBACKS: Final = tuple(("fast_lane", "pod", reason) for reason in ("unsupported", "memory", "timeout", "crashed", "lost", "busy", "down"))
BUCKETS: Final = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300)


class FastLaneMetrics:
    """Of one process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.jobs = 0
        self._starts = 0
        self._jobs = Counter("mcp_optimizer_fast_lane_jobs", "Jobs that ended in the fast lane.", ["outcome"], registry=registry)
        self._seconds = Histogram("mcp_optimizer_fast_lane_seconds", "Time of a job in the fast lane.", buckets=BUCKETS, registry=registry)
        self._unfit = Counter(
            "mcp_optimizer_fast_lane_unfit", "Jobs that went to a Pod without being tried.", ["reason"], registry=registry
        )
        self._started = Counter("mcp_optimizer_fast_lane_starts", "Starts of the fast lane's child process.", registry=registry)
        for outcome in OUTCOMES:
            self._jobs.labels(outcome)
        for reason in UNFIT:
            self._unfit.labels(reason)

    @property
    def starts(self) -> int:
        """Of the child process."""
        return self._starts

    @starts.setter
    def starts(self, value: int) -> None:
        self._started.inc(value - self._starts)
        self._starts = value

    def job(self, outcome: str, seconds: float) -> None:
        """A job ended here."""
        self.jobs += 1
        self._jobs.labels(outcome).inc()
        self._seconds.observe(seconds)

    def unfit(self, reason: str) -> None:
        """A job was not for us."""
        self._unfit.labels(reason).inc()
