"""The fast lane in this process: time of a job, alone and with 20 calls, what its child takes, and a soak of jobs that misbehave.

One job after the other, each with the pause in which a spare worker comes up: what a job takes while one is warm. `rate` is without pauses.
Compare with `python -m bench.sandbox --local`, the same jobs in agents of sandbox Pods on this machine.
"""

import argparse
import asyncio
import os
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from bench.figures import percentile
from mcp_optimizer.errors import CallFailure
from mcp_optimizer.fastlane.lane import FastLane
from mcp_optimizer.fastlane.metrics import FastLaneMetrics
from mcp_optimizer.lane import CallOutcome, JobRequest
from mcp_optimizer.lanes import NoLane
from mcp_optimizer_api.config import FastLaneConfig, SandboxConfig

TWENTY_CALLS = "for n in range(20): call('a.b', n=n)"
PAUSE_SECONDS = 0.5
MIX = (
    "1 + 1",
    TWENTY_CALLS,
    "x = 'a' * 10**9",
    "call('a.b')\nx = 'a' * 10**9",
    "def f(): return f()\nf()",
    "call('a.b')\nwhile True: pass",
)
SOAK_TIMEOUT_SECONDS = 0.2


async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    """A tool that answers at once."""
    return CallOutcome(ok=True, value=arguments)


async def times(lane: FastLane, code: str, jobs: int, pause: float) -> list[float]:
    """Milliseconds of each job."""
    found = []
    for _ in range(jobs):
        started = time.perf_counter()
        outcome = await lane.run(JobRequest(code=code), on_call)
        found.append((time.perf_counter() - started) * 1000)
        assert outcome.ok and outcome.lane == "fast", outcome
        await asyncio.sleep(pause)
    return found


async def soak(lane: FastLane, jobs: int) -> Counter[str]:
    """How jobs of the mix ended, four at a time: NoLane refuses what a Pod would get."""
    ends: Counter[str] = Counter()

    async def some(first: int) -> None:
        for number in range(first, jobs, 4):
            try:
                job = JobRequest(code=MIX[number % len(MIX)], timeout_s=SOAK_TIMEOUT_SECONDS, timeout_chosen=True)
                outcome = await lane.run(job, on_call)
                ends[outcome.error.kind if outcome.error else "ok"] += 1
            except CallFailure:
                ends["handed_on"] += 1

    await asyncio.gather(*(some(first) for first in range(4)))
    return ends


def processes_of(pid: int) -> list[int]:
    """It, and what it started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [pid, *(int(child) for task in tasks for child in (task / "children").read_text().split())]


def megabytes(pid: int, field: str = "Pss") -> float:
    """Of one process, shared pages divided among those who share them."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0


def resources() -> tuple[float, int, int]:
    """Memory of this process in MB, its open files, its tasks."""
    return megabytes(os.getpid(), "Rss"), len(os.listdir("/proc/self/fd")), len(asyncio.all_tasks())


async def measure(jobs: int, soak_jobs: int) -> str:
    """The line of figures."""
    fallbacks: Counter[str] = Counter()
    lane = FastLane(NoLane("no Pods here"), FastLaneMetrics(CollectorRegistry()), lambda *path: fallbacks.update([path[2]]))
    lane.configure(SandboxConfig(enabled=True, fast_lane=FastLaneConfig()), "bench", "bench")
    started = time.perf_counter()
    await times(lane, "1", 1, 1.0)
    start_ms = (time.perf_counter() - started - 1) * 1000
    warm, calls = await times(lane, "1 + 1", jobs, PAUSE_SECONDS), await times(lane, TWENTY_CALLS, jobs, PAUSE_SECONDS)
    child = lane.stats().fast_starts and lane.child_pid
    assert child
    memory = [megabytes(pid) for pid in processes_of(child)]
    busy = await times(lane, "1 + 1", jobs, 0)
    print(f"warm {percentile(warm, 50):.2f} ms, processes {[round(mb, 1) for mb in memory]} MB", flush=True)
    before = resources()
    ends = await soak(lane, soak_jobs)
    after = resources()
    left = len(processes_of(lane.child_pid or child))
    print(f"soak: {dict(ends)}, handed on for {dict(fallbacks)}; memory, files, tasks {before} -> {after}; processes {left}", flush=True)
    await lane.close()
    return (
        f"fastlane warm_p50_ms={percentile(warm, 50):.2f} warm_p99_ms={percentile(warm, 99):.2f} calls20_p50_ms={percentile(calls, 50):.2f}"
        f" calls20_p99_ms={percentile(calls, 99):.2f} start_ms={start_ms:.0f} rate_per_s={1000 * len(busy) / sum(busy):.0f}"
        f" child_mb={memory[0]:.0f} worker_mb={sum(memory[1:]) / max(len(memory) - 1, 1):.0f} soak_jobs={soak_jobs}"
        f" child_starts={lane.stats().fast_starts} fd_growth={after[1] - before[1]} rss_growth_mb={after[0] - before[0]:.1f}"
    )


def main() -> int:
    """Exit code 0."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--soak", type=int, default=2000)
    chosen = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(measure(chosen.jobs, chosen.soak)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
