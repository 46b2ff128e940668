"""One replica as a process of its own: the real lane, its view of the pool from a watch over TCP, and as many claims as it is told to make.

`python -m tests.integration.sandbox.replica NAME WATCH_PORT KEY_FILE CLAIMS AT_ONCE`; prints one JSON document: which Pod ran which claim.
"""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping
from pathlib import Path
from typing import Any

import uvloop

from mcp_optimizer.kube import Event
from mcp_optimizer.lane import CallOutcome, JobRequest
from mcp_optimizer.sandbox import PodLane
from mcp_optimizer_api.config import SandboxConfig

from .hammered import OWNER


class TcpWatch:
    """The API server's place: one JSON document per event."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def list_and_watch(self, path: str, params: Mapping[str, str] | None = None) -> AsyncGenerator[Event, None]:
        """Events until the other side closes."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=16 * 1024 * 1024)
        try:
            while line := await reader.readline():
                event = json.loads(line)
                yield Event(event["kind"], tuple(event["objects"]))
        finally:
            writer.close()


async def _no_tool(tool: str, arguments: dict[str, Any]) -> CallOutcome:
    return CallOutcome(ok=True)


async def hammer(name: str, port: int, key_file: Path, claims: int, at_once: int) -> dict[str, Any]:
    """Make the claims, `at_once` beside each other."""
    lane = PodLane(TcpWatch(port), key_file, name)
    lane.configure(SandboxConfig(enabled=True, pod_selector="a=b", max_concurrent=at_once, queue_seconds=60), "ns", OWNER)
    numbers, ran, failed = iter(range(claims)), {}, []

    async def one_after_the_other() -> None:
        for number in numbers:
            claim = f"{name}-{number}"
            outcome = await lane.run(JobRequest(code="", params={"claim": claim}), _no_tool)
            if outcome.ok:
                ran[claim] = outcome.value
            else:
                failed.append(f"{claim}: {outcome.error}")

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
    conflicts = lane.stats().conflicts
    await lane.close()
    return {"ran": ran, "failed": failed[:20], "conflicts": conflicts}


if __name__ == "__main__":
    name, port, key_file, claims, at_once = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.write(json.dumps(runner.run(hammer(name, int(port), Path(key_file), int(claims), int(at_once)))))
