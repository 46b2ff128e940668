"""What a server Pod reports on its management port: `GET /stats` (this document) and `GET /events` (one `SandboxEvent` per line).

All counters are totals since the Pod started; the reader takes differences.
"""

from typing import Literal

from pydantic import Field

from .base import Document

LATENCY_BOUNDS_MS: tuple[float, ...] = (
    0.5, 1, 2, 3, 5, 7.5, 10, 15, 20, 30, 40, 50, 75, 100, 150, 200, 300, 500, 750, 1000, 2000, 5000, 10000, 30000,
)  # fmt: skip
TOKEN_METHOD = "utf8-bytes/4"


class Histogram(Document):
    """Counts per bucket (not cumulative over buckets); `counts` has one entry more than `bounds_ms` for everything above."""

    bounds_ms: tuple[float, ...] = Field(default=LATENCY_BOUNDS_MS, max_length=64)
    counts: tuple[int, ...] = Field(default=(0,) * (len(LATENCY_BOUNDS_MS) + 1), max_length=65)


class UpstreamStats(Document):
    """One federated server as this Pod sees it."""

    name: str
    ready: bool
    tools: int = 0
    catalogue_hash: str = ""
    error: str | None = None
    breaker: Literal["closed", "half-open", "open"] = "closed"
    """`open`: calls are refused because the server fails; `error` says how."""
    in_flight: int = 0
    retries: int = 0
    refused_open: int = 0
    """Calls refused at once because the breaker was open."""
    refused_full: int = 0
    """Calls refused because `max_concurrent` were in flight and no place came free."""


class TokenStats(Document):
    """Tokens of definitions: `baseline` if each tools/list had listed every tool, `served` what lists and discover results really had."""

    method: str = TOKEN_METHOD
    baseline: int = 0
    served: int = 0


class IsolationReport(Document):
    """What a probe job found in a sandbox Pod of one template."""

    template: str = Field(max_length=64)
    """Its hash, as in the Pods' annotation."""
    verified: bool
    runtime: str = Field(default="", max_length=64)
    """`gVisor`, or the kernel's name and version."""
    problem: str = Field(default="", max_length=500)
    """The first check that failed, with its fix, to follow "a sandbox was probed, and"."""


class SandboxStats(Document):
    """Jobs of this Pod since it started."""

    warm_seen: int = 0
    busy: int = 0
    jobs: int = 0
    succeeded: int = 0
    failed: int = 0
    timed_out: int = 0
    lost: int = 0
    refused: int = 0
    conflicts: int = 0
    isolation: list[IsolationReport] = Field(default=[], max_length=16)
    """Of the templates whose Pods are there, as far as this Pod knows."""
    fast_jobs: int = 0
    """That ended in the fast lane, without a Pod; none of the other numbers has them."""
    fast_starts: int = 0
    """Of the fast lane's child process."""
    sessions: int = 0
    """Open now: each holds a Pod, whether something runs in it or not."""


class ServerStats(Document):
    """Everything one server Pod reports. Schema version 1."""

    version: Literal[1] = 1
    pod: str
    started_at: float
    """Unix time in seconds."""
    config_hash: str
    """SHA-256 of the config document in force, hexadecimal; empty before the first."""
    calls: int = 0
    errors: int = 0
    latency: Histogram = Histogram()
    tokens: TokenStats = TokenStats()
    upstreams: list[UpstreamStats] = Field(default=[])
    unknown_pins: list[str] = Field(default=[])
    """Pinned identifiers that no server offers to clients now, excluded ones among them; at most 50."""
    sandbox: SandboxStats = SandboxStats()


class SandboxEvent(Document):
    """A line of `GET /events`: tells the operator of a claim before the kubelet does, so that the refill starts at once.

    `unreachable`: this server Pod has failed to connect to a warm Pod again and again. `ping` is sent every 10 s on an idle stream, with empty names.
    """

    type: Literal["claimed", "finished", "unreachable", "ping"]
    pod: str = ""
    uid: str = ""
