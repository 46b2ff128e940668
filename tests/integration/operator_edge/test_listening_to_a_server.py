"""The collector and a real server process: the two rooms must agree on what counters look like on the wire."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from mcp_operator.collector import Collector, Target
from mcp_operator.federation_view import federated
from mcp_operator.kinds import Key
from mcp_operator.verify import Outcome, check
from mcp_optimizer_api.catalogue import catalogue_hash
from mcp_optimizer_api.config import SandboxConfig, ServerConfig, UpstreamConfig
from mcp_optimizer_api.stats import SandboxEvent, ServerStats
from tests.unit.operator_edge.mcp_endpoints import TOOLS, Legacy, serving

pytestmark = pytest.mark.integration
OWNER = Key("MCPOptimizer", "apps", "team")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def server(upstream: str, folder: Path) -> AsyncIterator[tuple[int, int]]:
    """A server process with one upstream; its MCP and management ports."""
    upstreams = [UpstreamConfig(name="acme", url=upstream), UpstreamConfig(name="gone", url="http://127.0.0.1:1/mcp")]
    config = ServerConfig(namespace="apps", name="team", uid="u", upstreams=upstreams, sandbox=SandboxConfig(enabled=False))
    path = folder / "config.json"
    path.write_text(config.to_json())
    ports = free_port(), free_port()
    env = {
        **os.environ,
        "MCP_CONFIG": f"file:{path}",
        "MCP_BIND": "127.0.0.1",
        "MCP_PORT": str(ports[0]),
        "MCP_MANAGEMENT_PORT": str(ports[1]),
        "MCP_DRAIN_SECONDS": "0",
        "POD_NAMESPACE": "apps",
        "POD_NAME": "team-optimizer-0",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "mcp_optimizer", env=env)
    try:
        yield ports
    finally:
        process.terminate()
        await process.wait()


async def test_counters_of_a_real_server_are_understood(tmp_path: Path) -> None:
    reports: list[ServerStats] = []
    events: list[SandboxEvent] = []

    def heard(_: Key, __: Target, stats: ServerStats | None) -> None:
        if stats is not None:
            reports.append(stats)

    async with serving(Legacy()) as upstream, server(upstream, tmp_path) as (mcp, management), aiohttp.ClientSession() as http:
        collector = Collector(http, on_event=lambda _, event: events.append(event), on_stats=heard, interval=0.1)
        collector.listen(OWNER, [Target(name="p", uid="u", address="127.0.0.1", port=management)])
        async with asyncio.timeout(60):
            while not (reports and any(server.ready for server in federated([reports[-1]]))):  # noqa: ASYNC110 (the collector calls back)
                await asyncio.sleep(0.05)
            found = await check(http, f"http://127.0.0.1:{mcp}/mcp")
        await collector.close()
    acme, gone = federated([reports[-1]])
    assert (acme.name, acme.ready, acme.tools) == ("acme", True, len(TOOLS))
    assert (gone.name, gone.ready) == ("gone", False)
    assert gone.message
    assert (found.outcome, found.protocol_version) == (Outcome.VERIFIED, "2026-07-28")
    assert {upstream.name: upstream.catalogue_hash for upstream in reports[-1].upstreams}["acme"] == catalogue_hash(TOOLS)
