"""Which lane this process has."""

from collections.abc import AsyncIterator
from pathlib import Path

from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats

from .errors import UNAVAILABLE, CallFailure
from .fastlane.lane import FastLane
from .fastlane.metrics import FastLaneMetrics
from .kube import KubeClient
from .lane import JobOutcome, JobRequest, OnCall, OnOutput, SandboxLane
from .sandbox import PodLane
from .state.peers import Peers
from .telemetry import Telemetry


def lane_of(kube: KubeClient | None, key_file: Path | None, replica: str = "", peers: Peers | None = None) -> SandboxLane:
    """Sandbox Pods where there is a cluster and a key to its pool; otherwise a lane that says what is missing."""
    if kube is None:
        return NoLane("this endpoint has no sandboxes: it runs outside a cluster")
    if key_file is None:
        return NoLane("this endpoint has no sandboxes: MCP_SANDBOX_KEY_FILE is not set")
    return PodLane(kube, key_file, replica, peers)


def with_fast_lane(pods: SandboxLane, telemetry: Telemetry) -> SandboxLane:
    """The same lane behind one that may take pure orchestration code, once the configuration says so."""
    return FastLane(pods, FastLaneMetrics(telemetry.registry), telemetry.fallback)


class NoLane:
    """The lane of a process that cannot reach sandboxes (no cluster, or no pool key): every job is refused with the reason."""

    def __init__(self, reason: str) -> None:
        self._reason = reason
        self._refused = 0

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """There is nothing to set."""

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Refuse."""
        self._refused += 1
        raise CallFailure(UNAVAILABLE, self._reason)

    def stats(self) -> SandboxStats:
        """Refusals only."""
        return SandboxStats(refused=self._refused)

    async def events(self) -> AsyncIterator[SandboxEvent]:
        """None, ever."""
        return
        yield

    async def close(self) -> None:
        """Nothing is open."""
