"""The management port tells probes, Prometheus and the operator what they need."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from mcp import Client

from mcp_optimizer.lane import JobOutcome, JobRequest, OnCall, OnOutput
from mcp_optimizer_api.config import SandboxConfig
from mcp_optimizer_api.stats import SandboxEvent, SandboxStats, ServerStats
from tests.integration.server.conftest import Start
from tests.integration.server.harness import eventually, serving, write_config
from tests.integration.server.upstreams import TOOLS, Hanging, Modern

pytestmark = pytest.mark.integration


class QueueLane:
    """A lane whose events come from a queue."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[SandboxEvent] = asyncio.Queue()

    def configure(self, config: SandboxConfig, namespace: str, owner_uid: str) -> None:
        pass

    async def run(self, job: JobRequest, on_call: OnCall, *, progress: OnOutput | None = None) -> JobOutcome:
        raise NotImplementedError

    def stats(self) -> SandboxStats:
        return SandboxStats(warm_seen=3, jobs=2)

    async def events(self) -> AsyncIterator[SandboxEvent]:
        while True:
            yield await self.queue.get()

    async def close(self) -> None:
        pass


async def test_a_server_without_a_configuration_is_alive_but_not_ready(tmp_path: Path) -> None:
    async with serving(tmp_path / "missing.json") as server:
        assert (await server.get("/livez"))[0] == 200
        assert await server.get("/readyz") == (503, "no valid configuration yet")
        assert (await server.stats())["configHash"] == ""
        assert (await server.get("/nothing"))[0] == 404


async def test_readiness_waits_for_the_first_catalogues_but_not_for_a_server_that_hangs(start: Start, tmp_path: Path) -> None:
    good, hanging = await start(Modern()), await start(Hanging())
    write_config(tmp_path / "config.json", {"good": good.url, "hanging": hanging.url})
    async with serving(tmp_path / "config.json") as server:
        await eventually(lambda: server.process.management.settled)
        assert (await server.get("/readyz"))[0] == 200
        assert server.process.federation.snapshot is not None
        assert len(server.process.federation.snapshot.tools) == len(TOOLS)


async def test_stats_count_calls_errors_latency_and_tokens(start: Start, tmp_path: Path) -> None:
    good = await start(Modern())
    write_config(tmp_path / "config.json", {"good": good.url})
    async with serving(tmp_path / "config.json", lane=QueueLane()) as server:
        await server.tools_ready(len(TOOLS))
        async with Client(server.url) as client:
            await client.list_tools()
            await client.call_tool("discover", {"query": "weather"})
            await client.call_tool("execute", {"tool": "good.echo"})
            await client.call_tool("execute", {"tool": "good.nothing"})
        stats = ServerStats.model_validate(await server.stats())
        assert (stats.pod, stats.calls, stats.errors, sum(stats.latency.counts)) == ("pod-1", 3, 1, 3)
        assert 0 < stats.tokens.baseline < 1000 and 200 < stats.tokens.served < 600
        assert stats.sandbox.warm_seen == 3
        upstream = stats.upstreams[0]
        assert (upstream.name, upstream.ready, upstream.tools, len(upstream.catalogue_hash)) == ("good", True, len(TOOLS), 16)
        _, metrics = await server.get("/metrics")
        assert 'mcp_optimizer_calls_total{outcome="404",tool="execute"} 1.0' in metrics
        assert 'mcp_optimizer_upstream_calls_total{outcome="ok",server="good"} 1.0' in metrics
        assert "mcp_optimizer_tools 4.0" in metrics
        assert 'mcp_optimizer_sandbox_jobs_total{outcome="started"} 2.0' in metrics


async def test_events_are_streamed_line_by_line_and_end_with_the_server(tmp_path: Path) -> None:
    lane = QueueLane()
    write_config(tmp_path / "config.json", {})
    async with (
        serving(tmp_path / "config.json", lane=lane) as server,
        aiohttp.ClientSession() as session,
        session.get(server.management("/events")) as response,
    ):
        assert json.loads(await response.content.readline())["type"] == "ping"
        await lane.queue.put(SandboxEvent(type="claimed", pod="p-1", uid="u-1"))
        assert json.loads(await response.content.readline()) == {"type": "claimed", "pod": "p-1", "uid": "u-1"}
        server.process.stop.set()
        assert await asyncio.wait_for(response.content.read(), 20) == b""
