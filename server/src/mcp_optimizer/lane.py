"""What the MCP endpoint needs from a place where code runs, so that neither knows how the other works.

`sandbox/` implements `SandboxLane` with warm Pods; tests implement it with a function.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import ArtifactLimits, CallError, JobError
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats

from .clients import current_client


@dataclass(frozen=True, slots=True)
class JobFile:
    """A file that the job finds below its folder `in`. The name is one that `mcp_optimizer_api.filenames` takes."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class JobRequest:
    """One job. `timeout_s` is already bounded by the configuration. `seed` starts `random`; None: another one each time."""

    code: str
    params: dict[str, Any] = field(default_factory=dict)
    timeout_s: float = 30.0
    files: tuple[JobFile, ...] = ()
    seed: int | None = None
    artifacts: ArtifactLimits | None = None
    """None: nothing that it leaves behind is taken."""
    client: str = field(default_factory=current_client)
    """Who asked, for limits per client."""
    timeout_chosen: bool = False
    """Whether the caller named the time, or got what the endpoint gives at most."""
    lane: Literal["auto", "pod"] = "auto"
    """`pod`: not in the fast lane, whatever the code."""
    session: bool = False
    """Keep the sandbox afterwards: the outcome says where the next run goes."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """Answer to a tool call of a job: the value the code sees, or why there is none."""

    ok: bool
    value: Any = None
    error: CallError | None = None


@dataclass(frozen=True, slots=True)
class Artifact:
    """A file that the job left in its folder `artifacts`. Nobody here looks into it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What lay in that folder and was not taken, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """How a job that started ended. `error.kind` is one of `JobError`'s, or `lost` when its Pod vanished."""

    ok: bool
    value: Any = None
    error: JobError | None = None
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: int = 0
    stderr_truncated: int = 0
    calls: int = 0
    duration_ms: float = 0.0
    artifacts: tuple[Artifact, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    lane: Literal["", "fast"] = ""
    """`fast` when no Pod was used."""
    session: "OpenSession | None" = None
    """Where the next run goes; None when none was asked for, or when it ended with this run."""


OnCall = Callable[[str, dict[str, Any]], Awaitable[CallOutcome]]
"""Runs a tool call of the job through the same policy as a client's call. Never raises for a failed call."""
OnOutput = Callable[[Literal["stdout", "stderr"], str], Awaitable[None]]


class OpenSession(Protocol):
    """A sandbox that is kept for more runs: one at a time, in the same process. It ends by itself when it is not used for long."""

    @property
    def ended(self) -> str | None:
        """Why there will be no more runs; None while there may be."""

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """The next run; as `SandboxLane.run`. Cancelling it ends the session."""

    def close(self, reason: str) -> None:
        """End it now."""


class SandboxLane(Protocol):
    """A place where jobs run, one sandbox each."""

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """Take over new settings at once, without touching running jobs. Only Pods owned by `owner_uid` count."""

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Run one job to its end; cancelling this coroutine cancels the job.

        Raises `CallFailure` when the job was refused before it started (429 too many, 503 no warm sandbox or not configured).
        """

    def stats(self) -> SandboxStats:
        """Totals since the process started."""

    def events(self) -> AsyncIterator[SandboxEvent]:
        """Claims and ends of jobs from now on, for one subscriber; slow subscribers lose the oldest."""

    async def close(self) -> None:
        """End after the drain: stop watching, cancel what still runs."""
