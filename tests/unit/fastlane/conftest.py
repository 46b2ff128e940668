"""A fast lane with its real child process, before a lane of Pods that tells what reached it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest_asyncio
from prometheus_client import CollectorRegistry

from mcp_optimizer.fastlane.lane import FastLane
from mcp_optimizer.fastlane.metrics import FastLaneMetrics
from mcp_optimizer.lane import CallOutcome, JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer_api.config import FastLaneConfig, SandboxConfig
from mcp_optimizer_api.job import CallError
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats


class NotedPods:
    """Stands in for the lane of Pods: answers at once and remembers the jobs."""

    def __init__(self) -> None:
        self.jobs: list[JobRequest] = []

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        """Nothing to set."""

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        """Remember."""
        self.jobs.append(job)
        return JobOutcome(ok=True, value="from a Pod")

    def stats(self) -> SandboxStats:
        """Jobs."""
        return SandboxStats(jobs=len(self.jobs))

    async def events(self) -> AsyncIterator[SandboxEvent]:
        """None."""
        return
        yield

    async def close(self) -> None:
        """Nothing is open."""


class Bench:
    """The lane and everything that can be seen of it."""

    def __init__(self) -> None:
        self.pods = NotedPods()
        self.registry = CollectorRegistry()
        self.fallbacks: list[tuple[str, str, str]] = []
        self.called: list[tuple[str, dict[str, Any]]] = []
        self.lane = FastLane(self.pods, FastLaneMetrics(self.registry), lambda *what: self.fallbacks.append(what))
        self.answer: Callable[[str, dict[str, Any]], Any] = lambda tool, arguments: arguments

    def configure(self, *, on: bool = True, **changes: Any) -> None:
        """Take over settings."""
        fast = FastLaneConfig.model_validate({"timeout_seconds": 10, **changes}) if on else None
        self.lane.configure(SandboxConfig(enabled=True, timeout_seconds=20, fast_lane=fast), "ns", "uid")

    async def on_call(self, tool: str, arguments: dict[str, Any]) -> CallOutcome:
        """A tool `fail` fails, `slow` takes until it is cancelled, every other one answers."""
        self.called.append((tool, arguments))
        if tool == "s.fail":
            return CallOutcome(ok=False, error=CallError(code=404, message="no such thing"))
        if tool == "s.slow":
            await asyncio.Event().wait()
        return CallOutcome(ok=True, value=self.answer(tool, arguments))

    async def run(self, code: str, progress: OnOutput | None = None, **changes: Any) -> JobOutcome:
        """One job."""
        return await self.lane.run(JobRequest(code=code, **{"timeout_s": 20.0, **changes}), self.on_call, progress=progress)

    def sample(self, name: str, **labels: str) -> float | None:
        """The value of a metric."""
        return self.registry.get_sample_value(name, labels)


async def eventually(check: Any) -> Any:
    """Poll until true."""
    async with asyncio.timeout(30):
        while not (found := check()):  # noqa: ASYNC110 -- what is waited for has no event
            await asyncio.sleep(0.01)
    return found


def children_of(pid: int) -> list[int]:
    """Processes that it started and that still run. Its threads come and go meanwhile."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Bench]:
    """One for the tests of a module: a child process takes half a second to start."""
    bench = Bench()
    bench.configure()
    yield bench
    await bench.lane.close()


@pytest_asyncio.fixture(loop_scope="module")
async def bench(shared: Bench) -> Bench:
    """A lane that is switched on, with nothing noted."""
    shared.configure()
    for notes in (shared.pods.jobs, shared.fallbacks, shared.called):
        notes.clear()
    return shared


@pytest_asyncio.fixture(loop_scope="module")
async def own() -> AsyncIterator[Bench]:
    """A lane whose child no other test sees."""
    bench = Bench()
    bench.configure()
    yield bench
    await bench.lane.close()
