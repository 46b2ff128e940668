"""The same jobs without a cluster: real agents as processes on loopback, the data plane's own lane in this process."""

import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import uvloop

from mcp_optimizer.kube import Event
from mcp_optimizer.lane import CallOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.job import pod_token, token_digest

KEY = b"benchmark"
OWNER = "benchmark"
START_SECONDS = 1.0
TWENTY_CALLS = "for n in range(20): call('a.b', n=n)"
ENDLESS = "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\nwhile True: call('a.b')"


class OneEvent:
    """A watch that reports Pods when told."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """Reports."""
        while True:
            yield await self.events.get()


async def agent(name: str, folder: str) -> tuple[asyncio.subprocess.Process, int]:
    """A warm agent, and the port of its jobs."""
    environment = {
        "MCP_SANDBOX_POD": name,
        "MCP_SANDBOX_TOKEN_SHA256": token_digest(pod_token(KEY, name)),
        "MCP_SANDBOX_WORKDIR": folder,
        "MCP_SANDBOX_PORT": "0",
        "MCP_SANDBOX_HEALTH_PORT": "0",
        "MCP_SANDBOX_BIND": "127.0.0.1",
        "MCP_SANDBOX_EGRESS": "unchecked",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mcp_sandbox", env=environment, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    while True:
        line = (await process.stderr.readline()).decode()
        if '"listening"' in line:
            return process, int(line.split('"port": ')[1].split(",")[0])


def pod(name: str, port: int, owner: str = OWNER) -> dict[str, Any]:
    """The Pod that an agent on this port would be."""
    container = {
        "env": [{"name": "MCP_SANDBOX_TOKEN_SHA256", "value": token_digest(pod_token(KEY, name))}],
        "ports": [{"name": "job", "containerPort": port}],
    }
    return {
        "metadata": {"name": name, "uid": name, "ownerReferences": [{"uid": owner, "controller": True}]},
        "spec": {"containers": [container]},
        "status": {"podIP": "127.0.0.1", "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


async def _on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    return CallOutcome(ok=True, value=arguments)


Timed = Callable[[PodLane, asyncio.subprocess.Process], Awaitable[float]]


def job_of(code: str) -> Timed:
    """Milliseconds of a whole job."""

    async def timed(lane: PodLane, process: asyncio.subprocess.Process) -> float:
        started = time.perf_counter()
        outcome = await lane.run(JobRequest(code=code), _on_call)
        milliseconds = (time.perf_counter() - started) * 1000
        if not outcome.ok:
            raise RuntimeError(f"a job failed: {outcome.error}")
        await process.wait()
        return milliseconds

    return timed


async def cancelled(lane: PodLane, process: asyncio.subprocess.Process) -> float:
    """Milliseconds from the cancellation of a busy job until its Pod's last process has ended."""
    begun = asyncio.Event()

    async def on_call(tool: str, arguments: dict[str, Any]) -> CallOutcome:
        begun.set()
        return CallOutcome(ok=True, value=arguments)

    job = asyncio.create_task(lane.run(JobRequest(code=ENDLESS), on_call))
    await begun.wait()
    started = time.perf_counter()
    job.cancel()
    await process.wait()
    milliseconds = (time.perf_counter() - started) * 1000
    await asyncio.gather(job, return_exceptions=True)
    return milliseconds


async def _measure(timed: Timed, jobs: int) -> list[float]:
    watch, times = OneEvent(), []
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "key"
        await asyncio.to_thread(key_file.write_bytes, KEY)
        lane = PodLane(watch, key_file)
        lane.configure(SandboxConfig(enabled=True, pod_selector="a=b"), "bench", OWNER)
        for number in range(jobs):
            name = f"pod-{number}"
            process, port = await agent(name, folder)
            await asyncio.sleep(START_SECONDS / 4)
            watch.events.put_nowait(Event("changed", (pod(name, port),)))
            await asyncio.sleep(0.01)
            times.append(await timed(lane, process))
        await lane.close()
    return times


def measure(timed: Timed, jobs: int) -> list[float]:
    """What `timed` says of each job, on a fresh warm agent each."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_measure(timed, jobs))
